"""Messages on the control socket: a big-endian uint32 length, then so many bytes.

A request is ``{"call": name, "args": {...}}`` in JSON; the answer ``{"result": ...}`` or
``{"error": {...}}``. After ``tap`` the server sends frames in their wire form, and empty messages
while there are none.
"""

import socket
import struct
from pathlib import Path
from typing import Any

import msgspec

from edgeflow.config import settings
from edgeflow.errors import CommsError

__all__ = ["RunningApp", "control_folder", "read_message", "send_message"]

_LENGTH = struct.Struct("!I")


class RunningApp(msgspec.Struct):
    """An app that runs on this host.

    Attributes:
        name: what it is asked for by: the app, with ``--node`` also the node (``app.node``).
        app: the app alone.
    """

    name: str
    pid: int
    mode: str
    started: float
    app: str = ""


def control_folder() -> Path:
    """Return the folder of the control sockets."""
    return settings.RUN_DIR / "control"


def send_message(peer: socket.socket, *parts: Any) -> None:
    """Send one message made of ``parts``."""
    peer.sendall(_LENGTH.pack(sum(len(part) for part in parts)))
    for part in parts:
        if len(part):
            peer.sendall(part)


def read_message(peer: socket.socket, limit: int) -> bytearray | None:
    """Return the next message, or None at the end of the stream.

    Raises:
        CommsError: more than ``limit`` bytes were announced.
    """
    header = _read_exactly(peer, _LENGTH.size)
    if header is None:
        return None
    length = _LENGTH.unpack(header)[0]
    if length > limit:
        raise CommsError(f"message of {length} bytes announced; the limit is {limit}")
    return _read_exactly(peer, length)


def _read_exactly(peer: socket.socket, count: int) -> bytearray | None:
    buffer = bytearray(count)
    view, done = memoryview(buffer), 0
    while done < count:
        got = peer.recv_into(view[done:])
        if not got:
            return None
        done += got
    return buffer
