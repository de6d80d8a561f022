"""The Open Inference Protocol over HTTP: a thread with an event loop of its own."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn
from prometheus_client.registry import Collector

from edgeflow.comms.http_thread import HttpThread
from edgeflow.comms.listening import listen, quickest_loop
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
_LINGER_SECONDS = 1.0
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
        listener = listen(
            host, port, server="the OIP HTTP server", hint="choose another with --http-port"
        )
        self.host, self.port = listener.getsockname()[:2]
        self._application = Application(counted, self.rules, limits, lambda: render(sources))
        self._scheme = "https" if tls else "http"
        self._thread = HttpThread(
            _config(self._application, tls),
            listener,
            name="edgeflow-oip-http",
            server="the OIP HTTP server",
            linger_s=_LINGER_SECONDS,
            loop_factory=quickest_loop(),
        )

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
        try:
            self._thread.start()
        except ConfigError:
            self.stop()
            raise
        log.info("server_started", protocol="oip-http", host=self.host, port=self.port)
        return self

    def stop(self) -> None:
        """Answer what is under way (1 s at most), hang up and join the thread. Idempotent."""
        was_running = self._thread.is_running
        self._thread.stop()
        self._application.close()
        if was_running:
            log.info("server_stopped", protocol="oip-http", port=self.port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


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
