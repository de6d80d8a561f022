"""Listening sockets of HTTP servers."""

import socket

from edgeflow.errors import ConfigError

__all__ = ["listen"]

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
