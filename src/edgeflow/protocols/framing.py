"""Messages on a stream of bytes: by line, by length, by COBS. Bytes in, messages out."""

import struct
from collections.abc import Iterator
from typing import Protocol

from edgeflow.errors import ProtocolError

__all__ = ["CobsFraming", "Framing", "LengthFraming", "LineFraming", "cobs_decode", "cobs_encode"]


class Framing(Protocol):
    """Finds messages in what was received, however it was cut.

    Attributes:
        discarded: bytes that belonged to no valid message, or to one that was too large.
    """

    discarded: int

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that ``data`` completes.

        Raises:
            ProtocolError: the stream cannot be understood any more.
        """
        ...

    def encode(self, message: bytes) -> bytes:
        """Return ``message`` as it goes onto the stream."""
        ...


class _Delimited:
    """Messages that end with a byte which occurs nowhere else."""

    delimiter: bytes

    def __init__(self, max_bytes: int) -> None:
        self.discarded = 0
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        messages = []
        for chunk in self._chunks(data):
            if (message := self._message(chunk)) is not None:
                messages.append(message)
        return messages

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        """Yield what lies between delimiters; what is too large is skipped up to the next one."""
        *ended, rest = data.split(self.delimiter)
        for part in ended:
            whole = bytes(self._kept) + part
            self._kept.clear()
            if self._skipping or len(whole) > self._max_bytes:
                self.discarded += len(whole)
            else:
                yield whole
            self._skipping = False
        if self._skipping or len(self._kept) + len(rest) > self._max_bytes:
            self.discarded += len(self._kept) + len(rest)
            self._kept.clear()
            self._skipping = True
        else:
            self._kept += rest

    def _message(self, chunk: bytes) -> bytes | None:
        raise NotImplementedError


class LineFraming(_Delimited):
    r"""Lines that end with ``\n`` or ``\r\n``; empty ones are left out.

    Args:
        max_bytes: largest line.
    """

    delimiter = b"\n"

    def _message(self, chunk: bytes) -> bytes | None:
        return chunk.removesuffix(b"\r") or None

    def encode(self, message: bytes) -> bytes:
        r"""Return the line.

        Raises:
            ProtocolError: it holds a line end.
        """
        if b"\n" in message:
            raise ProtocolError("a line cannot hold a line end")
        return message + b"\n"


class CobsFraming(_Delimited):
    """COBS-encoded messages that end with a zero byte; invalid ones are discarded.

    Args:
        max_bytes: largest message, as it is encoded.
    """

    delimiter = b"\0"

    def _message(self, chunk: bytes) -> bytes | None:
        if not chunk:
            return None
        try:
            return cobs_decode(chunk)
        except ProtocolError:
            self.discarded += len(chunk)
            return None

    def encode(self, message: bytes) -> bytes:
        """Return the encoded message and its end."""
        return cobs_encode(message) + b"\0"


class LengthFraming:
    """Messages behind their length, an unsigned number.

    Args:
        max_bytes: largest message.
        size: bytes of the length: 1, 2 or 4.
        big_endian: order of these bytes.
    """

    _LETTERS = {1: "B", 2: "H", 4: "I"}

    def __init__(self, max_bytes: int, *, size: int = 2, big_endian: bool = True) -> None:
        self.discarded = 0
        self._max_bytes = max_bytes
        self._head = struct.Struct((">" if big_endian else "<") + self._LETTERS[size])
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that ``data`` completes.

        Raises:
            ProtocolError: a length is larger than ``max_bytes``: where messages begin is lost.
        """
        self._kept += data
        messages, at, head = [], 0, self._head.size
        while len(self._kept) - at >= head:
            (length,) = self._head.unpack_from(self._kept, at)
            if length > self._max_bytes:
                self.discarded += len(self._kept) - at
                self._kept.clear()
                raise ProtocolError(
                    f"a message of {length} bytes is announced, at most {self._max_bytes} are taken"
                )
            if len(self._kept) - at - head < length:
                break
            messages.append(bytes(self._kept[at + head : at + head + length]))
            at += head + length
        del self._kept[:at]
        return messages

    def encode(self, message: bytes) -> bytes:
        """Return the message behind its length.

        Raises:
            ProtocolError: it is too large.
        """
        if len(message) > min(self._max_bytes, 256**self._head.size - 1):
            raise ProtocolError(f"a message of {len(message)} bytes is too large")
        return self._head.pack(len(message)) + message


def cobs_encode(data: bytes) -> bytes:
    """Return ``data`` without zero bytes: blocks of up to 254 bytes, each behind its length."""
    encoded = bytearray()
    for part in data.split(b"\0"):
        for start in range(0, len(part) - 253, 254):
            encoded += b"\xff" + part[start : start + 254]
        rest = part[len(part) // 254 * 254 :]
        encoded.append(len(rest) + 1)
        encoded += rest
    return bytes(encoded)


def cobs_decode(data: bytes) -> bytes:
    """Undo ``cobs_encode``; the shorter form without a last empty block is taken too.

    Raises:
        ProtocolError: a block reaches beyond the end, or there is a zero byte.
    """
    if b"\0" in data:
        raise ProtocolError("a COBS message holds no zero byte")
    decoded, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if len(block) != code - 1:
            raise ProtocolError("a COBS block reaches beyond its message")
        decoded += block
        at += code
        if code < 255 and at < len(data):
            decoded.append(0)
    return bytes(decoded)
