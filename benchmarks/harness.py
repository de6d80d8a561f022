"""Runs contenders in turn, round by round, and compares them.

A run: the receivers and the sender start as processes of their own, frames flow until every
receiver has seen some (``WARM_FRAMES``), then comes the measured window, then they stop. Receivers
note per frame when it was sent and when its array was there; processor time is read from /proc at
both ends of the window for all processes of the contender.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from benchmarks.contenders import Contender
from benchmarks.machine import cpu_ns, family
from benchmarks.stamps import Control, Record, Setup

__all__ = ["Reading", "RunError", "Summary", "measure", "rounds", "summarise"]

START_SECONDS = 40.0
STOP_SECONDS = 15.0
WARM_FRAMES = 24
SETTLE_SECONDS = 0.3


class RunError(Exception):
    """A contender did not start, or left no record."""


@dataclass
class Reading:
    """One run, seen from its receivers.

    Attributes:
        latencies_ms: of every frame of the window, of the receiver with the highest median.
        fps: frames per second at the receiver that got fewest.
        torn, skipped: frames whose ends did not belong together; gaps in the sequence.
        cpu_percent: processor time of all processes, in percent of one core.
        sender_percent: the part of it that the sending process used.
        cpu_ms_per_frame: the same per frame of the slowest receiver.
    """

    latencies_ms: "np.ndarray[Any, Any]" = field(default_factory=lambda: np.empty(0))
    fps: float = 0.0
    torn: int = 0
    skipped: int = 0
    cpu_percent: float = 0.0
    sender_percent: float = 0.0
    cpu_ms_per_frame: float = 0.0

    @property
    def p50(self) -> float:
        """Median latency in ms."""
        return float(np.median(self.latencies_ms)) if len(self.latencies_ms) else float("nan")


@dataclass
class Summary:
    """All rounds of one contender. Figures are medians of rounds; ``p99`` pools their frames."""

    label: str
    ours: bool
    p50: float
    p99: float
    fps: float
    fps_least: float
    fps_most: float
    cpu_percent: float
    sender_percent: float
    cpu_ms_per_frame: float
    torn: int
    skipped: int
    readings: int
    failures: int
    p50_rounds: list[float] = field(default_factory=list)
    fps_rounds: list[float] = field(default_factory=list)
    cpu_rounds: list[float] = field(default_factory=list)
    sender_rounds: list[float] = field(default_factory=list)


def measure(contender: Contender, setup: Setup, seconds: float) -> Reading:
    """Run a contender once.

    Raises:
        RunError: it did not work; the message ends with what its processes printed.
    """
    folder = tempfile.mkdtemp(prefix="bench-")
    setup = contender.prepare(replace(setup, folder=folder))
    control = Control(folder)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes = contender.start(setup)
        _await_warm(processes, control, setup)
        time.sleep(SETTLE_SECONDS)
        window = _window(contender, processes, seconds)
        control.stop()
        _end(processes, by_signal=not contender.ends_by_itself())
        return _read(setup, window)
    except (RunError, OSError, KeyError, ValueError) as error:
        said = (Path(folder) / "output.txt").read_text(errors="replace") if processes else ""
        raise RunError(f"{contender.label}: {error}\n{said[-3000:]}") from error
    finally:
        _kill(processes)
        control.close()
        shutil.rmtree(folder, ignore_errors=True)


def rounds(
    contenders: Sequence[Contender], setup: Setup, *, count: int, seconds: float, title: str
) -> dict[str, Summary]:
    """Measure every contender ``count`` times, taking turns; return a summary for each label."""
    readings: dict[str, list[Reading]] = {contender.label: [] for contender in contenders}
    failures: dict[str, int] = dict.fromkeys(readings, 0)
    for number in range(count):
        order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for contender in order:
            _progress(f"{title}: round {number + 1}/{count}, {contender.label}")
            try:
                readings[contender.label].append(measure(contender, setup, seconds))
            except RunError as error:
                failures[contender.label] += 1
                sys.stderr.write(f"\n{error}\n")
    _progress("")
    return {
        contender.label: summarise(contender, readings[contender.label], failures[contender.label])
        for contender in contenders
    }


def summarise(contender: Contender, readings: Sequence[Reading], failures: int = 0) -> Summary:
    """Return the medians of ``readings``."""
    pooled = np.concatenate([r.latencies_ms for r in readings]) if readings else np.empty(0)
    p50s, rates = [r.p50 for r in readings], [r.fps for r in readings]
    shares = [r.cpu_percent for r in readings]
    return Summary(
        label=contender.label,
        ours=contender.ours,
        p50=_median(p50s),
        p99=float(np.percentile(pooled, 99)) if len(pooled) else float("nan"),
        fps=_median(rates),
        fps_least=min(rates, default=0.0),
        fps_most=max(rates, default=0.0),
        cpu_percent=_median(shares),
        sender_percent=_median([r.sender_percent for r in readings]),
        cpu_ms_per_frame=_median([r.cpu_ms_per_frame for r in readings]),
        torn=sum(r.torn for r in readings),
        skipped=sum(r.skipped for r in readings),
        readings=len(readings),
        failures=failures,
        p50_rounds=p50s,
        fps_rounds=rates,
        cpu_rounds=shares,
        sender_rounds=[r.sender_percent for r in readings],
    )


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return float(median(found)) if found else float("nan")


def _await_warm(processes: list["subprocess.Popen[bytes]"], control: Control, setup: Setup) -> None:
    deadline = time.monotonic() + START_SECONDS
    while any(control.counted(index) < WARM_FRAMES for index in range(setup.receivers)):
        ended = [process.returncode for process in processes if process.poll() is not None]
        if ended:
            raise RunError(f"a process ended with status {ended[0]} before frames flowed")
        if time.monotonic() > deadline:
            counts = [control.counted(index) for index in range(setup.receivers)]
            raise RunError(f"no frames after {START_SECONDS:.0f} s (receivers have {counts})")
        time.sleep(0.02)


@dataclass(frozen=True)
class _Window:
    """Begin and end on the monotonic clock, processor time of all and of the sender; all in ns."""

    begin: int
    end: int
    busy: int
    sender: int

    def percent(self, busy: int) -> float:
        return busy / (self.end - self.begin) * 100


def _window(
    contender: Contender, processes: list["subprocess.Popen[bytes]"], seconds: float
) -> _Window:
    pids = family([*(process.pid for process in processes), *contender.watch])
    senders = contender.senders(pids)
    busy, sent, begin = cpu_ns(pids), cpu_ns(senders), time.monotonic_ns()
    time.sleep(seconds)
    busy, sent, end = cpu_ns(pids) - busy, cpu_ns(senders) - sent, time.monotonic_ns()
    return _Window(begin, end, busy, sent)


def _read(setup: Setup, window: _Window) -> Reading:
    span = (window.end - window.begin) / 1e9
    found = Reading(
        fps=float("inf"),
        cpu_percent=window.percent(window.busy),
        sender_percent=window.percent(window.sender),
    )
    worst = -1.0
    for index in range(setup.receivers):
        record = Record(setup.folder, index)
        inside = record.within(window.begin, window.end)
        if not inside.any():
            raise RunError(f"receiver {index} saw nothing within the window")
        timed = inside & (record.sent > 0)
        latencies = (record.seen - record.sent)[timed] / 1e6
        steps = np.diff(record.sequence[inside])
        found.fps = min(found.fps, float(inside.sum()) * setup.sample / span)
        found.torn += record.torn + int((steps <= 0).sum())
        found.skipped += int((steps[steps > 0] - setup.sample).sum())
        if len(latencies) and float(np.median(latencies)) > worst:
            worst = float(np.median(latencies))
            found.latencies_ms = latencies
    found.cpu_ms_per_frame = window.busy / 1e6 / (found.fps * span)
    return found


def _end(processes: list["subprocess.Popen[bytes]"], *, by_signal: bool) -> None:
    if by_signal:
        time.sleep(0.3)  # let what was sent arrive
        for process in processes:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))


def _kill(processes: list["subprocess.Popen[bytes]"]) -> None:
    """End what has not ended by itself: the processes of this run and their descendants."""
    alive = [process for process in processes if process.poll() is None]
    for pid in family([process.pid for process in alive]):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
    for process in alive:
        process.wait(5)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
    elif text:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()
