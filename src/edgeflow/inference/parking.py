"""Requests that wait for a version of their model to be loaded."""

import threading

from edgeflow.errors import CancelledError, OverloadedError
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.job import Job

__all__ = ["Parking"]


class Parking:
    """Where the jobs of one model wait; any thread may call it.

    Args:
        model: its name, for messages.
        counters: where jobs are counted that do not get any further.
    """

    def __init__(self, model: str, counters: Counters) -> None:
        self._model = model
        self._counters = counters
        self._lock = threading.Lock()
        self._jobs: dict[str | None, list[Job]] = {}
        self._closed = False

    def __len__(self) -> int:
        return sum(map(len, list(self._jobs.values())))

    def add(self, job: Job, capacity: int, bound: int) -> bool:
        """Let a job wait, or answer it when ``bound`` wait already, or after ``close``.

        Args:
            job: whose sender is to be held back if more than ``capacity`` wait.
            capacity: of the model's queue.
            bound: of those who are held back among them.

        Returns:
            True when it is the first for its version: somebody must load that.
        """
        version = job.request.version
        with self._lock:
            parked = len(self)
            room = parked < bound and not self._closed
            first = room and version not in self._jobs
            if room:
                job.holder, job.crowded = self, parked >= capacity
                self._jobs.setdefault(version, []).append(job)
        if not room:
            self._counters.count_rejected()
            waiting = f"model {self._model!r}: {parked} requests wait for it to load"
            gone = CancelledError(f"model {self._model!r} is no longer served")
            job.tell(gone if self._closed else OverloadedError(waiting))
        return first

    def take(self, version: str | None) -> list[Job]:
        """Hand out the jobs that wait for a version."""
        with self._lock:
            jobs = self._jobs.pop(version, [])
        for job in jobs:
            job.holder = None
        return jobs

    def withdraw(self, job: Job) -> bool:
        """Take a job out and count it as cancelled; False when it waits no more."""
        with self._lock:
            waiting = self._jobs.get(job.request.version, [])
            found = job in waiting
            if found:
                waiting.remove(job)
        if found:
            self._counters.count_cancelled()
        return found

    def close(self) -> list[Job]:
        """Let nothing wait any more; hand out what does."""
        with self._lock:
            self._closed = True
            jobs = [job for waiting in self._jobs.values() for job in waiting]
            self._jobs = {}
        return jobs
