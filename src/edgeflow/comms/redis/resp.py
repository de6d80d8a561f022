"""The protocol of Redis and Valkey (RESP 2): commands to buffers, bytes to replies. No sockets.

A reply is an int, bytes (a memoryview when it is large), None, a list of replies, or a
``ReplyError``.
"""

from collections.abc import Callable, Sequence
from typing import Any

from edgeflow.errors import CommsError, ConfigError, UnreachableError

__all__ = ["Buffer", "Part", "ReplyError", "ReplyReader", "checked", "pack", "text"]

Buffer = bytes | bytearray | memoryview
Part = str | int | bytes | tuple[Buffer, ...]

MAX_BULK = 1 << 30
"""Longest string of a reply; servers keep 512 MB unless told otherwise."""
MAX_ITEMS = 1 << 20
MAX_DEPTH = 16

_CHUNK = 64 * 1024
_DIRECT = 32 * 1024
_RETRYABLE = {
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
}
_REFUSED = {"NOAUTH", "NOPERM", "WRONGPASS"}


class ReplyError(CommsError):
    """The server refused a command.

    Attributes:
        kind: first word of its answer, such as ``NOGROUP``.
    """

    code = "EF-COMMS-010"

    def __init__(self, message: str) -> None:
        super().__init__(f"the server answers: {message}")
        self.kind = message.partition(" ")[0]


def checked(reply: Any) -> Any:
    """Return ``reply``, or raise what it means when the server refused.

    Raises:
        UnreachableError: the server cannot do it at the moment.
        ConfigError: it does not let us in.
        ReplyError: any other refusal.
    """
    if not isinstance(reply, ReplyError):
        return reply
    if reply.kind in _RETRYABLE:
        raise UnreachableError(reply.message)
    if reply.kind in _REFUSED:
        raise ConfigError(reply.message, hint="set REDIS_PASSWORD, or give password= or url=")
    raise reply


def text(value: Any) -> str:
    """Return a bulk string as text."""
    return str(value, "utf-8", "replace")


def pack(commands: Sequence[Sequence[Part]]) -> list[Buffer]:
    """Return the buffers that spell ``commands``; large parts are passed on, not copied.

    A tuple of buffers is one argument made of their concatenation.
    """
    out: list[Buffer] = []
    small = bytearray()
    for command in commands:
        small += b"*%d\r\n" % len(command)
        for part in command:
            if isinstance(part, tuple):
                small += b"$%d\r\n" % sum([len(piece) for piece in part])
                for piece in part:
                    if len(piece) < _DIRECT:
                        small += piece
                    else:
                        out += (small, piece)
                        small = bytearray()
                small += b"\r\n"
                continue
            data = part if isinstance(part, bytes) else str(part).encode()
            small += b"$%d\r\n%b\r\n" % (len(data), data)
    out.append(small)
    return out


class ReplyReader:
    """Takes replies from a stream of bytes.

    Args:
        receive: fills the memory it is given from its beginning and returns how many bytes it
            wrote, at least one; the flag asks it to fill all of it if it can. What it raises
            passes through.
    """

    def __init__(self, receive: Callable[[memoryview, bool], int]) -> None:
        self._receive = receive
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    @property
    def has_data(self) -> bool:
        """True when bytes of the next reply are here already."""
        return self._end > self._start

    def read(self, depth: int = 0) -> Any:
        """Return the next reply.

        Raises:
            ValueError: the bytes are no reply, or announce more than the limits of this module.
                The reader is of no more use.
        """
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        if kind not in (b":", b"$", b"*"):
            raise ValueError(f"it sent {line[:40]!r}")
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._bulk(number)
        if number > MAX_ITEMS or depth >= MAX_DEPTH:
            raise ValueError(f"it announced {number} items at level {depth + 1}")
        return [self.read(depth + 1) for _ in range(number)]

    def _line(self) -> bytes:
        while True:
            at = self._buffer.find(b"\r\n", self._start, self._end)
            if at >= 0:
                line = bytes(self._view[self._start : at])
                self._start = at + 2
                return line
            if self._end - self._start >= _CHUNK:
                raise ValueError(f"it sent a line without end: {bytes(self._view[:40])!r}")
            self._fill()

    def _bulk(self, size: int) -> Buffer:
        if size > MAX_BULK:
            raise ValueError(f"it announced {size} bytes; the limit is {MAX_BULK}")
        data: Buffer
        if size > _DIRECT:
            data = self._large(size)
        else:
            while self._end - self._start < size:
                self._fill()
            data = bytes(self._view[self._start : self._start + size])
            self._start += size
        while self._end - self._start < 2:
            self._fill()
        if self._buffer[self._start : self._start + 2] != b"\r\n":
            raise ValueError(f"{size} bytes were announced, and more came")
        self._start += 2
        return data

    def _large(self, size: int) -> memoryview:
        """Receive into fresh memory that is not cleared first."""
        import numpy as np

        target = np.empty(size, np.uint8).data
        have = min(self._end - self._start, size)
        target[:have] = self._view[self._start : self._start + have]
        self._start += have
        while have < size:
            have += self._receive(target[have:], True)
        return target

    def _fill(self) -> None:
        if self._start:
            rest = self._end - self._start
            self._view[:rest] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, rest
        self._end += self._receive(self._view[self._end :], False)
