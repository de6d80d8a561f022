"""Frames between two processes of one host: latency at 30 fps and the highest rate.

EdgeFlow is measured through the whole framework: a producer node, a link and a consumer node of an
``EdgeApp`` under ``--processes``. Its bare ``ShmBroker`` is listed to show what nodes cost.
"""

import sys
import time

import numpy as np

from benchmarks.contenders import Contender, Dora, Flow, Transport
from benchmarks.harness import Reading, Summary, rounds, summarise
from benchmarks.report import Options, Result, main, paired_ratio
from benchmarks.stamps import Setup, blank

__all__ = ["run"]

SIZES = {"640x480x3": (480, 640, 3), "1920x1080x3": (1080, 1920, 3)}
CAPACITY = 8
FPS = 30.0
OURS = "edgeflow flow"
LOSSLESS = "edgeflow flow, durable"


def _latency_contenders() -> list[Contender]:
    return [
        Flow(OURS, changes={"qos": "realtime"}),
        Transport("iceoryx2", module="iceoryx2"),
        Flow(LOSSLESS),
        Transport("edgeflow ShmBroker", ours=True, module="shm_broker"),
        Transport("zenoh shm", module="zenoh_shm", loopback=True),
        Transport("zenoh tcp", module="zenoh_tcp", loopback=True),
        Transport("zmq ipc", module="zmq_ipc"),
        Dora(),
    ]


def _rate_contenders() -> list[Contender]:
    return [
        Flow(OURS),
        Transport("iceoryx2", module="iceoryx2"),
        Transport("edgeflow ShmBroker", ours=True, module="shm_broker"),
        Transport("zenoh shm", module="zenoh_shm", loopback=True),
        Transport("zenoh tcp", module="zenoh_tcp", loopback=True),
        Transport("zmq ipc", module="zmq_ipc"),
        Dora(),
    ]


def _in_place_contenders() -> list[Contender]:
    return [
        Flow(OURS),
        Transport("iceoryx2", module="iceoryx2"),
        Transport("edgeflow ShmBroker", ours=True, module="shm_broker"),
        Dora(),
    ]


def run(options: Options) -> list[Result]:
    """Measure both sizes, copied and in place."""
    results = []
    for size, shape in SIZES.items():
        large = shape == SIZES["1920x1080x3"]
        setup = Setup("", shape, FPS, capacity=CAPACITY)
        flat_out = Setup("", shape, None, capacity=CAPACITY)
        results.append(_latency(f"{size} at 30 fps, one copy", setup, options, large))
        results.append(_rate(f"{size} flat out, one copy", flat_out, options, large))
        results.append(_in_place(size, shape, options))
        results.append(_in_place_rate(size, shape, options))
    return results


def _latency(title: str, setup: Setup, options: Options, large: bool) -> Result:
    found = rounds(
        _latency_contenders(), setup, count=options.rounds, seconds=options.latency_seconds,
        title=title,
    )  # fmt: skip
    result = Result(title, [*found.values(), _memcpy(setup.shape, FPS)])
    ours, iceoryx, dora = found[OURS], found["iceoryx2"], found["dora-rs"]
    ratio = paired_ratio(ours.p50_rounds, iceoryx.p50_rounds)
    if large:
        result.expect("p50 ms to iceoryx2", ours.p50, "<= 1", ratio <= 1.0, iceoryx.p50, ratio)
        ratio = paired_ratio(ours.p50_rounds, dora.p50_rounds)
        result.expect("p50 ms to dora-rs", ours.p50, "< 1", ratio < 1.0, dora.p50, ratio)
    return result


def _rate(title: str, setup: Setup, options: Options, large: bool) -> Result:
    found = rounds(
        _rate_contenders(), setup, count=options.rounds, seconds=options.rate_seconds, title=title
    )
    result = Result(title, [*found.values(), _memcpy(setup.shape, None)])
    if large:
        for label, least in (("iceoryx2", 0.8), ("dora-rs", 10.0), ("zenoh tcp", 10.0)):
            _expect_rate(result, found[OURS], found[label], least)
    return result


def _expect_rate(result: Result, ours: Summary, peer: Summary, least: float) -> None:
    ratio = paired_ratio(ours.fps_rounds, peer.fps_rounds)
    what = f"frames/s to {peer.label}"
    result.expect(what, ours.fps, f">= {least:g}", ratio >= least, peer.fps, ratio)


def _in_place(size: str, shape: tuple[int, ...], options: Options) -> Result:
    title = f"{size} at 30 fps, written in place"
    setup = Setup("", shape, FPS, in_place=True, capacity=CAPACITY)
    seconds = options.latency_seconds
    found = rounds(
        _in_place_contenders(), setup, count=options.rounds, seconds=seconds, title=title
    )
    return Result(title, list(found.values()))


def _in_place_rate(size: str, shape: tuple[int, ...], options: Options) -> Result:
    title = f"{size} flat out, written in place"
    setup = Setup("", shape, None, in_place=True, capacity=CAPACITY)
    seconds = options.rate_seconds
    found = rounds(
        _in_place_contenders(), setup, count=options.rounds, seconds=seconds, title=title
    )
    result = Result(title, list(found.values()))
    ours = found[OURS]
    result.expect(
        "frames/s", ours.fps, ">= 15,000", ours.fps >= 15_000, found["iceoryx2"].fps,
        paired_ratio(ours.fps_rounds, found["iceoryx2"].fps_rounds),
    )  # fmt: skip
    return result


def _memcpy(shape: tuple[int, ...], fps: float | None) -> Summary:
    """Return what one copy between two warm arrays takes here: no transport can be quicker."""
    source, target = blank(shape), blank(shape)
    durations = []
    for _ in range(60 if fps else 400):
        if fps:
            time.sleep(1 / fps)
        begin = time.monotonic_ns()
        np.copyto(target, source)
        durations.append((time.monotonic_ns() - begin) / 1e6)
    kept = np.array(durations[10:])
    reading = Reading(kept, fps or 1e3 / float(kept.mean()), cpu_ms_per_frame=float(kept.mean()))
    reading.cpu_percent = reading.cpu_ms_per_frame * reading.fps / 10
    return summarise(Contender("plain memcpy"), [reading])


if __name__ == "__main__":
    sys.exit(main({"same_host": run}))
