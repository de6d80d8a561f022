"""A socket of the blocking client: waits inside the call of the system, sends without waiting."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Final

from edgeflow.protocols.tensor.wire import Buffer

__all__ = ["SLICE_SECONDS", "let_wait", "send_some"]

SLICE_SECONDS: Final = 0.2
"""Longest wait in one call."""

_SLICE: Final = struct.pack("ll", 0, int(SLICE_SECONDS * 1e6))


def let_wait(peer: socket.socket) -> None:
    """Let receiving wait for ``SLICE_SECONDS``; then it raises ``BlockingIOError``.

    To try, ask and try again would let other threads in three times, and have to wait for them.
    Encryption reads and writes as it likes, so there nothing waits; nor where the system writes
    times otherwise.
    """
    peer.settimeout(0)
    if not isinstance(peer, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _SLICE)
            peer.settimeout(None)


def send_some(peer: socket.socket, parts: Sequence[Buffer]) -> list[memoryview]:
    """Send what the system takes at once, and return the rest.

    Raises:
        BlockingIOError: it takes nothing now.
        OSError: the connection is broken.
    """
    sent = peer.sendmsg(parts, (), socket.MSG_DONTWAIT)
    rest: list[memoryview] = []
    for part in parts:
        view = memoryview(part).cast("B")
        if sent < len(view):
            rest.append(view[sent:])
        sent = max(0, sent - len(view))
    return rest
