"""CDR, the form of DDS messages on the wire: plain CDR of XTypes version 1, and final types of 2.

Source: OMG DDSI-RTPS 2.5, 10.2, and DDS-XTypes 1.3, 7.4.
"""

import struct
from typing import Any, Literal

import numpy as np

from edgeflow.errors import PayloadError, ProtocolError

__all__ = ["HEADER_BYTES", "KINDS", "MAX_BYTES", "CdrReader", "CdrWriter"]

MAX_BYTES = 64 << 20
"""Longest message that is read or written."""

MAX_OBJECTS = 100_000
"""Strings and structures in the sequences of one message; numbers do not count."""

HEADER_BYTES = 4

KINDS = {
    "bool": "?",
    "byte": "B",
    "char": "B",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""Letters of ``struct``, and of numpy's dtypes, by the names that ROS gives to numbers."""

SIZES = {kind: struct.calcsize("=" + letter) for kind, letter in KINDS.items()}

Order = Literal["<", ">"]

_FORMS: dict[int, tuple[Order, int]] = {
    0x0000: (">", 8),
    0x0001: ("<", 8),
    0x0006: (">", 4),
    0x0007: ("<", 4),
}
"""Byte order and largest alignment by the identifier in the header."""


class CdrReader:
    """Takes one message apart, from its beginning to its end.

    Args:
        data: header of 4 bytes and body.

    Raises:
        ProtocolError: there is no header, its form is not known, or the message is too long. So
            do all methods where the message ends too soon.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) > MAX_BYTES:
            raise ProtocolError(f"a CDR message of {len(data)} bytes; at most {MAX_BYTES} are read")
        if len(data) < HEADER_BYTES:
            raise ProtocolError(f"{len(data)} bytes are no CDR message: it begins with 4 of header")
        form = int.from_bytes(data[:2], "big")
        if form not in _FORMS:
            raise ProtocolError(
                f"CDR of form 0x{form:04x} is not read",
                hint="final types in plain CDR are",
            )
        self._order, self._largest = _FORMS[form]
        self._body = memoryview(data)[HEADER_BYTES:]
        self._at = 0
        self._objects = 0

    def number(self, kind: str) -> Any:
        """Return one number, or a bool."""
        size = SIZES[kind]
        raw = self._take(size, size)
        return struct.unpack(self._order + KINDS[kind], raw)[0]

    def numbers(self, kind: str, count: int) -> Any:
        """Return ``count`` numbers: a read-only array; on this machine's byte order it is a view
        of the message.
        """
        size = SIZES[kind]
        if not count:
            return np.empty(0, KINDS[kind])
        raw = self._take(size, size * count)
        if kind == "bool":
            return np.frombuffer(raw, np.uint8) != 0
        found = np.frombuffer(raw, np.dtype(KINDS[kind]).newbyteorder(self._order))
        return found if found.dtype.isnative else found.astype(KINDS[kind])

    def octets(self, count: int) -> memoryview:
        """Return ``count`` bytes: a view of the message."""
        return self._take(1, count)

    def text(self) -> str:
        """Return a string; what is no UTF-8 is replaced."""
        raw = self._take(1, self.number("uint32"))
        return str(raw[:-1] if len(raw) and raw[-1] == 0 else raw, "utf-8", "replace")

    def count(self, least: int) -> int:
        """Return the length of a sequence whose elements take ``least`` bytes or more."""
        found: int = self.number("uint32")
        if found * least > self.left:
            raise ProtocolError(
                f"offset {self.offset}: {found} elements in the {self.left} bytes that are left"
            )
        return found

    def objects(self, count: int) -> int:
        """Return ``count``, if there may be so many more strings or structures."""
        self._objects += count
        if self._objects > MAX_OBJECTS:
            raise ProtocolError(f"more than {MAX_OBJECTS} strings and structures in one message")
        return count

    def finish(self) -> None:
        """Check that nothing but padding is left."""
        if self.left > 3:
            raise ProtocolError(f"offset {self.offset}: {self.left} bytes behind the message's end")

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self._body) - self._at

    @property
    def offset(self) -> int:
        """Where the next byte stands in the message."""
        return self._at + HEADER_BYTES

    def _take(self, alignment: int, size: int) -> memoryview:
        start = self._at + -self._at % min(alignment, self._largest)
        if start + size > len(self._body):
            raise ProtocolError(
                f"offset {self.offset}: the CDR message ends {start + size - len(self._body)} "
                "bytes too soon"
            )
        self._at = start + size
        return self._body[start : self._at]


class CdrWriter:
    """Puts one message together: little-endian plain CDR of version 1, which all of ROS 2 reads.

    Raises:
        PayloadError: a value does not fit what it is written as, or the message becomes too long;
            so do all methods.
    """

    def __init__(self) -> None:
        self._data = bytearray(b"\x00\x01\x00\x00")

    def number(self, kind: str, value: Any) -> None:
        """Write one number, or a bool."""
        self._align(SIZES[kind])
        try:
            self._data += struct.pack("<" + KINDS[kind], value)
        except (struct.error, OverflowError, TypeError) as error:
            raise PayloadError(f"{value!r} is no {kind}: {error}") from None

    def numbers(self, kind: str, values: Any) -> None:
        """Write numbers, without their count; ``values`` is a sequence, an array, or bytes."""
        array = _exact(kind, values)
        if array.size:
            self._align(SIZES[kind])
            self._append(array.astype(np.dtype(KINDS[kind]).newbyteorder("<"), copy=False).data)

    def text(self, value: str) -> None:
        """Write a string."""
        if not isinstance(value, str) or "\0" in value:
            raise PayloadError(f"{value!r} is no text, or holds a NUL")
        raw = value.encode("utf-8", "replace")
        self.number("uint32", len(raw) + 1)
        self._append(raw + b"\0")

    def getvalue(self) -> bytes:
        """Return the message."""
        return bytes(self._data)

    def _align(self, alignment: int) -> None:
        self._data += bytes(-(len(self._data) - HEADER_BYTES) % alignment)

    def _append(self, raw: Any) -> None:
        self._data += raw
        if len(self._data) > MAX_BYTES:
            raise PayloadError(f"a message of more than {MAX_BYTES} bytes")


def _exact(kind: str, values: Any) -> Any:
    """Return ``values`` as a flat array of the kind's dtype; nothing is cut off or wrapped."""
    if isinstance(values, bytes | bytearray | memoryview):
        values = np.frombuffer(values, np.uint8)
    try:
        given = np.asarray(values).reshape(-1)
        with np.errstate(all="ignore"):
            array = np.ascontiguousarray(given, KINDS[kind])
    except (ValueError, TypeError, OverflowError) as error:
        raise PayloadError(f"no numbers of the kind {kind}: {error}") from None
    numeric = "biuf" if array.dtype.kind == "f" else "biu"
    if given.size and (given.dtype.kind not in numeric or not _kept(array, given)):
        raise PayloadError(f"{given.dtype} numbers that are no {kind}")
    return array


def _kept(array: Any, given: Any) -> bool:
    return array.dtype.kind == "f" or array.dtype == given.dtype or np.array_equal(array, given)
