"""The inference gateway: the models of a folder or file behind all its servers.

::

    clients ──> tensor TCP ──┐
    clients ──> OIP HTTP ────┼──> scheduler ──> engines <── repository
    clients ──> OIP gRPC ────┘
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog

from edgeflow.config import settings
from edgeflow.errors import MissingExtraError
from edgeflow.inference.local import LocalService
from edgeflow.inference.repository.listing import ListSource
from edgeflow.inference.repository.settings import ServerSettings
from edgeflow.inference.servers.grpc import GrpcServer
from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.metrics import CollectorOf
from edgeflow.inference.servers.ports import Port, choose, owned
from edgeflow.inference.servers.statistics import CountedService, Statistics
from edgeflow.inference.servers.tensor import TensorServer, TensorServerOptions
from edgeflow.inference.servers.usage import keep_usage
from edgeflow.runtime.allocation import Spared, keep_freed_memory
from edgeflow.runtime.signals import setting_on_hangup, stopping_on_signals
from edgeflow.security.access import AccessRules
from edgeflow.security.tls import TlsFiles

__all__ = ["Gateway", "ServeOptions", "serve"]

DRAIN_SECONDS = 0.7
"""For requests under way, before they are answered with an error."""
LEAVE_SECONDS = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says; None where it says nothing.

    Attributes:
        models: folder of models, or a ``models.yaml``.
        host: address to bind.
        tcp_port: of the tensor protocol; 0 for any, likewise the others.
        http_port: of the Open Inference Protocol over HTTP.
        grpc_port: of the same over gRPC.
        allow: networks whose clients may use the tensor protocol besides this machine's.
        tls: certificate and key of all servers.
    """

    models: Path
    host: str | None = None
    tcp_port: int | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    allow: tuple[str, ...] = ()
    tls: TlsFiles | None = None


def serve(options: ServeOptions, ready: Callable[["Gateway"], None]) -> int:
    """Serve until SIGINT or SIGTERM; SIGHUP looks for models that have changed.

    Args:
        options: what to serve, and where.
        ready: told once clients can connect.

    Returns:
        0, 130 after Ctrl+C.

    Raises:
        ConfigError: the models cannot be read, or a port cannot be had.
        MissingExtraError: gRPC was asked for by an option and is not installed.
    """
    keep_freed_memory()
    stop, changed = Event(), Event()
    with (
        stopping_on_signals(stop) as caught,
        setting_on_hangup(changed),
        Gateway(options) as gateway,
    ):
        ready(gateway)
        spared = Spared()
        while not stop.wait(0.1):
            spared.look()
            if changed.is_set():
                changed.clear()
                gateway.service.refresh()
                log.info("models_rescanned", because="SIGHUP")
    return 130 if caught and caught[0] == signal.SIGINT else 0


class Gateway:
    """Serves models from its construction until ``close``.

    Raises:
        ConfigError: the models cannot be read, or a port cannot be had.
        MissingExtraError: gRPC was asked for by an option and is not installed.
    """

    def __init__(self, options: ServeOptions) -> None:
        source = None if options.models.is_dir() else ListSource(options.models)
        file = source.server if source else ServerSettings()
        named = {
            "tcp": (options.tcp_port, settings.EIG_PORT, file.port),
            "http": (options.http_port, settings.EIG_HTTP_PORT, file.http_port),
            "grpc": (options.grpc_port, settings.EIG_GRPC_PORT, file.grpc_port),
        }
        tcp, http, grpc = choose(named, str(options.models))
        self.host = options.host or os.environ.get("EDGEFLOW_BIND") or file.host or "127.0.0.1"
        self.rules = AccessRules(self.host, "gateway")
        self.statistics = Statistics()
        self._options = options
        self._context = options.tls.context() if options.tls else None
        with ExitStack() as undone:
            self.service = LocalService(source or options.models)
            undone.callback(self.service.close)
            self._history = keep_usage("gateway", self.statistics)
            if self._history is not None:
                undone.enter_context(self._history)
            self.tcp = self._tensor(tcp, file)
            undone.callback(self.tcp.stop)
            self.http = self._http(http)
            undone.callback(self.http.stop)
            self.grpc = self._grpc(grpc)
            for server in (self.grpc, self.http, self.tcp):
                if server is not None:
                    server.start()
            undone.pop_all()
        log.info("gateway_started", models=len(self.service.status()), **self.addresses())

    def addresses(self) -> dict[str, str]:
        """Return where each server listens."""
        scheme = "https" if self._options.tls else "http"
        shown = f"[{self.host}]" if ":" in self.host else self.host
        found = {"tcp": f"{shown}:{self.tcp.port}", "http": f"{scheme}://{shown}:{self.http.port}"}
        if self.grpc is not None:
            found["grpc"] = f"{shown}:{self.grpc.port}"
        return found

    def close(self) -> None:
        """Answer what is under way, hang up, and let go of everything within 3 s. Idempotent."""
        servers = [each for each in (self.tcp, self.http, self.grpc) if each is not None]
        stopping = [Thread(target=each.stop, name="edgeflow-stop", daemon=True) for each in servers]
        for thread in stopping:
            thread.start()
        over = time.monotonic() + DRAIN_SECONDS
        for thread in stopping:
            thread.join(max(0.0, over - time.monotonic()))
        self.service.close()
        if self._history is not None:
            self._history.close()
        for thread in stopping:
            thread.join(LEAVE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tensor(self, port: Port, file: ServerSettings) -> TensorServer:
        bounds = TensorServerOptions(
            max_clients=file.max_clients,
            read_timeout_s=file.read_timeout_ms / 1e3,
            write_timeout_s=file.write_timeout_ms / 1e3,
            allow=self._options.allow,
        )
        counted = CountedService(self.service, self.statistics, "tensor")
        with owned(port):
            return TensorServer(counted, self.host, port.number, options=bounds, tls=self._context)

    def _http(self, port: Port) -> HttpServer:
        with owned(port):
            return HttpServer(
                self.service, self.host, port.number, rules=self.rules, tls=self._options.tls,
                statistics=self.statistics,
                collectors=[CollectorOf(self.tcp.collect), CollectorOf(self.service.collect)],
            )  # fmt: skip

    def _grpc(self, port: Port) -> GrpcServer | None:
        try:
            with owned(port):
                return GrpcServer(
                    self.service, self.host, port.number,
                    rules=self.rules, statistics=self.statistics, tls=self._options.tls,
                )  # fmt: skip
        except MissingExtraError as error:
            if self._options.grpc_port is not None:
                raise
            log.warning("grpc_not_served", because=error.message, hint=error.hint)
            return None
