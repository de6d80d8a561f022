"""One board: round trips and rates beside what the line and the chip allow, at four rates."""

import contextlib
import sys
from statistics import median

from benchmarks.harness import Reading, Summary, summarise
from benchmarks.mcu.boards import FEATURES, HIDDEN, HORIZON, STEPS, BoardProcess
from benchmarks.mcu.ways import WAYS, Costs, Way
from benchmarks.report import Options, Result, main, paired_ratio
from edgeflow.observe.logs import configure_logging

__all__ = ["run"]

BAUDS = (115200, 460800, 921600, 3_000_000)
SLOW = 115200
"""The rate at which targets are absolute."""
ALONE_PERCENT, TOGETHER_PERCENT, TIMES = 5.0, 2.0, 10.0
ALONE, TOGETHER, STREAM, PEER = (WAYS[index].label for index in (0, 1, 3, -1))


def run(options: Options) -> list[Result]:
    """Measure every way at every rate."""
    configure_logging("warning")
    return [_at(baud, options) for baud in BAUDS]


def _at(baud: int, options: Options) -> Result:
    seconds = options.latency_seconds / 2
    readings: dict[str, list[Reading]] = {way.label: [] for way in WAYS}
    costs: dict[str, list[Costs]] = {way.label: [] for way in WAYS}
    failures: dict[str, int] = dict.fromkeys(readings, 0)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(BoardProcess(baud=baud))
        theirs = stack.enter_context(BoardProcess("--reference", baud=baud))
        for number in range(options.rounds):
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                sys.stderr.write(f"{baud} baud, round {number + 1}: {way.label}\n")
                port = theirs.port if way.reference else ours.port
                try:
                    reading, cost = way.measure(port, baud, seconds)
                except (TimeoutError, ValueError, RuntimeError, OSError) as error:
                    sys.stderr.write(f"{error}\n")
                    failures[way.label] += 1
                    continue
                readings[way.label].append(reading)
                costs[way.label].append(cost)
    rows = {way.label: summarise(way, readings[way.label], failures[way.label]) for way in WAYS}
    return _result(baud, rows, costs)


def _result(baud: int, rows: dict[str, Summary], costs: dict[str, list[Costs]]) -> Result:
    title = f"MCU, one board, T {STEPS} F {FEATURES} H {HORIZON} hidden {HIDDEN}, {baud} baud"
    result = Result(title, list(rows.values()), unit="request")
    result.notes.append(_floors(baud, rows, costs))
    if not all(row.readings for row in rows.values()):
        result.expect("ways that worked", 0.0, "all", met=False)
        return result
    ratio = paired_ratio(rows[STREAM].fps_rounds, rows[PEER].fps_rounds)
    result.expect(
        "samples/s, stream of windows", rows[STREAM].fps, f">= {TIMES:g} x reference",
        ratio >= TIMES, rows[PEER].fps, ratio,
    )  # fmt: skip
    if baud == SLOW:
        alone = costs[ALONE][0].alone(baud)
        over = 100 * (rows[ALONE].p50 / alone - 1)
        result.expect(
            "ms one by one, above line + compute", rows[ALONE].p50,
            f"<= {ALONE_PERCENT:g} %", over <= ALONE_PERCENT, alone, rows[ALONE].p50 / alone,
        )  # fmt: skip
        most = 1e3 / costs[TOGETHER][0].together(baud)
        under = 100 * (1 - rows[TOGETHER].fps / most)
        result.expect(
            "samples/s pipelined, below the line's", rows[TOGETHER].fps,
            f"<= {TOGETHER_PERCENT:g} %", under <= TOGETHER_PERCENT, most,
            rows[TOGETHER].fps / most,
        )  # fmt: skip
    return result


def _floors(baud: int, rows: dict[str, Summary], costs: dict[str, list[Costs]]) -> str:
    """Say what would be possible, and how far each way is from it."""
    said = []
    for way in WAYS:
        found = costs[way.label]
        if found and way.ours and not way.reference:
            said.append(_floor(way, baud, rows[way.label], found))
    return (
        "At best (bytes on the line at 10 bits each, and the board's own words about its work): "
        + "; ".join(said)
        + ". The reference firmware does not tell its compute time; it sleeps 10 ms every four "
        "steps. All boards are virtual: the line is paced, the compute time is an estimate (8 "
        "cycles at 240 MHz per multiply-add, 200 per activation)."
    )


def _floor(way: Way, baud: int, row: Summary, found: list[Costs]) -> str:
    compute = median(cost.compute for cost in found)
    best = Costs(way.up, way.down, compute)
    name = way.label.removeprefix("edgeflow, ")
    if way.pipelined:
        most = 1e3 / best.together(baud)
        return f"{name} {most:.1f}/s ({100 * row.fps / most - 100:+.1f} %)"
    least = best.alone(baud)
    return (
        f"{name} {least:.2f} ms, {compute:.2f} of it compute ({100 * row.p50 / least - 100:+.1f} %)"
    )


if __name__ == "__main__":
    sys.exit(main({"mcu_wire": run}))
