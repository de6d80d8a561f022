"""One HTTP request and its answer, on ASGI."""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    FrameTooLargeError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
)
from edgeflow.inference.servers.http_connection import RECEIVE_INTO, ReceiveInto
from edgeflow.protocols.memory import aligned_memory
from edgeflow.protocols.oip import Buffer

__all__ = ["ClientGoneError", "Exchange", "HttpError", "Limits", "Memory", "status_of"]

Message: TypeAlias = dict[str, Any]

_PIECE = 1 << 20
_UNZIPPED_INLINE = 1 << 16
_AUTOMATIC = 47
"""zlib's word for: gzip or zlib, whichever the data begin with."""

_STATUSES: tuple[tuple[type[EdgeFlowError], int], ...] = (
    (ProtocolError, 400),
    (TensorError, 400),
    (UnknownModelError, 404),
    (FrameTooLargeError, 413),
    (OverloadedError, 503),
    (CancelledError, 503),
    (DeadlineError, 504),
)


class HttpError(EdgeFlowError):
    """A request that HTTP has a status of its own for."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=f"EF-HTTP-{status}")
        self.status = status


class ClientGoneError(EdgeFlowError):
    """Nobody is there to be answered."""


def status_of(error: EdgeFlowError) -> int:
    """Return the HTTP status that tells an error best."""
    if isinstance(error, HttpError):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an HTTP server.

    Attributes:
        body: bytes of one body, also after it is unpacked.
        memory: bytes of all bodies that are held at once.
        body_seconds: until a body has come.
        answer_seconds: until a request is answered, whatever its own timeout says.
    """

    body: int
    memory: int
    body_seconds: float = 30.0
    answer_seconds: float = 300.0


@dataclass(slots=True)
class Memory:
    """Counts what bodies hold. One event loop uses it."""

    limit: int
    used: int = 0

    def take(self, size: int) -> None:
        """Count bytes as held.

        Raises:
            OverloadedError: that would be too many.
        """
        if self.used + size > self.limit:
            raise OverloadedError(
                f"bodies under way hold {self.used} of {self.limit} bytes", hint="try again later"
            )
        self.used += size

    def give(self, size: int) -> None:
        """Count bytes as free again."""
        self.used -= size


@dataclass(slots=True)
class Exchange:
    """A request with its body, and the way back."""

    scope: Message
    receive: Any
    send: Any
    limits: Limits
    memory: Memory
    headers: dict[bytes, bytes] = field(init=False)
    held: int = 0
    answered: bool = False

    def __post_init__(self) -> None:
        self.headers = dict(self.scope["headers"])

    def header(self, name: bytes) -> str | None:
        """Return a header's value, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def release(self) -> None:
        """Let go of the body."""
        self.memory.give(self.held)
        self.held = 0

    async def body(self, offset: int = 0, limit: int | None = None) -> Buffer:
        """Return the body, unpacked.

        Args:
            offset: byte of it that is to lie at an aligned address.
            limit: bytes at most; the server's own limit if None.

        Raises:
            FrameTooLargeError: there are more.
            OverloadedError: the server holds too many bodies.
            HttpError: it is packed in a way that is not known, or did not come in time.
            ProtocolError: it cannot be unpacked.
            ClientGoneError: the client left before its end.
        """
        high = self.limits.body if limit is None else limit
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                packed = await self._received(offset, high)
        except TimeoutError:
            seconds = self.limits.body_seconds
            raise HttpError(408, f"the body did not come within {seconds:g} s") from None
        encoding = (self.header(b"content-encoding") or "identity").strip().lower()
        if encoding == "identity":
            return packed
        if encoding not in ("gzip", "deflate"):
            hint = "gzip and deflate are"
            raise HttpError(415, f"Content-Encoding {encoding[:40]!r} is not known", hint=hint)
        return await self._unpacked(packed, high)

    async def _received(self, offset: int, high: int) -> Buffer:
        announced = self.header(b"content-length")
        if announced is None:
            return await self._received_in_pieces(high)
        size = int(announced) if announced.isdecimal() else 0
        if size > high:
            raise FrameTooLargeError(f"a body of {size} bytes is larger than the {high} allowed")
        buffer = aligned_memory(size, offset)
        receive_into = self.scope.get("extensions", {}).pop(RECEIVE_INTO, None)
        if receive_into is not None:
            await self._received_in_place(buffer, receive_into)
            return buffer
        at = 0
        more = True
        while more:
            piece, more = await self._piece()
            buffer[at : at + len(piece)] = piece
            at += len(piece)
        return buffer[:at]

    async def _received_in_place(self, buffer: memoryview, receive_into: ReceiveInto) -> None:
        for start in range(0, len(buffer), _PIECE):
            space = buffer[start : start + _PIECE]
            self._hold(len(space))
            if not await receive_into(space):
                raise ClientGoneError("the client left while it was sending")

    async def _received_in_pieces(self, high: int) -> Buffer:
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            piece, more = await self._piece()
            size += len(piece)
            if size > high:
                raise FrameTooLargeError(f"the body is larger than the {high} bytes allowed")
            pieces.append(piece)
        return b"".join(pieces)

    async def _piece(self) -> tuple[bytes, bool]:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client left while it was sending")
        piece: bytes = message.get("body", b"")
        self._hold(len(piece))
        return piece, message.get("more_body", False)

    def _hold(self, size: int) -> None:
        self.memory.take(size)
        self.held += size

    async def _unpacked(self, packed: Buffer, high: int) -> Buffer:
        unpacker = zlib.decompressobj(_AUTOMATIC)
        pieces: list[bytes] = []
        size = 0
        for start in range(0, len(packed), _PIECE):
            rest: Buffer = packed[start : start + _PIECE]
            while len(rest) and not unpacker.eof:
                piece = await _piece_of(unpacker, rest)
                rest = unpacker.unconsumed_tail
                size += len(piece)
                if size > high:
                    raise FrameTooLargeError(f"the unpacked body is larger than the {high} allowed")
                self._hold(len(piece))
                pieces.append(piece)
            if unpacker.eof and (unpacker.unused_data or start + _PIECE < len(packed)):
                raise ProtocolError("body: bytes follow its packed data")
        if not unpacker.eof:
            raise ProtocolError("body: its packed data are cut off")
        return b"".join(pieces)

    async def answer(
        self,
        status: int,
        parts: Sequence[Buffer] = (b"",),
        content: bytes = b"application/json",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send the answer. ``parts`` are not copied."""
        self.answered = True
        size = sum(map(len, parts))
        head = [(b"content-type", content), (b"content-length", b"%d" % size), *headers]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        last = len(parts) - 1
        for number, part in enumerate(parts):
            more = number < last
            await self.send({"type": "http.response.body", "body": part, "more_body": more})

    async def answer_json(self, document: Any, status: int = 200) -> None:
        """Send a document."""
        await self.answer(status, [msgspec.json.encode(document)])

    async def answer_error(self, error: EdgeFlowError) -> None:
        """Send an error in the protocol's form."""
        status = status_of(error)
        headers = [(b"retry-after", b"1")] if status == 503 else []
        if status in (408, 413):  # the rest of the body is not going to be read
            headers.append((b"connection", b"close"))
        body = msgspec.json.encode({"error": str(error).encode(errors="replace").decode()})
        await self.answer(status, [body], headers=headers)


async def _piece_of(unpacker: Any, packed: Buffer) -> bytes:
    try:
        if len(packed) < _UNZIPPED_INLINE:
            piece: bytes = unpacker.decompress(packed, _PIECE)
        else:
            piece = await asyncio.to_thread(unpacker.decompress, packed, _PIECE)
    except zlib.error as error:
        raise ProtocolError(f"body: it cannot be unpacked: {error}") from None
    return piece
