"""One connection of the HTTP server: uvicorn's, with bounds on what comes before a body.

Long bodies are received where they are wanted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

__all__ = ["MAX_CONNECTIONS", "RECEIVE_INTO", "ReceiveInto", "connection_class"]

HEAD_SECONDS = 20.0
"""Until the head of a request has come, from the connection or from its first byte."""
MAX_UNREAD_BYTES = 512 * 1024
"""Received without completing a head or bringing a piece of a body."""
MAX_CONNECTIONS = 512
STAGING_BYTES = 16 * 1024
"""Read at once where no place for a body is known."""

RECEIVE_INTO = "edgeflow.receive_into"
"""ASGI extension: a ``ReceiveInto`` for the body of a request that announces its length."""

ReceiveInto: TypeAlias = Callable[[memoryview], Awaitable[bool]]
"""Fills the memory with the next bytes of the body; False when the client left before. The memory
is not longer than what is left of the body."""


def connection_class() -> Any:
    """Return what uvicorn calls an HTTP implementation; its slower one without httptools."""
    try:
        import httptools
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ModuleNotFoundError:
        return "h11"

    class Connection(HttpToolsProtocol):
        """Hangs up on heads (and trailers) that never end.

        Bytes of a body that are received into the memory of whoever wants them never pass the
        parser; a fresh one takes the request that follows.
        """

        _unread = 0
        _timer: asyncio.TimerHandle | None = None
        _left = 0  # of a body, as far as the parser knows
        _past_parser = False
        space: memoryview | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            self.space = None
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._past_parser:
                data = self._without_body(data)
                if not data:
                    return
            self._unread += len(data)
            super().data_received(data)
            if self._unread > MAX_UNREAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

        def placed(self, count: int) -> None:
            """Take note of bytes that were received into ``space``."""
            if self.space is not None:
                self.space = self.space[count:] or None
            self._note_body(count)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._start_timer()

        def on_headers_complete(self) -> None:
            self._unread = 0
            self._stop_timer()
            super().on_headers_complete()
            length = dict(self.headers).get(b"content-length", b"")
            self._left = int(length) if length.isdigit() else 0
            if self._left > STAGING_BYTES and not self.parser.should_upgrade():
                receive_into = partial(self._receive_into, self.cycle)
                scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # uvicorn types it closer
                scope["extensions"] = {RECEIVE_INTO: receive_into}
                self.flow.pause_reading()  # until somebody wants the body, and says where

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            self._left -= len(body)
            super().on_body(body)

        async def _receive_into(self, cycle: Any, space: memoryview) -> bool:
            came = min(len(cycle.body), len(space))
            with memoryview(cycle.body) as body:
                space[:came] = body[:came]
            del cycle.body[:came]
            if came == len(space):
                return True
            self.space, self._past_parser = space[came:], True
            while self.space is not None:
                message = await cycle.receive()
                if message["type"] == "http.disconnect":
                    self.space = None
                    return False
            return True

        def _note_body(self, count: int) -> None:
            self._left -= count
            if self._left == 0:
                self.space, self._past_parser = None, False
                self.parser = httptools.HttpRequestParser(self)
                self.on_message_complete()
            elif self.space is None and not self.cycle.response_complete:
                self.flow.pause_reading()
                self.cycle.message_event.set()

        def _without_body(self, data: bytes) -> bytes:
            """Keep what belongs to a body for which no space is known yet; return the rest."""
            count = min(self._left, len(data))
            if not self.cycle.response_complete:
                self.cycle.body += data[:count]
            self._note_body(count)
            return data[count:]

        def _start_timer(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def connection(**parts: Any) -> _Intake:
        return _Intake(Connection(**parts))

    return connection


class _Connection(Protocol):
    space: memoryview | None

    def connection_made(self, transport: Any) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def placed(self, count: int) -> None: ...
    def eof_received(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class _Intake(asyncio.BufferedProtocol):
    """Receives for a connection: into the space that it names, else into a buffer of its own."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._staging = memoryview(bytearray(STAGING_BYTES))
        self._placing = False
        self.connection_made = connection.connection_made  # type: ignore[method-assign]  # saves a call
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]  # saves a call
        self.eof_received = connection.eof_received  # type: ignore[method-assign]  # saves a call
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]  # saves a call
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]  # saves a call

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        space = self._connection.space
        self._placing = space is not None
        return self._staging if space is None else space

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what has arrived."""
        if self._placing:
            self._connection.placed(nbytes)
        else:
            self._connection.data_received(bytes(self._staging[:nbytes]))
