"""Threads that compute: as many as there are cores, shared by all models that run on them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from edgeflow.inference.scheduling.job import Job

__all__ = ["Crew", "Runnable", "Turn"]

log = structlog.get_logger(__name__)


class Turn(NamedTuple):
    """What a worker got: jobs to compute together, and jobs that are too late."""

    jobs: list[Job]
    late: list[Job]


class Runnable(Protocol):
    """What a crew works for; every method but ``run`` and ``tell_late`` is called under its lock.

    Attributes:
        slots: cores that one call takes.
        listed: it stands in the crew's list; kept by the crew.
    """

    slots: int
    listed: bool

    def due(self) -> float | None:
        """Return when it can be worked on (0: at once); None while it cannot."""
        ...

    def take(self, now: float) -> Turn:
        """Hand out the next jobs; with some to compute, an instance is in use from now on."""
        ...

    def run(self, jobs: list[Job]) -> Callable[[], None]:
        """Compute, and return what tells the outcomes; called without the lock. Never raises."""
        ...

    def tell_late(self, jobs: list[Job]) -> None:
        """Answer jobs that are too late; called without the lock."""
        ...

    def free_instance(self) -> None:
        """Take back the instance that ``take`` gave away."""
        ...

    def drained(self) -> Callable[[], None] | None:
        """Return what to do when the last job of a retired lane has gone; None until then."""
        ...


class Crew:
    """Worker threads and the slots that they share.

    Lanes with work take turns. Each call of a lane takes its ``slots``; calls that would exceed
    the crew's own wait.

    Args:
        slots: cores; also the number of threads.
        name: of the threads.
        now: monotonic seconds.
    """

    def __init__(
        self, slots: int, name: str = "infer", now: Callable[[], float] = time.monotonic
    ) -> None:
        self.slots = slots
        self.lock = threading.Lock()
        self._name = name
        self._now = now
        self._free = slots
        self._ready: deque[Runnable] = deque()
        self._delayed: list[Runnable] = []
        self._idle: list[threading.Lock] = []
        self._waking = 0
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; does nothing when they run, or when the crew is closed."""
        with self.lock:
            if self._threads or self._closed:
                return
            self._threads = [
                threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
                for number in range(self.slots)
            ]
        for thread in self._threads:
            thread.start()

    def offer(self, lane: Runnable) -> "threading.Lock | None":
        """List a lane if it can be worked on; under the lock.

        Returns:
            What the caller must release, after the lock, to wake a worker.
        """
        due = lane.due()
        if due is None:
            return None
        if not lane.listed:
            lane.listed = True
            if due > self._now():
                self._delayed.append(lane)
                return self._call(forced=True)
            self._ready.append(lane)
        elif self._delayed:
            self._list_due()
        return self._call()

    def lend(self, lane: Runnable) -> bool:
        """Give a guest, a thread that is not of the crew, slots to compute for a lane.

        Under the lock. False when a worker should do it, because others wait for their turn.
        """
        if self._closed or self._ready or lane.slots > self._free:
            return False
        self._free -= lane.slots
        return True

    def take_back(self, lane: Runnable) -> Callable[[], None] | None:
        """Take the slots and the instance of a guest back; return what is left to do, if any."""
        with self.lock:
            finish = self._give_back(lane)
            wake = self._call()
        if wake is not None:
            wake.release()
        return finish

    def close(self, timeout: float = 2.0) -> bool:
        """End the threads; False when one of them is still computing after ``timeout`` seconds."""
        with self.lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for wake in idle:
            wake.release()
        until = time.monotonic() + timeout
        others = [each for each in self._threads if each is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in others)

    def _call(self, *, forced: bool = False) -> "threading.Lock | None":
        """Choose an idle worker if there is work for one that nobody is on the way to."""
        if self._waking or not self._idle:
            return None
        if forced or (self._ready and self._ready[0].slots <= self._free):
            self._waking += 1
            return self._idle.pop()
        return None

    def _work(self) -> None:
        wake = threading.Lock()
        wake.acquire()
        lane: Runnable | None = None
        tell: Callable[[], None] | None = None
        while True:
            with self.lock:
                finish = None if lane is None else self._give_back(lane)
                found = self._take()
                called = self._call()
                rest = None if found else self._rest(wake)
            if called is not None:
                called.release()
            _safely(tell)
            _safely(finish)
            lane, tell = None, None
            if found is not None:
                lane, tell = self._do(*found)
            elif self._closed:
                return
            else:
                self._sleep(wake, rest)

    def _do(
        self, lane: Runnable, turn: Turn
    ) -> tuple[Runnable, Callable[[], None]] | tuple[None, None]:
        """Compute a turn; return the lane and what tells the outcomes, if it had jobs."""
        if turn.late:
            _safely(lambda: lane.tell_late(turn.late))
        if turn.jobs:
            return lane, lane.run(turn.jobs)
        with self.lock:
            finish = lane.drained()
        _safely(finish)
        return None, None

    def _give_back(self, lane: Runnable) -> Callable[[], None] | None:
        self._free += lane.slots
        lane.free_instance()
        self._relist(lane)
        return lane.drained()

    def _take(self) -> tuple[Runnable, Turn] | None:
        if self._delayed:
            self._list_due()
        while self._ready and self._ready[0].slots <= self._free:
            lane = self._ready.popleft()
            lane.listed = False
            turn = lane.take(self._now())
            if turn.jobs:
                self._free -= lane.slots
            self._relist(lane)
            if turn.jobs or turn.late:
                return lane, turn
        return None

    def _relist(self, lane: Runnable) -> None:
        due = None if lane.listed else lane.due()
        if due is not None:
            lane.listed = True
            (self._delayed if due > self._now() else self._ready).append(lane)

    def _list_due(self) -> None:
        now = self._now()
        for lane in list(self._delayed):
            due = lane.due()
            if due is None or due <= now:
                self._delayed.remove(lane)
                self._ready.append(lane)

    def _rest(self, wake: "threading.Lock") -> float:
        """Join the idle ones; return the seconds until something falls due, -1 if nothing does."""
        self._idle.append(wake)
        dues = [due for lane in self._delayed if (due := lane.due()) is not None]
        return max(1e-4, min(dues) - self._now()) if dues else -1.0

    def _sleep(self, wake: "threading.Lock", seconds: float | None) -> None:
        called = wake.acquire(timeout=-1 if seconds is None else seconds)
        with self.lock:
            if not called and wake in self._idle:
                self._idle.remove(wake)
                return
            if not called:
                wake.acquire()
            self._waking -= 1


def _safely(tell: Callable[[], None] | None) -> None:
    """Keep a worker alive whatever a caller's function does."""
    if tell is None:
        return
    try:
        tell()
    except Exception:  # a broken listener must not end the thread that serves all
        log.exception("listener_failed")
