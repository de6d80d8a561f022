"""One thread that drives any number of virtual boards."""

import contextlib
import os
import select
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import structlog

from edgeflow.errors import CommsError

__all__ = ["BoardLoop", "Driven"]

Result = TypeVar("Result")
_log = structlog.get_logger(__name__)

EARLY_SECONDS = 50e-6
"""The kernel wakes a sleeper about this much late."""
LONGEST_SLEEP = 1.0
CALL_SECONDS = 10.0
_MAX_SELECT_FILE = 1023


class Driven(Protocol):
    """What the loop drives. ``due`` is when it wants to be visited; infinity for never."""

    due: float

    def visit(self, now: float) -> None:
        """Do what is due by ``now`` and set ``due`` anew."""


class BoardLoop:
    """Waits for ports and for due times, to the tenth of a millisecond.

    A context manager: the thread runs from entering to leaving.

    Attributes:
        selector: ports register their files here, with a function of the events as data. Only the
            loop's thread may.
    """

    def __init__(self) -> None:
        self.selector = selectors.EpollSelector()
        self._boards: list[Driven] = []
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self.selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="virtual-boards", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop and join the thread. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout=3.0)
        self._refuse_calls()
        self.selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def add(self, board: Driven) -> None:
        """Drive one more. Only the loop's thread may call this."""
        self._boards.append(board)

    def remove(self, board: Driven) -> None:
        """Drive it no more. Only the loop's thread may call this."""
        with contextlib.suppress(ValueError):
            self._boards.remove(board)

    def call(self, function: Callable[[], Result]) -> Result:
        """Run ``function`` in the loop's thread and return its result.

        Raises:
            CommsError: the loop has stopped.
        """
        if threading.current_thread() is self._thread:
            return function()
        if self._stopping:
            raise CommsError("the virtual boards have been stopped")
        future: Future[Result] = Future()
        self._calls.append((function, future))
        self._wake()
        return future.result(CALL_SECONDS)

    def _run(self) -> None:
        while not self._stopping:
            self._sleep()
            for key, events in self.selector.select(0):
                self._guard(key.data, events)
            self._answer_calls()
            self._visit()

    def _visit(self) -> None:
        now = time.monotonic() + EARLY_SECONDS
        for board in tuple(self._boards):
            if board.due <= now and not self._guard(board.visit, now):
                self.remove(board)

    def _guard(self, function: Callable[[Any], None], argument: float) -> bool:
        """Keep one board's mistake from ending the others."""
        try:
            function(argument)
        except Exception:  # noqa: BLE001 - whatever it is, the other boards go on
            _log.exception("virtual_board_failed")
            return False
        return True

    def _sleep(self) -> None:
        due = min((board.due for board in self._boards), default=float("inf"))
        left = min(max(0.0, due - time.monotonic() - EARLY_SECONDS), LONGEST_SLEEP)
        # epoll counts in milliseconds, select in microseconds; an epoll is itself a file.
        file = self.selector.fileno()
        if file <= _MAX_SELECT_FILE:
            select.select([file], [], [], left)
        else:
            self.selector.select(left)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def _woken(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _answer_calls(self) -> None:
        while self._calls:
            function, future = self._calls.popleft()
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                future.set_exception(error)

    def _refuse_calls(self) -> None:
        while self._calls:
            self._calls.popleft()[1].set_exception(CommsError("the virtual boards have stopped"))
