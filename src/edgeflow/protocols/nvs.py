"""ESP-IDF's non-volatile storage (NVS) as it lies in a partition, read without writing.

Pages of 4096 bytes: a header, a bitmap of entry states, 126 entries of 32 bytes. A partition in
which a power cut left something half done reads as the firmware would read it: what has no right
checksum does not count, of two copies the later page's counts.

Source: ESP-IDF, API reference "Non-volatile Storage Library", section "Internals".
"""

import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum

from edgeflow.errors import ProtocolError

__all__ = ["MAX_BYTES", "PAGE_BYTES", "NvsContent", "NvsEntry", "NvsType", "decode_nvs"]

PAGE_BYTES = 4096
MAX_BYTES = 1024 * 1024
"""Of a partition; usual are 16 to 64 KiB."""

_ENTRY_BYTES = 32
_ENTRIES = 126
_FIRST = 64
_HEADER = struct.Struct("<IIB19xI")
_ENTRY = struct.Struct("<BBBBI16s8s")
_VARIABLE = struct.Struct("<HHI")
_INDEX = struct.Struct("<IBBH")
_EMPTY, _ACTIVE, _FULL, _FREEING = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8
_WRITTEN = 2
_NAMESPACES = 0
_MAX_KEY = 15


class NvsType(IntEnum):
    """Types of values; names are those of Espressif's generator, in capitals."""

    U8 = 0x01
    U16 = 0x02
    U32 = 0x04
    U64 = 0x08
    I8 = 0x11
    I16 = 0x12
    I32 = 0x14
    I64 = 0x18
    STRING = 0x21
    BLOB = 0x41


_BLOB_DATA, _BLOB_INDEX = 0x42, 0x48
_INTEGERS = {
    NvsType.U8: "<B",
    NvsType.U16: "<H",
    NvsType.U32: "<I",
    NvsType.U64: "<Q",
    NvsType.I8: "<b",
    NvsType.I16: "<h",
    NvsType.I32: "<i",
    NvsType.I64: "<q",
}
_VARIABLES = (NvsType.STRING, NvsType.BLOB, _BLOB_DATA)


@dataclass(frozen=True, slots=True)
class NvsEntry:
    """One value; it is not part of ``repr``, for it may be a password.

    Attributes:
        namespace, key: 1 to 15 ASCII characters each.
        value: int, str without its NUL, or bytes, as ``type`` says.
    """

    namespace: str
    key: str
    type: NvsType
    value: int | str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NvsContent:
    """What a partition holds.

    Attributes:
        entries: in the order in which they were written; no two have namespace, key and type alike.
        damaged: pages and entries that are no valid ones, and were left out.
    """

    entries: tuple[NvsEntry, ...]
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class _Raw:
    """An entry whose checksums are right. ``data`` is 8 bytes, or what follows the entry."""

    namespace: int
    type: int
    chunk: int
    key: str
    data: bytes


def decode_nvs(data: bytes) -> NvsContent:
    """Read a partition; an erased one holds nothing.

    Raises:
        ProtocolError: the length is none of a partition.
    """
    if not data or len(data) % PAGE_BYTES or len(data) > MAX_BYTES:
        raise ProtocolError(
            f"an NVS partition has 4096 to {MAX_BYTES} bytes in pages of 4096, not {len(data)}"
        )
    pages: list[tuple[int, bytes]] = []
    damaged = 0
    for start in range(0, len(data), PAGE_BYTES):
        page = data[start : start + PAGE_BYTES]
        state, sequence, _, checksum = _HEADER.unpack_from(page)
        if state == _EMPTY:
            continue
        if state not in (_ACTIVE, _FULL, _FREEING) or checksum != _crc(page[4:28]):
            damaged += 1
            continue
        pages.append((sequence, page))
    raws: list[_Raw] = []
    for _, page in sorted(pages, key=lambda each: each[0]):
        damaged += _read_page(page, raws)
    return _assemble(raws, damaged)


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)


def _read_page(page: bytes, raws: list[_Raw]) -> int:
    """Append the page's valid entries; return how many written ones are not."""
    damaged = at = 0
    while at < _ENTRIES:
        if page[32 + at // 4] >> 2 * (at % 4) & 3 != _WRITTEN:
            at += 1
            continue
        raw, span = _read_entry(page, at)
        if raw is None:
            damaged += 1
        else:
            raws.append(raw)
        at += span
    return damaged


def _read_entry(page: bytes, at: int) -> tuple[_Raw | None, int]:
    """Return an entry, None if it is none, and how many places it takes."""
    start = _FIRST + at * _ENTRY_BYTES
    head = page[start : start + _ENTRY_BYTES]
    namespace, kind, span, chunk, checksum, name, data = _ENTRY.unpack(head)
    if checksum != _crc(head[:4] + head[8:]) or not 1 <= span <= _ENTRIES - at:
        return None, 1
    key = _key(name)
    if kind in _VARIABLES:
        size, _, data_checksum = _VARIABLE.unpack(data)
        body = page[start + _ENTRY_BYTES : start + span * _ENTRY_BYTES]
        data = body[:size]
        if len(data) != size or data_checksum != _crc(data):
            return None, span
    elif span != 1:
        return None, 1
    return (None if key is None else _Raw(namespace, kind, chunk, key, data)), span


def _key(raw: bytes) -> str | None:
    name = raw.split(b"\0", 1)[0]
    if not 1 <= len(name) <= _MAX_KEY or not all(0x20 <= each < 0x7F for each in name):
        return None
    return name.decode("ascii")


def _assemble(raws: list[_Raw], damaged: int) -> NvsContent:
    names: dict[int, str] = {}
    chunks: dict[tuple[int, str, int], bytes] = {}
    for raw in raws:
        if raw.namespace == _NAMESPACES and raw.type == NvsType.U8:
            names[raw.data[0]] = raw.key
        elif raw.type == _BLOB_DATA:
            chunks[raw.namespace, raw.key, raw.chunk] = raw.data
    found: dict[tuple[str, str, NvsType], NvsEntry] = {}
    for raw in raws:
        if raw.namespace == _NAMESPACES or raw.type == _BLOB_DATA:
            continue
        value = _value(raw, chunks)
        namespace = names.get(raw.namespace)
        if value is None or namespace is None:
            damaged += 1
            continue
        kind = NvsType.BLOB if raw.type == _BLOB_INDEX else NvsType(raw.type)
        found[namespace, raw.key, kind] = NvsEntry(namespace, raw.key, kind, value)
    return NvsContent(tuple(found.values()), damaged)


def _value(raw: _Raw, chunks: dict[tuple[int, str, int], bytes]) -> int | str | bytes | None:
    """Return the value, or None where it is none that the firmware would give."""
    if raw.type == _BLOB_INDEX:
        return _blob(raw, chunks)
    if raw.type == NvsType.BLOB:
        return raw.data
    if raw.type == NvsType.STRING:
        text, end, rest = raw.data.partition(b"\0")
        try:
            return text.decode() if end and not rest else None
        except UnicodeDecodeError:
            return None
    try:
        form = _INTEGERS[NvsType(raw.type)]
    except ValueError:
        return None
    return int(struct.unpack_from(form, raw.data)[0])


def _blob(raw: _Raw, chunks: dict[tuple[int, str, int], bytes]) -> bytes | None:
    size, count, first, _ = _INDEX.unpack(raw.data)
    parts = [chunks.get((raw.namespace, raw.key, first + each)) for each in range(count)]
    if any(part is None for part in parts):
        return None
    blob = b"".join(part for part in parts if part is not None)
    return blob if len(blob) == size else None
