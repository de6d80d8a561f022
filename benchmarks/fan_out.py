"""One producer of 1080p at 30 fps and 1, 4 or 16 consumers, each a process of its own."""

import sys

from benchmarks.contenders import Contender, Flow, Transport
from benchmarks.harness import Summary, rounds
from benchmarks.report import Options, Result, main
from benchmarks.stamps import Setup

__all__ = ["run"]

SHAPE = (1080, 1920, 3)
FPS = 30.0
CONSUMERS = (1, 4, 16)
CAPACITY = 8
MOST_PERCENT = 5.0
OURS = "edgeflow flow"


def _contenders() -> list[Contender]:
    return [
        Flow(OURS, changes={"qos": "realtime"}),
        Transport("iceoryx2", module="iceoryx2"),
        Transport("zenoh shm", module="zenoh_shm", loopback=True),
        Transport("zmq ipc", module="zmq_ipc"),
    ]


def run(options: Options) -> list[Result]:
    """Measure every number of consumers."""
    results = []
    for consumers in CONSUMERS:
        title = f"1080p at 30 fps to {consumers} consumer{'s' if consumers > 1 else ''}"
        setup = Setup("", SHAPE, FPS, capacity=CAPACITY, receivers=consumers)
        found = rounds(
            _contenders(), setup, count=options.rounds, seconds=options.latency_seconds, title=title
        )
        result = Result(title, list(found.values()))
        if consumers == 4:
            _expect_little(result, found[OURS], found["iceoryx2"])
        results.append(result)
    return results


def _expect_little(result: Result, ours: Summary, peer: Summary) -> None:
    result.expect(
        "% of a core that sending costs", ours.sender_percent, f"< {MOST_PERCENT:g}",
        ours.sender_percent < MOST_PERCENT, peer.sender_percent,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main({"fan_out": run}))
