"""Runs contenders in turns and collects delays, rates and CPU time."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.case import WARM_UP_SECONDS, Case
from benchmarks.contenders import ROOT, Contender

_START_SECONDS = 20.0
_END_SECONDS = 20.0
_POLL_SECONDS = 0.02
_COUNTS = ("torn", "missing", "disordered")


@dataclass
class Outcome:
    """One run.

    Attributes:
        rates: frames per second of each consumer.
        delays: seconds from just before sending to arrival, of all consumers.
        cpu: share of one core that all processes of the run took while frames flowed, 1.0 = 100 %.
        torn, missing, disordered: frames, summed over the consumers.
    """

    rates: list[float]
    delays: list[float]
    cpu: float
    torn: int
    missing: int
    disordered: int


class RunError(Exception):
    """A contender did not deliver a result."""


def run(contender: Contender, case: Case) -> Outcome:
    """Run one contender once.

    Raises:
        RunError: it did not start or end in time; with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="edgeflow-bench-") as name:
        folder = Path(name)
        environment = os.environ | case.to_environment(folder) | contender.environment
        with (folder / "log").open("wb") as log:
            processes = [
                subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
                for command in contender.commands(case, folder)
            ]
            try:
                cpu = _watch(folder, case, processes)
                _await_files(folder, "result-*.json", case.consumers, _END_SECONDS)
                _await_ends(processes)
            except RunError as error:
                written = (folder / "log").read_text(errors="replace")[-1500:]
                raise RunError(f"{contender.name}: {error}\n{written}") from None
            finally:
                _kill(processes)
        return _outcome(folder, cpu)


def _watch(folder: Path, case: Case, processes: Sequence[subprocess.Popen[bytes]]) -> float:
    """Return the CPU share of all processes over the middle of the run."""
    _await_files(folder, "first-*", case.consumers, _START_SECONDS)
    time.sleep(min(WARM_UP_SECONDS, case.seconds / 4))
    begun, before = time.monotonic(), cpu_seconds(p.pid for p in processes)
    time.sleep(case.seconds * 0.6)
    after, ended = cpu_seconds(p.pid for p in processes), time.monotonic()
    return sum(after[pid] - before.get(pid, 0.0) for pid in after) / (ended - begun)


def cpu_seconds(roots: Iterable[int]) -> dict[int, float]:
    """Return user plus system seconds of these processes and all their descendants, by pid."""
    spent: dict[int, float] = {}
    for root in roots:
        try:
            top = psutil.Process(root)
            family = [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for process in family:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            spent[process.pid] = times.user + times.system
    return spent


def _await_files(folder: Path, pattern: str, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while len(list(folder.glob(pattern))) < count:
        if time.monotonic() > deadline:
            raise RunError(f"no {pattern} after {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def _await_ends(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 3.0
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        try:
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        process.kill()
        for child in family:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait(5)


def _outcome(folder: Path, cpu: float) -> Outcome:
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("result-*.json"))]
    return Outcome(
        rates=[result["rate"] for result in results],
        delays=[delay / 1e9 for result in results for delay in result["delays"]],
        cpu=cpu,
        **{count: sum(result[count] for result in results) for count in _COUNTS},
    )


@dataclass
class Series:
    """All rounds of one contender in one case."""

    outcomes: list[Outcome]
    failures: list[str]

    @property
    def ok(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.outcomes)

    @property
    def rate(self) -> float:
        """Median over the rounds of the slowest consumer's frames per second."""
        return statistics.median(min(outcome.rates) for outcome in self.outcomes)

    @property
    def p50(self) -> float:
        """Median over the rounds of the median delay, in seconds."""
        return statistics.median(statistics.median(o.delays) for o in self.outcomes)

    @property
    def p99(self) -> float:
        """99th percentile of the delays of all rounds, in seconds."""
        delays = sorted(delay for outcome in self.outcomes for delay in outcome.delays)
        return delays[int(0.99 * (len(delays) - 1))]

    @property
    def cpu(self) -> float:
        """Median CPU share of one core."""
        return statistics.median(outcome.cpu for outcome in self.outcomes)

    def count(self, name: str) -> int:
        """Return the sum of ``torn``, ``missing`` or ``disordered`` over all rounds."""
        return sum(getattr(outcome, name) for outcome in self.outcomes)


def compare(contenders: Sequence[Contender], case: Case, rounds: int) -> dict[str, Series]:
    """Run the contenders in turns, ``rounds`` times, so that foreign load hits all alike.

    A contender that fails twice in a row is left out of the rounds that follow.
    """
    series = {contender.name: Series([], []) for contender in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for contender in [*contenders[turn:], *contenders[:turn]]:
            own = series[contender.name]
            if len(own.failures) > len(own.outcomes) + 1:
                continue
            try:
                own.outcomes.append(run(contender, case))
            except RunError as error:
                own.failures.append(str(error))
    return series
