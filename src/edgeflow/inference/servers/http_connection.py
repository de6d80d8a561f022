"""One connection of the HTTP server: uvicorn's, with bounds on what comes before a body."""

import asyncio
from typing import Any

__all__ = ["MAX_CONNECTIONS", "connection_class"]

HEAD_SECONDS = 20.0
"""Until the head of a request has come, from the connection or from its first byte."""
MAX_UNREAD_BYTES = 512 * 1024
"""Received without completing a head or bringing a piece of a body; one read brings half of it."""
MAX_CONNECTIONS = 512


def connection_class() -> Any:
    """Return what uvicorn calls an HTTP implementation; its slower one without httptools."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ModuleNotFoundError:
        return "h11"

    class Connection(HttpToolsProtocol):
        """Hangs up on heads (and trailers) that never end."""

        _unread = 0
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._unread += len(data)
            super().data_received(data)
            if self._unread > MAX_UNREAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._start_timer()

        def on_headers_complete(self) -> None:
            self._unread = 0
            self._stop_timer()
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            super().on_body(body)

        def _start_timer(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection
