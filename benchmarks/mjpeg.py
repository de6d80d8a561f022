"""A 30 fps video for 20 viewers as MJPEG: what each sees, and what it costs the server."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contenders import FLOWS, Contender
from benchmarks.harness import Summary, rounds
from benchmarks.report import Options, Result, main
from benchmarks.stamps import Setup

__all__ = ["run"]

SIZES = {"640x480x3": (480, 640, 3), "1920x1080x3": (1080, 1920, 3)}
FPS = 30.0
VIEWERS = 20
OURS = "edgeflow flow, gateway"
NAIVE = "http.server, encoded per viewer"


@dataclass
class Watched(Contender):
    """A process that serves, and one that holds all viewers."""

    loopback: bool = True
    words: tuple[str, ...] = ()
    by_signal: bool = False

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        server = self.spawn(setup, sys.executable, *self.words)
        return [server, self.spawn(setup, sys.executable, "-m", "benchmarks.viewers")]

    def ends_by_itself(self) -> bool:
        return not self.by_signal

    def senders(self, pids: Sequence[int]) -> list[int]:
        return list(pids[:1])


def _contenders() -> list[Contender]:
    peer = ("-m", "benchmarks.peers.mjpeg_plain")
    return [
        Watched(OURS, ours=True, words=(str(FLOWS / "viewed.py"),), by_signal=True),
        Watched("http.server, encoded once", words=(*peer, "once")),
        Watched(NAIVE, words=(*peer, "each")),
    ]


def run(options: Options) -> list[Result]:
    """Measure both sizes."""
    results = []
    for size, shape in SIZES.items():
        title = f"{size} at {FPS:g} fps as MJPEG to {VIEWERS} viewers"
        setup = Setup("", shape, FPS, receivers=VIEWERS)
        found = rounds(
            _contenders(), setup, count=options.rounds, seconds=options.latency_seconds, title=title
        )
        result = Result(title, list(found.values()))
        if shape == SIZES["640x480x3"]:
            _expect_smooth(result, found[OURS], found[NAIVE])
        result.notes.append(
            "frames/s of the viewer that got fewest; latency from the camera's side to the whole "
            "picture at the viewer; the sender is the server."
        )
        results.append(result)
    return results


def _expect_smooth(result: Result, ours: Summary, naive: Summary) -> None:
    least = 0.9 * FPS
    result.expect(
        "frames/s of every viewer", ours.fps, f">= {least:g}", ours.fps >= least, naive.fps
    )
    cost, other = ours.sender_percent, naive.sender_percent
    result.expect("% of a core for serving", cost, "< per viewer", cost < other, other)


if __name__ == "__main__":
    sys.exit(main({"mjpeg": run}))
