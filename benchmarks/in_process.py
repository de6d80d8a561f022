"""Small frames from thread to thread of one process, as fast as they are taken.

The peers hand over the same arrays through the queues of the standard library, without nodes,
frames, acknowledgements, counters or traces: they show what these cost.
"""

import sys

from benchmarks.contenders import Contender, Flow, Threads
from benchmarks.harness import rounds
from benchmarks.report import Options, Result, main, paired_ratio
from benchmarks.stamps import Setup

__all__ = ["run"]

SHAPE = (8, 8, 3)
CAPACITY = 64
SAMPLE = 16
LEAST = 100_000
OURS = "edgeflow flow, durable"


def _contenders() -> list[Contender]:
    return [
        Flow(OURS, file="hand_over.py", mode="threads"),
        Threads("queue.Queue(64)", module="thread_queues", arguments=("queue",)),
        Threads("queue.SimpleQueue, unbounded", module="thread_queues", arguments=("simple",)),
        Flow(
            "edgeflow flow, realtime", file="hand_over.py", mode="threads",
            changes={"qos": "realtime", "sample": 1},
        ),
        Threads(
            "newest value and a Condition", module="thread_queues", arguments=("newest",),
            changes={"sample": 1},
        ),
    ]  # fmt: skip


def run(options: Options) -> list[Result]:
    """Measure lossless and newest-only hand-over."""
    title = "8x8x3 between two threads, flat out"
    setup = Setup("", SHAPE, None, capacity=CAPACITY, sample=SAMPLE)
    found = rounds(
        _contenders(), setup, count=options.rounds, seconds=options.rate_seconds, title=title
    )
    result = Result(title, list(found.values()))
    ours, peer = found[OURS], found["queue.Queue(64)"]
    ratio = paired_ratio(ours.fps_rounds, peer.fps_rounds)
    result.expect("frames/s", ours.fps, f">= {LEAST:,}", ours.fps >= LEAST, peer.fps, ratio)
    result.notes.append(
        "Newest-only links skip on purpose: their frames/s is how often two busy threads trade the "
        "interpreter, not a limit of the link."
    )
    return [result]


if __name__ == "__main__":
    sys.exit(main({"in_process": run}))
