"""The Open Inference Protocol over HTTP: a thread with an event loop of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn
from prometheus_client.registry import Collector

from edgeflow.comms.listening import listen
from edgeflow.config import settings
from edgeflow.errors import ConfigError
from edgeflow.inference.servers.http_application import Application
from edgeflow.inference.servers.http_connection import MAX_CONNECTIONS, connection_class
from edgeflow.inference.servers.http_exchange import Limits
from edgeflow.inference.servers.metrics import ServerCollector, render
from edgeflow.inference.servers.statistics import CountedService, Statistics
from edgeflow.inference.service import InferenceService
from edgeflow.security.access import AccessRules
from edgeflow.security.tls import TlsFiles

__all__ = ["HttpServer"]

_KEEP_ALIVE_SECONDS = 75
_START_SECONDS = 10.0
_LINGER_SECONDS = 1.0
_STOP_SECONDS = 2.5
_BODIES = 2
"""Bodies of the largest size that are held at once."""

log = structlog.get_logger(__name__)


class HttpServer:
    """Serves the models of ``service`` over HTTP, from ``start`` to ``stop``.

    A body whose length is announced is received where the tensors are views on it, except its
    first 16 KiB, which are copied; binary outputs are sent from the model's own memory.

    Attributes:
        port: where it listens.
        rules: what clients must present.

    Args:
        service: answers the requests; not closed by this.
        host: address to bind; wider than loopback, clients need the token of ``rules``.
        port: 0 for a free one.
        statistics: counts of all servers of the service.
        collectors: what ``/metrics`` tells besides.
        limits: bounds of a request; by the size of ``settings.MAX_FRAME_BYTES`` if None.
        rules: who may ask; made for ``host`` if None.
        tls: certificate and key; without, HTTP is plain.

    Raises:
        ConfigError: it cannot listen there.
    """

    def __init__(
        self,
        service: InferenceService,
        host: str = "127.0.0.1",
        port: int = 8009,
        *,
        statistics: Statistics | None = None,
        collectors: Sequence[Collector] = (),
        limits: Limits | None = None,
        rules: AccessRules | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        counted = CountedService(service, statistics or Statistics(), "http")
        sources = [ServerCollector(service, counted.statistics), *collectors]
        largest = settings.MAX_FRAME_BYTES
        limits = limits or Limits(body=largest, memory=_BODIES * largest)
        self.rules = rules or AccessRules(host, "oip_http")
        self._socket = listen(
            host, port, server="the OIP HTTP server", hint="choose another with --http-port"
        )
        self.host, self.port = self._socket.getsockname()[:2]
        self._application = Application(counted, self.rules, limits, lambda: render(sources))
        self._server = uvicorn.Server(_config(self._application, tls))
        self._scheme = "https" if tls else "http"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="edgeflow-oip-http", daemon=True)

    @property
    def url(self) -> str:
        """Address of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._scheme}://{host}:{self.port}"

    def start(self) -> Self:
        """Begin to serve; returns when clients can connect.

        Raises:
            ConfigError: it does not start.
        """
        self._thread.start()
        over = threading.Event()
        waited = 0.0
        while not self._server.started:
            if not self._thread.is_alive() or waited > _START_SECONDS:
                self.stop()
                raise ConfigError("the OIP HTTP server did not start", hint="see the log above")
            over.wait(0.005)
            waited += 0.005
        log.info("server_started", protocol="oip-http", host=self.host, port=self.port)
        return self

    def stop(self) -> None:
        """Answer what is under way (1 s at most), hang up and join the thread. Idempotent."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join(_STOP_SECONDS)
        self._application.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _end(self) -> None:
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._force)

    def _force(self) -> None:
        self._server.force_exit = True

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._socket])
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        log.info("server_stopped", protocol="oip-http", port=self.port)


def _config(application: Any, tls: TlsFiles | None) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http=connection_class(),
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=128,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
