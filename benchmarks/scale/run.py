"""One run: processes by role, counters that they share, and what the kernel counted for each."""

import contextlib
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.contenders import Contender
from benchmarks.harness import RunError
from benchmarks.machine import cpu_ns
from benchmarks.stamps import Control, Setup

__all__ = ["Run", "Window", "running"]

START_SECONDS = 25.0
STOP_SECONDS = 6.0
MOST_PROCESSES = 4


class Window:
    """What happened in a span of time.

    Attributes:
        seconds: its length.
        busy_ms: processor time by role, in ms.
        counts: what the counters went on by.
        others: cores that were busy with something else.
    """

    def __init__(
        self, seconds: float, busy_ms: dict[str, float], counts: list[int], others: float
    ) -> None:
        self.seconds = seconds
        self.busy_ms = busy_ms
        self.counts = counts
        self.others = others

    @property
    def cores(self) -> float:
        """Cores that were busy with this run."""
        return sum(self.busy_ms.values()) / 1000 / self.seconds


class Run:
    """Processes by role; they end when the block ends in which they run.

    Attributes:
        setup: what the processes that are started from now on are told.
        environment: variables for them beside those of this process.
        control: the counters that all share.
        pids: processes by role.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.control = Control(setup.folder)
        self.pids: dict[str, list[int]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}
        self._spawner = Contender("scale")

    def start(self, role: str, *words: str) -> int:
        """Start ``python WORDS`` in the folder of the run and return its id."""
        process = self._spawner.spawn(self.setup, sys.executable, *words, **self.environment)
        self._processes.append(process)
        self.pids.setdefault(role, []).append(process.pid)
        return process.pid

    def start_members(self, role: str, plane: str, kind: str, count: int) -> None:
        """Start ``count`` members, shared out over a few processes."""
        processes = min(count, MOST_PROCESSES)
        firsts = [count * index // processes for index in range(processes + 1)]
        for first, end in itertools.pairwise(firsts):
            words = ("benchmarks.scale.ends", role, plane, kind, str(first), str(end - first))
            self.start(role, "-m", *words)

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until ``ready`` says so.

        Raises:
            RunError: a process ended, or it took too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            ended = [each.returncode for each in self._processes if each.poll() is not None]
            if ended:
                raise RunError(f"{what}: a process ended with status {ended[0]}\n{self.said()}")
            if time.monotonic() > deadline:
                raise RunError(f"{what}: nothing after {START_SECONDS:g} s\n{self.said()}")
            time.sleep(0.02)

    def said(self) -> str:
        """Return the end of what the processes printed."""
        return (Path(self.setup.folder) / "output.txt").read_text(errors="replace")[-3000:]

    def window(self, seconds: float, counters: Sequence[int]) -> Window:
        """Measure for some seconds."""
        before = {role: cpu_ns(pids) for role, pids in self.pids.items()}
        counts = [self.control.counted(index) for index in counters]
        machine, begin = psutil.cpu_times(), time.monotonic()
        time.sleep(seconds)
        span = time.monotonic() - begin
        counts = [
            self.control.counted(index) - count
            for index, count in zip(counters, counts, strict=True)
        ]
        busy = {role: (cpu_ns(pids) - before[role]) / 1e6 for role, pids in self.pids.items()}
        whole = _busy(psutil.cpu_times()) - _busy(machine)
        others = max(0.0, whole - sum(busy.values()) / 1000) / span
        return Window(span, busy, counts, others)

    def end(self) -> None:
        """End all processes of the run."""
        self.control.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for number, process in enumerate(self._processes):
            if number == 0:
                time.sleep(0.1)
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait(5)
        self.control.close()


def _busy(times: "psutil._ntuples.scputimes") -> float:
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


@contextlib.contextmanager
def running(setup: Setup, watched: Mapping[str, list[int]] | None = None) -> Iterator[Run]:
    """Run processes in a folder of their own.

    Args:
        setup: its folder is replaced.
        watched: processes by role that run already and are to be counted too.
    """
    folder = tempfile.mkdtemp(prefix="scale-")
    run = Run(replace(setup, folder=folder))
    run.pids.update({role: list(pids) for role, pids in (watched or {}).items()})
    try:
        yield run
    finally:
        run.end()
        shutil.rmtree(folder, ignore_errors=True)
