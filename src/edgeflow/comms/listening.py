"""What servers stand on: ports, listening sockets, the event loop."""

import asyncio
import errno
import socket
from collections.abc import Callable

from edgeflow.errors import ConfigError

__all__ = ["free_port", "listen", "quickest_loop", "shown_host"]

PORTS_TRIED = 20
UNREAD_SECONDS = 10.0
"""A client that takes nothing of what was sent for this long is cut off."""
VANISHED_SECONDS = 30.0
"""A client that was silent for this long is asked whether it is still there."""


def listen(host: str, port: int, *, server: str, hint: str) -> socket.socket:
    """Return a listening socket.

    Args:
        host: address to bind.
        port: 0 for a free one.
        server: what the error calls it.
        hint: what the error advises when the port is taken.

    Raises:
        ConfigError: it cannot listen there.
    """
    if not 0 <= port <= 65535:  # the socket module would leave a half-made socket behind
        raise ConfigError(f"{server} cannot listen on {host}:{port}: no such port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise ConfigError(
            f"{server} cannot listen on {host}:{port}: {reason}", hint=hint
        ) from error
    _prepare(listener)
    return listener


def _prepare(listener: socket.socket) -> None:
    """Set what every connection inherits."""
    # Without it a body waits 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The event loop would wait for ever to hand over what a client does not read.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_SECONDS * 1000))
    # A client that has vanished is noticed also while there is nothing to send to it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(VANISHED_SECONDS))


def free_port(host: str, wanted: int) -> int:
    """Return ``wanted``, or the next port above it that ``host`` can bind; any free one for 0.

    Raises:
        ConfigError: none of the next ones is free, or the address is not this machine's.
    """
    if wanted == 0:
        with listen(host, 0, server="the dashboard", hint="") as any_free:
            return int(any_free.getsockname()[1])
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        if _is_free(host, port):
            return port
    raise ConfigError(
        f"none of the {PORTS_TRIED} ports from {wanted} on is free",
        hint="name another with --port, or set GATEWAY_HTTP_PORT",
    )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise ConfigError(
                f"EDGEFLOW_BIND={host!r} cannot be bound: {error.strerror}",
                hint="use an address of this machine, such as 127.0.0.1",
            ) from None
    return True


def shown_host(host: str) -> str:
    """Return what a browser on this machine calls a server that is bound to ``host``."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def quickest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes loops: uvloop's if that is installed, else None for asyncio's own."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
