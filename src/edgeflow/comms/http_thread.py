"""An HTTP server in a thread with an event loop of its own."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import uvicorn

from edgeflow.errors import ConfigError

__all__ = ["HttpThread"]

START_SECONDS = 10.0
JOIN_SECONDS = 1.5
"""How long ``stop`` waits for the thread after requests under way were given up."""


def _nothing() -> None:
    pass


class HttpThread:
    """Runs an application from ``start`` to ``stop``; signals are none of its business.

    Args:
        config: the application, and how it is served.
        listener: where it listens; closed by ``stop``.
        name: of the thread.
        server: what errors call it.
        linger_s: how long requests under way may go on after ``stop``.
        ending: called in the loop when the end begins, before anybody waits.
        loop_factory: makes the loop; asyncio's own if None.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        *,
        name: str,
        server: str,
        linger_s: float,
        ending: Callable[[], None] = _nothing,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._called = server
        self._linger_s = linger_s
        self._ending = ending
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_running(self) -> bool:
        """True from ``start`` to ``stop``."""
        return self._thread.is_alive()

    def start(self) -> Self:
        """Begin to serve; returns when clients can connect.

        Raises:
            ConfigError: it does not start.
        """
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise ConfigError(f"{self._called} did not start", hint="see the log above")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Answer what is under way, hang up and join the thread. Idempotent."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join(self._linger_s + JOIN_SECONDS)
        if not self._thread.is_alive():  # else the server closes it, once it comes to that
            self._listener.close()

    def _end(self) -> None:
        self._ending()
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(self._linger_s, self._force)

    def _force(self) -> None:
        self._server.force_exit = True

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._listener])
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
