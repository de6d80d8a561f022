"""Real second processes, and counts of what is left behind."""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORKER = Path(__file__).with_name("shm_worker.py")


class Worker:
    """A second process that runs one function of ``shm_worker`` and talks in lines."""

    def __init__(self, verb: str, run_dir: Path, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), verb, str(run_dir), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def go(self) -> None:
        """Let it go on where it waits for a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """Return the next line it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker ended"
        return line.strip()

    def lines(self) -> list[str]:
        """Return all lines until it ends."""
        assert self.process.stdout is not None
        return [line.strip() for line in self.process.stdout]

    def kill(self) -> None:
        """Kill it as ``kill -9`` does, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def descriptors() -> int:
    """Return how many files this process has open."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def shared_bytes() -> int:
    """Return the bytes of shared memory mapped by this process from memfds."""
    gc.collect()
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split(" ", 1)[0]
        if "-" in first and not first.endswith(":"):
            inside = "memfd:edgeflow" in line
        elif inside and first == "Size:":
            total += int(line.split()[1]) * 1024
    return total


def until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait until ``condition`` holds; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
