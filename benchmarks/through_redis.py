"""Frames between two processes through one Valkey server, beside raw redis-py streams.

Two pairs with equal semantics: ``bounded`` is a BALANCED link beside XADD MAXLEN and XREAD without
a group, ``acknowledged`` is a DURABLE link beside a consumer group with XACK.
"""

import sys

from benchmarks.contenders import Contender, Flow, Transport
from benchmarks.harness import Summary, rounds
from benchmarks.report import Options, Result, main, paired_ratio
from benchmarks.server import Server
from benchmarks.stamps import Setup

__all__ = ["run"]

SIZES = {"640x480x3": (480, 640, 3), "1920x1080x3": (1080, 1920, 3)}
FPS = 30.0
CAPACITY = 8
LEAST = 0.9
BOUNDED = ("edgeflow flow, balanced", "redis-py XADD MAXLEN, XREAD")
ACKNOWLEDGED = ("edgeflow flow, durable", "redis-py group, XACK")


def _contenders(server: Server) -> list[Contender]:
    return [
        Flow(BOUNDED[0], mode="node", changes={"qos": "balanced"}, server=server),
        Transport(BOUNDED[1], module="redis_streams", server=server),
        Flow(ACKNOWLEDGED[0], mode="node", server=server),
        Transport(ACKNOWLEDGED[1], module="redis_groups", server=server),
    ]


def run(options: Options) -> list[Result]:
    """Measure both sizes at 30 fps and flat out."""
    results = []
    with Server() as server:
        for size, shape in SIZES.items():
            for fps in (FPS, None):
                pace = f"{fps:g} fps" if fps else "flat out"
                title = f"{size} through Valkey, {pace}"
                setup = Setup("", shape, fps, capacity=CAPACITY)
                seconds = options.latency_seconds if fps else options.rate_seconds
                found = rounds(
                    _contenders(server), setup, count=options.rounds, seconds=seconds, title=title
                )
                results.append(_judged(title, found, flat_out=fps is None))
    return results


def _judged(title: str, found: dict[str, Summary], *, flat_out: bool) -> Result:
    result = Result(title, list(found.values()))
    if flat_out:
        for ours, theirs in (BOUNDED, ACKNOWLEDGED):
            mine, raw = found[ours], found[theirs]
            ratio = paired_ratio(mine.fps_rounds, raw.fps_rounds)
            what = f"frames/s to {theirs}"
            result.expect(what, mine.fps, f">= {LEAST:g}", ratio >= LEAST, raw.fps, ratio)
    return result


if __name__ == "__main__":
    sys.exit(main({"through_redis": run}))
