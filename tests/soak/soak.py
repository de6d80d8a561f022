"""Half an hour of a five-node flow in which nodes and the server are killed at random.

``make soak SOAK_ARGS="--seconds 60 --seed 2"`` is shorter. For two thirds of the time a
random node, now and then the server, gets SIGKILL; in the last third nothing is killed, and memory,
threads, descriptors and shared-memory segments of every process must stay as they are. In the
end every DURABLE frame must have arrived, in order, and nothing may be left.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from soak_watch import Watch

from servers import Valkey, free_port, valkey

__all__ = ["Report", "soak"]

FLOW = Path(__file__).with_name("soak_flow.py")
START_SECONDS = 20.0
DRAIN_SECONDS = 30.0
STOP_SECONDS = 5.0
PAUSE_BETWEEN_KILLS = (2.0, 8.0)
SERVER_EVERY = 20
MEMORY_COUNTS_FROM = 120.0


@dataclass
class Report:
    """What a soak found. ``complaints`` is empty when all is well."""

    frames: int = 0
    redelivered: int = 0
    pictures: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it for people."""
        killed = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return [
            f"{self.frames} durable frames, {self.redelivered} came again after a crash",
            f"{self.pictures} pictures seen by the viewer",
            f"killed: {killed or 'nothing'}",
            *self.table,
            *(self.complaints or ["nothing lost, nothing leaked"]),
        ]


class Viewer(threading.Thread):
    """Watches the dashboard's stream, and comes back when the gateway was killed."""

    def __init__(self, port: int) -> None:
        super().__init__(name="viewer", daemon=True)
        self.pictures = 0
        self.leaving = threading.Event()
        self._url = f"http://127.0.0.1:{port}/video/preview"

    def run(self) -> None:
        while not self.leaving.wait(0.2):
            with (
                suppress(OSError, HTTPException),
                urllib.request.urlopen(self._url, timeout=2) as stream,
            ):
                while not self.leaving.is_set() and (chunk := stream.read1(65536)):
                    self.pictures += chunk.count(b"\xff\xd8\xff")


def soak(seconds: float, seed: int) -> Report:
    """Run the flow for ``seconds`` and return what was found."""
    chance, report = random.Random(seed), Report()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as name,
        valkey(persistent=True) as server,
    ):
        folder = Path(name)
        (folder / "counted").touch()
        port = free_port()
        viewer = Viewer(port)
        flow = _start(folder, server, port)
        watch = Watch(flow.pid)
        try:
            _until(lambda: (folder / "counted").stat().st_size > 0, START_SECONDS)
            viewer.start()
            begun = time.monotonic()
            _kill_at_random(watch, server, chance, begun + seconds * 2 / 3, report)
            _sample_in_peace(watch, begun + seconds)
            (folder / "stop").touch()
            _until(lambda: _all_arrived(folder), DRAIN_SECONDS)
            _end(flow, watch, report)
        finally:
            viewer.leaving.set()
            flow.kill()
            flow.wait()
        viewer.join(5)
        report.pictures = viewer.pictures
        _count(folder, report)
        _leftovers(folder, report)
    report.table = watch.table()
    if seconds >= MEMORY_COUNTS_FROM:
        report.complaints += watch.complaints()
    return report


def _start(folder: Path, server: Valkey, port: int) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "SOAK_FOLDER": str(folder),
        "SOAK_PORT": str(port),
        "REDIS_HOST": server.host,
        "REDIS_PORT": str(server.port),
        "EDGEFLOW_RUN_DIR": str(folder / "run"),
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, str(FLOW), "--processes"], env=environment, stdout=log, stderr=log
        )


def _until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _kill_at_random(
    watch: Watch, server: Valkey, chance: random.Random, end: float, report: Report
) -> None:
    while (now := time.monotonic()) < end:
        time.sleep(min(chance.uniform(*PAUSE_BETWEEN_KILLS), end - now))
        if chance.randrange(SERVER_EVERY) == 0:
            server.restart()
            report.kills["server"] += 1
            continue
        alive = sorted(watch.pids().items())
        if alive:
            name, pid = chance.choice(alive)
            os.kill(pid, signal.SIGKILL)
            report.kills[name] += 1


def _sample_in_peace(watch: Watch, end: float) -> None:
    settled = time.monotonic() + min(60.0, (end - time.monotonic()) / 4)
    while (now := time.monotonic()) < end:
        if now > settled:
            watch.sample()
        time.sleep(min(1.0, max(0.0, end - now)))


def _all_arrived(folder: Path) -> bool:
    end = folder / "end"
    if not end.exists() or not end.read_text():
        return False
    lines = (folder / "counted").read_text().splitlines()
    return bool(lines) and len({line.split()[0] for line in lines}) == int(end.read_text())


def _end(flow: "subprocess.Popen[bytes]", watch: Watch, report: Report) -> None:
    pids = watch.pids()
    flow.send_signal(signal.SIGINT)
    try:
        flow.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        report.complaints.append(f"the flow did not end within {STOP_SECONDS:g} s")
    alive = [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]
    if alive:
        report.complaints.append(f"processes left behind: {', '.join(alive)}")


def _count(folder: Path, report: Report) -> None:
    """Check that every frame came, in order, and that only marked ones came twice."""
    if not (folder / "end").exists():
        report.complaints.append("the source did not end:\n" + (folder / "log").read_text()[-3000:])
        return
    rows = [line.split() for line in (folder / "counted").read_text().splitlines()]
    numbers, expected = [int(row[0]) for row in rows], int((folder / "end").read_text())
    firsts = list(dict.fromkeys(numbers))
    report.frames = len(firsts)
    report.redelivered = sum(row[1] == "1" for row in rows)
    lost = sorted(set(range(expected)) - set(firsts))
    if lost:
        report.complaints.append(f"{len(lost)} of {expected} frames lost, the first: {lost[:5]}")
    if firsts != sorted(firsts):
        report.complaints.append("frames came out of order")
    seen: set[int] = set()
    for number, again in zip(numbers, (row[1] == "1" for row in rows), strict=True):
        if number in seen and not again:
            report.complaints.append(f"frame {number} came again unmarked")
        seen.add(number)
    if "AssertionError" in (folder / "log").read_text(errors="replace"):
        report.complaints.append("a picture was torn or mixed up")


def _leftovers(folder: Path, report: Report) -> None:
    left = [
        str(path.relative_to(folder)) for path in (folder / "run").rglob("*") if path.is_socket()
    ]
    left += [path.name for path in (folder / "run").glob("run-*")]
    if left:
        report.complaints.append(f"left behind: {', '.join(left)}")


def main() -> int:
    """Run from the command line; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = soak(options.seconds, options.seed)
    print("\n".join(report.lines()))
    return bool(report.complaints)


if __name__ == "__main__":
    sys.exit(main())
