"""Connectors that come back: one session after the other, with pauses in between."""

import asyncio
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any, ClassVar

from edgeflow.errors import EdgeFlowError, MissingExtraError
from edgeflow.pipelines.connectors.backoff import Backoff
from edgeflow.pipelines.connectors.base import BaseConnector, RouteOptions
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["Outlet", "SessionConnector", "ThreadedConnector"]

JOIN_SECONDS = 2.5
"""What a thread may take to end; a library that blocks longer is left behind."""

ROOM_SECONDS = 0.1
"""How often a thread that waits for room looks whether it should end."""


class SessionConnector(BaseConnector):
    """Runs ``session`` again and again: it ends when the source does, and raises when it is lost.

    Attributes:
        lost: errors that mean that the peer is away; any other one is a fault of the connector.
        backoff: pauses between sessions; begins again with each session that gave a message.
    """

    lost: ClassVar[tuple[type[Exception], ...]] = (EdgeFlowError, OSError)

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        super().__init__(name, options, routes)
        self.backoff = Backoff()

    @abstractmethod
    def session(self) -> AsyncIterator[EdgeMessage]:
        """Connect, call ``connected``, yield messages; return at the end of the source."""

    def connected(self) -> None:
        """Say that the peer is there."""
        self.state, self.last_error = "connected", None
        self.log.info("connector_connected")

    async def iter_messages(self) -> AsyncIterator[EdgeMessage]:
        """Yield the messages of all sessions."""
        self.backoff.reset()
        try:
            while True:
                self.state = "connecting"
                try:
                    async with aclosing(_generator(self.session())) as messages:
                        async for message in messages:
                            self.backoff.reset()
                            yield message
                    return
                except MissingExtraError:
                    raise
                except self.lost as error:
                    await self._wait(error)
        except Exception as error:
            self._fail(error)
            raise
        finally:
            self.state = "failed" if self.state == "failed" else "ended"

    def _fail(self, error: Exception) -> None:
        self.state, self.last_error = "failed", str(error) or type(error).__name__

    async def _wait(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        pause = self.backoff.next()
        known = reason == self.last_error
        self.state, self.last_error = "waiting", reason
        tell = self.log.debug if known else self.log.warning
        tell("connector_lost", error=reason, retry_in_s=round(pause, 2))
        await asyncio.sleep(pause)


class Outlet:
    """Hands the messages of one thread to the event loop: bounded, the newest are kept.

    Made on the event loop. The thread calls ``put``, ``pause`` and looks at ``stopping``.

    Args:
        capacity: messages that may wait; the oldest makes room.
        dropped: called for each message that was pushed out.
    """

    def __init__(self, capacity: int, dropped: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._room = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[EdgeMessage] = deque()
        self._capacity = capacity
        self._dropped = dropped
        self._filled = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def put(self, message: EdgeMessage, *, patient: bool = False) -> None:
        """Hand a message over; returns at once, or ``patient`` when there is room."""
        while patient and len(self._waiting) >= self._capacity and not self.stopping.is_set():
            self._room.wait(ROOM_SECONDS)
            self._room.clear()
        with self._lock:
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                self._dropped()
            self._waiting.append(message)
            if len(self._waiting) == 1:
                self._wake()

    def pause(self, seconds: float) -> bool:
        """Wait, but not beyond the end; return whether the thread goes on."""
        return not self.stopping.wait(max(0.0, seconds))

    def run(self, work: Callable[["Outlet"], None]) -> None:
        """Do ``work`` in the calling thread; its end, or its error, ends the messages."""
        try:
            work(self)
        except Exception as error:  # noqa: BLE001 - raised again on the event loop
            self._error = error
        with self._lock:
            self._ended = True
            self._wake()

    async def messages(self) -> AsyncIterator[EdgeMessage]:
        """Yield messages until the thread ends; raise what it raised."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while (message := self._take()) is not None:
                yield message
            if self._ended and not self._waiting:
                if self._error is not None:
                    raise self._error
                return

    async def ended(self) -> None:
        """Wait for the end of the thread's work."""
        while not self._ended:
            await self._filled.wait()
            self._filled.clear()

    def _take(self) -> EdgeMessage | None:
        with self._lock:
            self._room.set()
            return self._waiting.popleft() if self._waiting else None

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._filled.set)


class ThreadedConnector(SessionConnector):
    """A connector over a library that blocks: each session runs in a thread of its own.

    Attributes:
        capacity: messages that may wait for the event loop; the oldest makes room.
    """

    capacity: int = 1

    @abstractmethod
    def work(self, outlet: Outlet) -> None:
        """Connect, ``put`` messages until ``outlet.stopping``; return at the end of the source."""

    async def session(self) -> AsyncIterator[EdgeMessage]:
        """Yield what the thread puts; the thread ends with the session."""
        outlet = Outlet(self.capacity, self._count_drop)
        thread = threading.Thread(
            target=outlet.run, args=(self.work,), name=f"edgeflow-{self.name}", daemon=True
        )
        thread.start()
        try:
            async with aclosing(_generator(outlet.messages())) as messages:
                async for message in messages:
                    yield message
        finally:
            outlet.stopping.set()
            try:
                async with asyncio.timeout(JOIN_SECONDS):
                    await outlet.ended()
            except TimeoutError:
                self.log.warning("thread_left_behind", after_s=JOIN_SECONDS)
            else:
                thread.join()

    def _count_drop(self) -> None:
        self.dropped += 1


def _generator(messages: AsyncIterator[EdgeMessage]) -> Any:
    """Return ``messages`` as what it is where ``yield`` wrote it: an asynchronous generator."""
    return messages
