"""Where callers of any thread leave requests for the thread that owns the port."""

import heapq
import os
import threading
from collections import deque

from edgeflow.devices.serial.requests import Request
from edgeflow.errors import DeadlineError, EdgeFlowError, OverloadedError, UnreachableError

__all__ = ["Desk"]


class Desk:
    """A bounded queue with deadlines that wakes its reader.

    Args:
        name: for messages.
        capacity: requests that may be unanswered.

    Attributes:
        depth: requests that are unanswered.
        wake: descriptor to poll; readable when somebody called.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.depth = 0
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._name, self._capacity = name, capacity
        self._lock = threading.Lock()
        self._incoming: deque[Request] = deque()
        self._error: EdgeFlowError | None = None
        self._deadlines: list[tuple[float, int, Request]] = []
        self._number = 0
        self._closed = False

    def submit(self, request: Request) -> None:
        """Leave a request.

        Raises:
            UnreachableError: the board is lost, or the desk closed.
            OverloadedError: the queue is full.
        """
        with self._lock:
            if self._error is not None:
                raise UnreachableError(self._error.message, hint=self._error.hint)
            if self.depth >= self._capacity:
                raise OverloadedError(f"{self._name}: {self.depth} requests wait already")
            self.depth += 1
            first = not self._incoming
            self._incoming.append(request)
            if first:
                os.eventfd_write(self.wake, 1)
        request.future.add_done_callback(self._one_less)

    def call(self) -> None:
        """Wake the reader."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self.wake, 1)

    def open(self) -> None:
        """Take requests."""
        with self._lock:
            self._error = None

    def refuse(self, error: EdgeFlowError) -> None:
        """Take no more requests, and fail those that were left."""
        with self._lock:
            self._error = error
        self.fail(error)

    def fail(self, error: EdgeFlowError) -> None:
        """Fail the requests that were left and not collected."""
        for request in self._take():
            request.fail(error)

    def close(self, error: EdgeFlowError) -> None:
        """Take no more requests, ever."""
        self.refuse(error)
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.wake)
        self._deadlines.clear()

    def collect(self) -> list[Request]:
        """Return the new requests; from now on their deadlines are watched."""
        try:
            os.eventfd_read(self.wake)
        except BlockingIOError:
            return []
        requests = self._take()
        for request in requests:
            self._number += 1
            heapq.heappush(self._deadlines, (request.deadline, self._number, request))
        if len(self._deadlines) > 2 * self._capacity + 64:
            self._deadlines = [each for each in self._deadlines if not each[2].done]
            heapq.heapify(self._deadlines)
        return requests

    def due(self) -> float | None:
        """Return when the next request is too late."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][2].done:
            heapq.heappop(deadlines)
        return deadlines[0][0] if deadlines else None

    def expire(self, now: float) -> None:
        """Fail the requests that are too late."""
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now or deadlines[0][2].done):
            request = heapq.heappop(deadlines)[2]
            request.fail(DeadlineError(f"{self._name}: no answer in time"))

    def _take(self) -> list[Request]:
        with self._lock:
            requests = list(self._incoming)
            self._incoming.clear()
        return requests

    def _one_less(self, _: object) -> None:
        with self._lock:
            self.depth -= 1
