"""Tables and plots of the study."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.scale.cameras import CameraPoint
from benchmarks.scale.model import (
    ADVICE,
    LEARN_UP_TO,
    GatewayCosts,
    WorkerCosts,
    errors,
    gateway_limits,
    one_host,
    own_hosts,
    predicted,
)
from benchmarks.scale.workers import WorkerPoint
from edgeflow.sensing.evaluation_chart import Chart, Series

__all__ = [
    "advice_table", "camera_table", "check_table", "cost_tables", "draw", "gateway_table",
    "one_host_table", "own_hosts_table", "worker_table",
]  # fmt: skip

CORES = (2, 4, 8, 16, 32)
GATEWAY_CORES = (1, 2, 4, 8)
WIRES = (1.0, 10.0)
MANY = 1024
"""Replicas in predictions: more than anything else allows."""
KEEPS_UP = 0.9
GATEWAY = "gateway's "


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value else "-"


def _workers_by(point: WorkerPoint, cores: int) -> str:
    """Return what held a measured point back, from what was busy."""
    if point.fps >= KEEPS_UP * point.wanted:
        return "workers"
    if point.cores + point.others >= KEEPS_UP * cores:
        return "all cores"
    shares = {"sender's core": point.sender_ms, "server's core": point.broker_ms}
    busiest = max(shares, key=lambda name: shares[name])
    return busiest if shares[busiest] * point.fps / 1000 >= KEEPS_UP else "waiting for each other"


def worker_table(points: Sequence[WorkerPoint], cores: int) -> str:
    """Return what was measured with workers."""
    head = ["way", "workers", "frames/s", "of 25 each", "sender ms", "servers ms", "workers ms",
            "cores used", "by others", "held back by"]  # fmt: skip
    return table(
        head,
        (
            [
                p.label, str(p.replicas), f"{p.fps:,.0f}", f"{p.fps / p.wanted:.0%}",
                _ms(p.sender_ms), _ms(p.control_ms + p.broker_ms), _ms(p.worker_ms),
                f"{p.cores:.2f}", f"{p.others:.2f}", _workers_by(p, cores),
            ]
            for p in sorted(points, key=lambda p: _order(p.label, points))
        ),
    )  # fmt: skip


def _order(label: str, points: Sequence[WorkerPoint] | Sequence[CameraPoint]) -> int:
    return [point.label for point in points].index(label)


def camera_table(points: Sequence[CameraPoint]) -> str:
    """Return what was measured with cameras."""
    head = ["frames", "cameras", "viewers", "frames/s", "of 10 each", "pictures/s seen",
            "camera ms", "gateway ms", "gateway cores", "memory MiB",
            "cores used", "by others"]  # fmt: skip
    return table(
        head,
        (
            [
                p.label, str(p.cameras), str(p.viewers), f"{p.fps:,.0f}", f"{p.fps / p.wanted:.0%}",
                f"{p.seen:,.0f}", _ms(p.camera_ms), _ms(p.gateway_ms), f"{p.gateway_cores:.2f}",
                f"{p.memory / 2**20:.0f}", f"{p.cores:.2f}", f"{p.others:.2f}",
            ]
            for p in sorted(points, key=lambda p: (_order(p.label, points), p.viewers))
        ),
    )  # fmt: skip


def cost_tables(workers: Sequence[WorkerCosts], gateways: Sequence[GatewayCosts]) -> str:
    """Return the costs that the model uses."""
    first = table(
        ["way", "sender ms", "servers ms", "workers ms", "kB a frame"],
        (
            [c.label, _ms(c.sender_ms), _ms(c.control_ms + c.broker_ms), _ms(c.worker_ms),
             f"{c.size / 1000:.0f}"]
            for c in workers
        ),
    )  # fmt: skip
    second = table(
        ["frames", "camera ms", "gateway: arriving ms", "encoding ms", "to a viewer ms",
         "kB a frame"],
        (
            [c.label, _ms(c.camera_ms), _ms(c.arrive_ms), _ms(c.encode_ms), _ms(c.deliver_ms),
             f"{c.size / 1000:.0f}"]
            for c in gateways
        ),
    )  # fmt: skip
    return f"{first}\n{second}"


def check_table(
    workers: Sequence[WorkerPoint], worker_costs: Sequence[WorkerCosts],
    cameras: Sequence[CameraPoint], gateway_costs: Sequence[GatewayCosts], cores: int,
) -> str:  # fmt: skip
    """Return how far the model is from what was measured, where it learnt and beyond."""
    rows = []
    for costs in worker_costs:
        own = [p for p in workers if p.label == costs.label]
        said = [
            (one_host(costs, p.replicas, max(0.1, cores - p.others)).fps, p.fps, p.replicas)
            for p in own
        ]
        rows.append([f"{costs.label}: frames/s", *_judged(said)])
    for kind in gateway_costs:
        mine = [p for p in cameras if p.label == kind.label]
        both = [predicted(kind, p.cameras, p.viewers, max(0.1, cores - p.others)) for p in mine]
        rates = [(rate, p.fps, p.cameras) for (rate, _), p in zip(both, mine, strict=True)]
        busy = [(used, p.gateway_cores, p.cameras) for (_, used), p in zip(both, mine, strict=True)]
        rows.append([f"{kind.label}: frames/s", *_judged(rates)])
        rows.append([f"{kind.label}: gateway's cores", *_judged(busy)])
    learnt, beyond = f"up to {LEARN_UP_TO}", f"beyond {LEARN_UP_TO}"
    head = ["what", f"{learnt}: median error", "largest", f"{beyond}: median error", "largest"]
    return table(head, rows)


def _judged(said: Sequence[tuple[float, float, int]]) -> list[str]:
    cells = []
    for beyond in (False, True):
        pairs = [(a, b) for a, b, count in said if (count > LEARN_UP_TO) is beyond]
        cells += [f"{error:.0%}" if pairs else "-" for error in errors(pairs)]
    return cells


def one_host_table(costs: Sequence[WorkerCosts]) -> str:
    """Return modelled frames per second when everything runs on one host."""
    rows = []
    for each in costs:
        limits = [one_host(each, MANY, cores) for cores in CORES]
        rows.append([each.label, *(f"{limit.fps:,.0f}, {limit.by}" for limit in limits)])
    return table(["way", *(f"{cores} cores" for cores in CORES)], rows)


def own_hosts_table(costs: Sequence[WorkerCosts]) -> str:
    """Return modelled frames per second when each end has a host of its own."""
    between_hosts = [each for each in costs if "shm" not in each.label]
    rows = []
    for each in between_hosts:
        limits = [own_hosts(each, MANY, gbit) for gbit in WIRES]
        cells = (f"{limit.fps:,.0f}, {limit.by}" for limit in limits)
        rows.append([each.label, *cells, f"{int(limits[-1].fps / 25):,}"])
    wires = (f"{gbit:g} Gbit/s" for gbit in WIRES)
    return table(["way", *wires, f"workers of 40 ms at {WIRES[-1]:g} Gbit/s"], rows)


def gateway_table(costs: Sequence[GatewayCosts]) -> str:
    """Return modelled numbers of cameras for one gateway."""
    rows = []
    for each in costs:
        for viewers, name in ((1, "1"), (8, "8"), (None, "one a camera")):
            for gbit in WIRES:
                limits = [gateway_limits(each, viewers, cores, gbit) for cores in GATEWAY_CORES]
                cells = (f"{count}, {by.removeprefix(GATEWAY)}" for count, by in limits)
                rows.append([each.label, name, f"{gbit:g} Gbit/s", *cells])
    cores = (f"{count} core{'s' if count > 1 else ''}" for count in GATEWAY_CORES)
    return table(["frames", "viewers", "wire", *cores], rows)


def advice_table() -> str:
    """Return what to do at each limit."""
    return "\n".join(
        ["| held back by | what to do |", "|---|---|"]
        + [f"| {name} | {advice} |" for name, advice in ADVICE.items()]
    ) + "\n"  # fmt: skip


def draw(
    folder: Path, workers: Sequence[WorkerPoint], worker_costs: Sequence[WorkerCosts],
    cameras: Sequence[CameraPoint], gateway_costs: Sequence[GatewayCosts],
) -> None:  # fmt: skip
    """Write the plots."""
    charts = {
        "workers": _workers_chart(workers),
        "model": _model_chart(worker_costs),
        "cameras": _cameras_chart(cameras, gateway_costs),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in charts.items():
        (folder / f"scaling-{name}.svg").write_text(chart.svg(), "utf-8")


def _above(values: Iterable[float]) -> float:
    return 1.1 * max(values, default=1.0)


def _workers_chart(points: Sequence[WorkerPoint]) -> Chart:
    chart = Chart(
        "Measured: frames per second by workers of 40 ms", "workers", "frames/s",
        (0, max(p.replicas for p in points)), (0, _above(p.fps for p in points)),
    )  # fmt: skip
    for colour, label in enumerate(dict.fromkeys(p.label for p in points)):
        line = [(float(p.replicas), p.fps) for p in points if p.label == label]
        chart.series.append(Series(label, line, colour))
    return chart


def _model_chart(costs: Sequence[WorkerCosts]) -> Chart:
    lines = {
        each.label: [(float(n), one_host(each, MANY, n).fps) for n in range(1, CORES[-1] + 1)]
        for each in costs
    }
    chart = Chart(
        "Modelled: frames per second at most by cores of one host", "cores", "frames/s",
        (0, CORES[-1]), (0, _above(fps for line in lines.values() for _, fps in line)),
    )  # fmt: skip
    for colour, (label, line) in enumerate(lines.items()):
        chart.series.append(Series(label, line, colour, "level"))
    return chart


def _cameras_chart(points: Sequence[CameraPoint], costs: Sequence[GatewayCosts]) -> Chart:
    viewers = max(p.viewers for p in points)
    shown = [p for p in points if p.viewers == viewers]
    chart = Chart(
        f"Cores that the gateway uses by cameras, {viewers} viewers: measured and modelled",
        "cameras", "cores", (0, max(p.cameras for p in shown)),
        (0, _above([*(p.gateway_cores for p in shown), 1.0])),
    )  # fmt: skip
    for colour, each in enumerate(costs):
        dots = [(float(p.cameras), p.gateway_cores) for p in shown if p.label == each.label]
        most = range(1, max(p.cameras for p in shown) + 1)
        line = [(float(n), predicted(each, n, viewers, MANY)[1]) for n in most]
        chart.series.append(Series(each.label, dots, colour, "dots"))
        chart.series.append(Series("model", line, colour, "level"))
    return chart
