"""The partition table of an ESP32's flash: binary form, with its MD5 row, and ESP-IDF's CSV form.

Source: ESP-IDF, API guide "Partition Tables".
"""

import hashlib
import struct
from collections.abc import Iterable
from typing import NamedTuple

from edgeflow.errors import ConfigError, ProtocolError

__all__ = [
    "SUBTYPES",
    "TABLE_BYTES",
    "TABLE_OFFSET",
    "TYPES",
    "Partition",
    "decode_table",
    "encode_table",
    "find_partition",
    "read_csv",
]

TABLE_OFFSET = 0x8000
"""Where the table lies in flash."""
TABLE_BYTES = 0xC00
"""Bytes of a table, unused rows included."""
MAX_CSV_BYTES = 64 * 1024

TYPES = {"app": 0, "data": 1}
SUBTYPES = {
    "app": {"factory": 0x00, "test": 0x20, **{f"ota_{i}": 0x10 + i for i in range(16)}},
    "data": {
        "ota": 0x00,
        "phy": 0x01,
        "nvs": 0x02,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": 0x06,
        "fat": 0x81,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
}
"""Names of subtypes by type, as the CSV form writes them."""

_ROW = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_MD5_MAGIC = b"\xeb\xeb" + 14 * b"\xff"
_EMPTY = 32 * b"\xff"
_MAX_ROWS = TABLE_BYTES // _ROW.size - 1
_FLAGS = {"encrypted": 1, "readonly": 2}
_FACTORS = {"K": 1024, "M": 1024 * 1024}
_APP_ALIGN, _DATA_ALIGN = 0x10000, 0x1000
_FIRST_OFFSET = TABLE_OFFSET + 0x1000


class Partition(NamedTuple):
    """One row of a table.

    Attributes:
        type: 0 app, 1 data, 0x40 to 0xFE free for applications.
        offset, size: bytes; the end stays below 4 GiB.
        flags: bit 0 encrypted, bit 1 read-only.
    """

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size


def encode_table(partitions: Iterable[Partition]) -> bytes:
    """Return the ``TABLE_BYTES`` bytes that belong at ``TABLE_OFFSET``.

    Raises:
        ConfigError: too many rows, or a row whose values do not fit.
    """
    rows = list(partitions)
    if len(rows) > _MAX_ROWS:
        raise ConfigError(f"a partition table holds {_MAX_ROWS} partitions, not {len(rows)}")
    body = b"".join(_encode_row(row) for row in rows)
    table = body + _MD5_MAGIC + hashlib.md5(body, usedforsecurity=False).digest()
    return table.ljust(TABLE_BYTES, b"\xff")


def decode_table(data: bytes) -> tuple[Partition, ...]:
    """Read a binary table; what follows its MD5 row or first empty row is ignored.

    Raises:
        ProtocolError: no table, a row that is none, or a wrong MD5.
    """
    rows: list[Partition] = []
    view = bytes(data[:TABLE_BYTES])
    for start in range(0, len(view) - _ROW.size + 1, _ROW.size):
        raw = view[start : start + _ROW.size]
        if raw == _EMPTY:
            break
        if raw[:16] == _MD5_MAGIC:
            if raw[16:] != hashlib.md5(view[:start], usedforsecurity=False).digest():
                raise ProtocolError(f"the partition table's MD5 at {start:#x} is wrong")
            break
        rows.append(_decode_row(raw, start))
    if not rows:
        raise ProtocolError(
            "there is no partition table", hint="flash the firmware first: edgeflow flash firmware"
        )
    return tuple(rows)


def find_partition(partitions: Iterable[Partition], label: str) -> Partition:
    """Return the partition of that label.

    Raises:
        ConfigError: there is none.
    """
    rows = tuple(partitions)
    for row in rows:
        if row.label == label:
            return row
    names = ", ".join(row.label for row in rows) or "none"
    raise ConfigError(
        f"the board has no partition {label!r}; it has: {names}",
        hint="flash firmware whose partition table has it: edgeflow flash firmware",
    )


def read_csv(text: str) -> tuple[Partition, ...]:
    """Read ESP-IDF's CSV form: ``name, type, subtype, offset, size, flags`` by line.

    Empty offsets follow the row before, aligned to 64 KiB for apps and 4 KiB for data.

    Raises:
        ConfigError: with the number of the line that is wrong.
    """
    if len(text) > MAX_CSV_BYTES:
        raise ConfigError(f"a partition table in CSV has at most {MAX_CSV_BYTES} bytes")
    rows: list[Partition] = []
    free = _FIRST_OFFSET
    for number, line in enumerate(text.splitlines(), 1):
        fields = [field.strip() for field in line.split("#", 1)[0].split(",")]
        if fields == [""]:
            continue
        try:
            row = _read_line(fields, free)
        except ValueError as error:
            raise ConfigError(f"partition table, line {number}: {error}") from None
        rows.append(row)
        free = row.end
    _refuse_doubles(rows)
    return tuple(rows)


def _encode_row(row: Partition) -> bytes:
    label = row.label.encode()
    if len(label) > 16:
        raise ConfigError(f"the label {row.label!r} is longer than 16 bytes")
    try:
        return _ROW.pack(_MAGIC, row.type, row.subtype, row.offset, row.size, label, row.flags)
    except struct.error as error:
        raise ConfigError(f"partition {row.label!r}: {error}") from None


def _decode_row(raw: bytes, start: int) -> Partition:
    magic, kind, subtype, offset, size, label, flags = _ROW.unpack(raw)
    if magic != _MAGIC:
        raise ProtocolError(f"the partition table's row at {start:#x} has no magic")
    if offset + size > 1 << 32:
        raise ProtocolError(f"the partition at {start:#x} of the table ends beyond 4 GiB")
    name = label.split(b"\0", 1)[0].decode("utf-8", "replace")
    return Partition(name, kind, subtype, offset, size, flags)


def _read_line(fields: list[str], free: int) -> Partition:
    if not 5 <= len(fields) <= 6:
        raise ValueError(f"5 or 6 fields are needed, not {len(fields)}")
    label, kind_name, subtype_name, offset_text, size_text, *rest = fields
    if not label or len(label.encode()) > 16:
        raise ValueError(f"the name {label!r} has to have 1 to 16 bytes")
    kind = _number(kind_name, TYPES, 0xFE)
    subtype = _number(subtype_name, SUBTYPES.get(kind_name, {}), 0xFE)
    align = _APP_ALIGN if kind == 0 else _DATA_ALIGN
    offset = _size(offset_text) if offset_text else -(-free // align) * align
    size = _size(size_text)
    if offset % align:
        raise ValueError(f"offset {offset:#x} is no multiple of {align:#x}")
    if offset < free:
        raise ValueError(f"offset {offset:#x} lies before {free:#x}, where the row before ends")
    if not size or offset + size > 1 << 32:
        raise ValueError(f"size {size_text!r} does not fit")
    flags = sum({_FLAGS[word] for word in _words(rest)})
    return Partition(label, kind, subtype, offset, size, flags)


def _words(rest: list[str]) -> list[str]:
    words = [word.strip() for word in "".join(rest).split(":") if word.strip()]
    for word in words:
        if word not in _FLAGS:
            raise ValueError(f"there is no flag {word!r}")
    return words


def _number(text: str, names: dict[str, int], most: int) -> int:
    value = names.get(text)
    if value is None:
        try:
            value = int(text, 0)
        except ValueError:
            raise ValueError(f"{text!r} is neither a number nor one of {sorted(names)}") from None
    if not 0 <= value <= most:
        raise ValueError(f"{text} is not within 0 to {most:#x}")
    return value


def _size(text: str) -> int:
    factor = _FACTORS.get(text[-1:].upper(), 1)
    digits = text if factor == 1 else text[:-1]
    if len(digits) > 12:
        raise ValueError(f"{text[:16]!r}... is too long for a size")
    try:
        value = int(digits, 0) * factor
    except ValueError:
        raise ValueError(f"{text!r} is no size, such as 0x10000, 24K or 2M") from None
    if value < 0:
        raise ValueError(f"{text!r} is below 0")
    return value


def _refuse_doubles(rows: list[Partition]) -> None:
    labels = [row.label for row in rows]
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(f"partition table: {label!r} appears twice")
