"""One connection: an asyncio transport that paho takes for its socket.

Everything runs on the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from edgeflow.comms.mqtt.cutter import Cutter
from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.errors import ProtocolError

__all__ = ["Pipe"]


class Pipe(asyncio.Protocol):
    """Bytes of one connection.

    Args:
        cutter: of this connection alone.
        readable: something waits for ``next``, or ``send`` takes bytes again.
        lost: the connection is gone, and why; called once.
    """

    def __init__(
        self, cutter: Cutter, readable: Callable[[], None], lost: Callable[[Exception | None], None]
    ) -> None:
        self._cutter = cutter
        self._readable = readable
        self._lost: Callable[[Exception | None], None] | None = lost
        self._transport: asyncio.Transport | None = None
        self._items: deque[bytes | list[Incoming]] = deque()
        self._packet = b""
        self._read = 0
        self._corked: list[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.last_received = self._loop.time()
        self.is_paused = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and tell when there are whole packets."""
        self.last_received = self._loop.time()
        try:
            self._items += self._cutter.feed(data, self.last_received)
        except ProtocolError as error:
            self.end(error)
            return
        if self._items and not self.is_paused:
            self._readable()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._closed.set()
        self.end(exc)

    def pause_writing(self) -> None:
        """Take nothing: the peer does not read."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Take bytes again."""
        self.writable.set()
        self._readable()

    # What the session calls

    def next(self) -> list[Incoming] | bytes | None:
        """What came next: messages, or a packet that ``recv`` has now; None while paused."""
        if self.is_paused or not self.is_open or not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, bytes):
            self._packet, self._read = item, 0
        return item

    @property
    def is_open(self) -> bool:
        """True until the end."""
        return self._lost is not None

    def pause(self) -> None:
        """Leave what comes in the kernel's buffers: the peer has to wait."""
        if not self.is_paused and self._transport is not None:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.is_paused and self._transport is not None and self.is_open:
            self.is_paused = False
            self.last_received = self._loop.time()
            self._transport.resume_reading()
            if self._items:
                self._readable()

    def cork(self) -> None:
        """Hold what is sent until ``uncork``, so that it leaves in one piece."""
        self._corked = []

    def uncork(self) -> None:
        """Send what was held."""
        held, self._corked = self._corked, None
        if held and self._transport is not None and self.is_open:
            self._transport.write(b"".join(held))

    def end(self, error: Exception | None = None, *, flush: bool = False) -> None:
        """Close, and tell why; ``flush`` sends first what was written."""
        lost, self._lost = self._lost, None
        self.writable.set()
        transport, self._transport = self._transport, None
        if transport is not None and flush:
            transport.close()
        elif transport is not None:
            transport.abort()
        if lost is not None:
            lost(error)

    async def finish(self, timeout: float) -> None:
        """Send what was written and close, within ``timeout`` seconds."""
        transport = self._transport
        self.end(flush=True)
        if transport is None:
            return
        try:
            await asyncio.wait_for(self._closed.wait(), timeout)
        except TimeoutError:
            transport.abort()

    # What paho calls

    def recv(self, size: int) -> bytes:
        """Return up to ``size`` bytes of a whole packet."""
        data = self._packet[self._read : self._read + size]
        if not data:
            raise BlockingIOError
        self._read += len(data)
        return data

    def send(self, data: bytes | bytearray) -> int:
        """Take all of ``data``."""
        if not self.is_open or self._transport is None:
            raise ConnectionError("the connection is closed")
        if not self.writable.is_set():
            raise BlockingIOError
        if self._corked is not None:
            self._corked.append(bytes(data))
        else:
            self._transport.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close; what was written is sent first, and ``lost`` is told a moment later."""
        self.uncork()
        if self._transport is not None:
            self._transport.close()

    def fileno(self) -> int:
        """Paho registers no descriptor of ours anywhere."""
        return -1

    def pending(self) -> int:
        """Bytes that could be read without waiting."""
        return len(self._packet) - self._read

    def setblocking(self, flag: bool) -> None:
        """Never block, whatever ``flag`` says."""
