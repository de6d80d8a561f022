"""What the event loop does only later or not at all: ask and use a connection's socket at once."""

import fcntl
import os
import struct
import termios
from typing import Any, Final

from edgeflow.protocols.tensor.wire import Buffer

__all__ = ["descriptor_of", "unread", "write_now"]

_MOST_PARTS: Final = 64
_COUNT: Final = struct.Struct("i")


def descriptor_of(transport: Any) -> int:
    """Return the descriptor that may be written to past the transport; -1 if it encrypts."""
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    return int(transport.get_extra_info("socket").fileno())


def unread(descriptor: int) -> int:
    """Return how many bytes have arrived that nobody has read yet; 0 if that is not known."""
    if descriptor < 0:
        return 0
    found = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(_COUNT.size))
    return int(_COUNT.unpack(found)[0])


def write_now(descriptor: int, parts: list[Buffer]) -> list[Buffer]:
    """Send what the system takes at once; return the rest, which the transport must write.

    Only for a transport in which nothing waits.
    """
    if descriptor < 0 or len(parts) > _MOST_PARTS:
        return parts
    try:
        sent = os.writev(descriptor, parts)
    except OSError:  # full, or broken: the transport finds out
        return parts
    rest: list[Buffer] = []
    for part in parts:
        if sent < len(part):
            rest.append(memoryview(part)[sent:])
        sent = max(0, sent - len(part))
    return rest
