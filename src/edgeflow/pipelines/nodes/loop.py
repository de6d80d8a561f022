"""A bounded way from the event loop of a flow to a thread."""

import asyncio
import contextlib
import threading
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(Generic[T]):
    """A bounded queue from the event loop to a thread.

    Args:
        loop: where ``put`` is awaited.
        capacity: items held; then ``put`` waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int = 16) -> None:
        self._loop = loop
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._filled = threading.Condition()
        self._room = asyncio.Event()
        self._waiting = False
        self._closed = False

    async def put(self, item: T) -> None:
        """Add an item once there is room."""
        while not self._offer(item):
            await self._room.wait()

    def get(self, timeout: float) -> T | None:
        """Return the next item, or None after ``timeout`` seconds or once closed and empty."""
        with self._filled:
            if not self._items and not self._closed:
                self._filled.wait(timeout)
            if not self._items:
                return None
            item = self._items.popleft()
            if self._waiting and len(self._items) <= self._capacity // 2:
                self._waiting = False
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                    self._loop.call_soon_threadsafe(self._room.set)
        return item

    def close(self) -> None:
        """Let ``get`` return at once when nothing is left. Any thread may call it."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    @property
    def drained(self) -> bool:
        """True once closed and empty."""
        with self._filled:
            return self._closed and not self._items

    def _offer(self, item: T) -> bool:
        with self._filled:
            if len(self._items) >= self._capacity:
                self._room.clear()
                self._waiting = True
                return False
            self._items.append(item)
            self._filled.notify()
        return True
