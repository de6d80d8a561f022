"""The tensor server: both versions of the binary protocol over one TCP port."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import structlog

from edgeflow.comms.listening import listen, quickest_loop
from edgeflow.errors import ConfigError
from edgeflow.inference.servers.tensor_connection import Connection
from edgeflow.inference.servers.tensor_desk import Desk, TensorServerOptions
from edgeflow.inference.service import InferenceService
from edgeflow.security.access import is_loopback

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["TensorServer", "TensorServerOptions"]

log = structlog.get_logger(__name__)

_BACKLOG = 256
_GRACE_SECONDS = 1.5
_STOP_SECONDS = 3.0
_COUNT_SECONDS = 0.2


class TensorServer:
    """Serves the models of ``service`` in a thread of its own, from ``start`` to ``stop``.

    Where bytes are copied: a request up to 4 KiB once, out of the staging buffer; a longer one is
    received into its own buffer, except its first read (64 KiB at most, 4 KiB after another long
    one), and its tensors are views on that. A tensor whose data is not aligned on the wire is
    copied once (version 1 from the second tensor on). Outputs above 16 KiB are sent from the
    model's own memory.

    Args:
        service: answers the requests; not closed by this.
        host: address to bind; wider than loopback serves only clients that ``options.allow`` lists.
        port: 0 for a free one.
        options: bounds.
        tls: speak TLS.

    Raises:
        ConfigError: the address cannot be bound, or an allowed network is not one.
    """

    def __init__(
        self,
        service: InferenceService,
        host: str = "127.0.0.1",
        port: int = 8008,
        *,
        options: TensorServerOptions | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._service = service
        self._options = options or TensorServerOptions()
        self._tls = tls
        _check_networks(self._options)
        self._socket = _listen(host, port, self._options)
        self.host, self.port = self._socket.getsockname()[:2]
        self._desk: Desk | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgeflow-tensor", daemon=True)
        if not is_loopback(host) and not self._options.allow:
            log.warning("clients_restricted", host=host, hint="list networks to allow; now none is")

    def start(self) -> Self:
        """Begin to serve; returns when clients can connect."""
        self._thread.start()
        self._ready.wait(_STOP_SECONDS)
        log.info("server_started", protocol="tensor", host=self.host, port=self.port)
        return self

    def stop(self) -> None:
        """Answer what is under way (1.5 s at most), hang up and join the thread. Idempotent."""
        loop, over = self._loop, self._over
        if loop is None or over is None:
            self._socket.close()
            return
        if not loop.is_closed():
            loop.call_soon_threadsafe(over.set)
        self._thread.join(_STOP_SECONDS)

    def collect(self) -> Iterator["Metric"]:
        """Yield the metrics, for a Prometheus collector."""
        from edgeflow.inference.servers.tensor_metrics import collect

        if self._desk is not None:
            self._catch_up()
            yield from collect(self._desk)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _catch_up(self) -> None:
        """Wait until every answer that has left is counted."""
        loop, counted = self._loop, threading.Event()
        if loop is None or loop.is_closed() or threading.current_thread() is self._thread:
            return
        with contextlib.suppress(RuntimeError):  # it ended meanwhile
            loop.call_soon_threadsafe(counted.set)
            counted.wait(_COUNT_SECONDS)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=quickest_loop()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        desk = self._desk = Desk(self._service, self._options, _about(self._options))
        server = await self._loop.create_server(
            lambda: Connection(desk), sock=self._socket, backlog=_BACKLOG, ssl=self._tls
        )
        self._ready.set()
        try:
            await self._over.wait()
        finally:
            server.close()
            await desk.close(_GRACE_SECONDS)
            log.info("server_stopped", protocol="tensor", port=self.port)


def _about(options: TensorServerOptions) -> str:
    """Return what a ping is answered with."""
    limits = options.limits
    return json.dumps(
        {
            "server": "edgeflow",
            "versions": [1, 2],
            "frame_bytes": limits.frame_bytes,
            "in_flight": options.max_in_flight,
            "control": options.control,
        }
    )


def _check_networks(options: TensorServerOptions) -> None:
    import ipaddress

    for each in options.allow:
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise ConfigError(
                f"{each!r} is not a network", hint="write it as 192.168.1.0/24 or 10.0.0.5"
            ) from None


def _listen(host: str, port: int, options: TensorServerOptions) -> socket.socket:
    """Return a listening socket; clients that vanish without a word are noticed on their own."""
    listener = listen(host, port, server="the tensor server", hint="choose another port")
    unread_ms = max(1, int(options.write_timeout_s * 1000))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
    return listener
