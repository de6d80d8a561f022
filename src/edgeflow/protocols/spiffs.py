"""SPIFFS file systems as ESP-IDF configures them: write an image, read one.

Pages of 256 bytes in blocks of 4096, ids of 16 bits, names up to 31 characters, magic with length.

Source: pellepl/spiffs, docs/TECH_SPEC; ESP-IDF, spiffsgen.py (the images are the same, byte for
byte).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgeflow.errors import ConfigError, ProtocolError

__all__ = ["BLOCK", "MAX_BYTES", "MAX_NAME", "PAGE", "pack", "unpack"]

PAGE = 256
BLOCK = 4096
MAX_BYTES = 16 * 1024 * 1024
"""Largest image: page numbers have 16 bits."""
MAX_NAME = 31
"""Bytes of a name, the leading ``/`` included."""

_PAGES = BLOCK // PAGE
_HEADER = struct.Struct("<HHB")
_INDEX_HEADER = struct.Struct("<HHB3xIB32s4s")
_TABLE_FIRST, _TABLE_LATER = 49, 8
_FIRST_ENTRIES = (PAGE - _TABLE_FIRST) // 2
_LATER_ENTRIES = (PAGE - _TABLE_LATER) // 2
_PAYLOAD = PAGE - _HEADER.size
_INDEX = 0x8000
_FREE, _DELETED = 0xFFFF, 0x0000
_INDEX_FLAGS, _DATA_FLAGS = 0xF8, 0xFC
_FLAG_UNUSED, _FLAG_UNFINISHED, _FLAG_NOT_INDEX, _FLAG_DELETED = 0x01, 0x02, 0x04, 0x80
_SIZE_UNKNOWN = 0xFFFFFFFF
_MAGIC = 0x20140529
_TYPE_FILE = 1


def pack(files: Mapping[str, bytes], size: int) -> bytes:
    """Return an image of exactly ``size`` bytes that holds ``files``, in their order.

    Args:
        files: contents by name; a leading ``/`` is added where it is missing.
        size: of the partition, a multiple of ``BLOCK``.

    Raises:
        ConfigError: a name or the size is impossible, or the files do not fit.
    """
    if size <= 0 or size % BLOCK or size > MAX_BYTES:
        raise ConfigError(
            f"a SPIFFS image of {size} bytes is impossible",
            hint=f"a multiple of {BLOCK}, at most {MAX_BYTES}",
        )
    writer = _Writer(size // BLOCK)
    names: set[str] = set()
    for number, (name, content) in enumerate(files.items(), 1):
        path = name if name.startswith("/") else "/" + name
        if path in names:
            raise ConfigError(f"{path!r} is named twice")
        names.add(path)
        writer.add(number, _encode_name(path), content)
    return bytes(writer.image)


def unpack(image: bytes, *, max_file: int = MAX_BYTES) -> dict[str, bytes]:
    """Return the files of an image by name, without the leading ``/``.

    Pages that were deleted or not finished are passed over, so is a file whose length was never
    written. SPIFFS has no checksums: contents that were flipped are not noticed here.

    Raises:
        ProtocolError: no SPIFFS of this geometry, or a file of which pages are missing, or one
            longer than ``max_file`` bytes.
    """
    size = len(image)
    if not size or size % BLOCK or size > MAX_BYTES:
        raise ProtocolError(f"{size} bytes are no SPIFFS image: no multiple of {BLOCK}")
    blocks = size // BLOCK
    missing = sum(_stored_magic(image, block) != _magic(blocks, block) for block in range(blocks))
    if missing > 1 or missing == blocks:
        raise ProtocolError(
            f"no SPIFFS of {size} bytes: {missing} of {blocks} blocks lack the magic"
        )
    files = {}
    budget = size
    for name, content in _read_files(image, max_file):
        budget -= len(content)
        if budget < 0:
            raise ProtocolError("the files are longer than the image that holds them")
        files[name.removeprefix("/")] = content
    return files


@dataclass(slots=True)
class _Writer:
    """Fills pages one after the other, across blocks."""

    blocks: int
    image: bytearray = field(init=False)
    _next: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Start with empty blocks, each with its magic."""
        self.image = bytearray(b"\xff" * (self.blocks * BLOCK))
        for block in range(self.blocks):
            struct.pack_into("<H", self.image, _magic_place(block), _magic(self.blocks, block))

    def add(self, number: int, name: bytes, content: bytes) -> None:
        """Write one file: index pages, each followed by the data pages that it lists."""
        if number >= _INDEX - 1:
            raise ConfigError(f"a SPIFFS image cannot hold {number} files")
        chunks = [content[i : i + _PAYLOAD] for i in range(0, len(content), _PAYLOAD)]
        span, first = 0, 0
        while span == 0 or first < len(chunks):
            capacity = _LATER_ENTRIES if span else _FIRST_ENTRIES
            part = chunks[first : first + capacity]
            index = self._take(number | _INDEX)
            self._put_index_header(index, number, span, name, len(content))
            table = index * PAGE + (_TABLE_LATER if span else _TABLE_FIRST)
            for position, chunk in enumerate(part):
                page = self._take(number)
                struct.pack_into("<H", self.image, table + 2 * position, page)
                self._put_data(page, number, first + position, chunk)
            first += len(part)
            span += 1

    def _take(self, entry: int) -> int:
        """Claim the next page and note its owner in the block's lookup page."""
        block, inside = divmod(self._next, _PAGES - 1)
        if block >= self.blocks:
            raise ConfigError(
                f"the files do not fit into {self.blocks * BLOCK} bytes of SPIFFS",
                hint="a smaller model, or a larger partition",
            )
        self._next += 1
        struct.pack_into("<H", self.image, block * BLOCK + 2 * inside, entry)
        return block * _PAGES + 1 + inside

    def _put_index_header(self, page: int, number: int, span: int, name: bytes, size: int) -> None:
        values = (number | _INDEX, span, _INDEX_FLAGS)
        if span:
            _HEADER.pack_into(self.image, page * PAGE, *values)
            return
        packed = bytearray(_INDEX_HEADER.pack(*values, size, _TYPE_FILE, name, bytes(4)))
        packed[_HEADER.size : _TABLE_LATER] = b"\xff\xff\xff"
        self.image[page * PAGE : page * PAGE + len(packed)] = packed

    def _put_data(self, page: int, number: int, span: int, chunk: bytes) -> None:
        start = page * PAGE
        _HEADER.pack_into(self.image, start, number, span, _DATA_FLAGS)
        self.image[start + _HEADER.size : start + _HEADER.size + len(chunk)] = chunk


@dataclass(slots=True)
class _Found:
    """What the pages of one object id say."""

    header: tuple[str, int] | None = None
    data: dict[int, int] = field(default_factory=dict)


def _read_files(image: bytes, max_file: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content; every page of the image is looked at once, whatever tables claim."""
    for found in _collect(image).values():
        if found.header is None:
            continue
        name, length = found.header
        if length > max_file:
            raise ProtocolError(f"{name}: {length} bytes, at most {max_file} are taken")
        yield name, _content(image, name, length, found.data)


def _content(image: bytes, name: str, length: int, data: Mapping[int, int]) -> bytes:
    spans = -(-length // _PAYLOAD)
    if spans > len(data):
        raise ProtocolError(f"{name}: {spans} pages are needed, {len(data)} are there")
    parts = []
    for span in range(spans):
        page = data.get(span)
        if page is None:
            raise ProtocolError(f"{name}: page {span} of {spans} is missing")
        start = page * PAGE + _HEADER.size
        parts.append(image[start : start + _PAYLOAD])
    return b"".join(parts)[:length]


def _collect(image: bytes) -> dict[int, _Found]:
    objects: dict[int, _Found] = {}
    for page in _used_pages(image):
        number, span, flags = _HEADER.unpack_from(image, page * PAGE)
        if not _is_alive(flags):
            continue
        found = objects.setdefault(number & ~_INDEX, _Found())
        if number & _INDEX:
            if span == 0 and not flags & _FLAG_NOT_INDEX:
                found.header = _read_header(image, page) or found.header
        else:
            found.data[span] = page
    return objects


def _used_pages(image: bytes) -> Iterator[int]:
    """Yield the pages that the lookups call used and whose own header agrees."""
    for block in range(len(image) // BLOCK):
        entries = struct.unpack_from(f"<{_PAGES - 1}H", image, block * BLOCK)
        for inside, entry in enumerate(entries):
            page = block * _PAGES + 1 + inside
            owner = int.from_bytes(image[page * PAGE : page * PAGE + 2], "little")
            if entry not in (_FREE, _DELETED) and entry == owner:
                yield page


def _is_alive(flags: int) -> bool:
    """Flags are cleared as a page goes through its life: used, final, index; then deleted."""
    return not flags & (_FLAG_UNUSED | _FLAG_UNFINISHED) and bool(flags & _FLAG_DELETED)


def _read_header(image: bytes, page: int) -> tuple[str, int] | None:
    *_, size, kind, name, _meta = _INDEX_HEADER.unpack_from(image, page * PAGE)
    if size == _SIZE_UNKNOWN or kind != _TYPE_FILE:
        return None
    text = bytes(name).split(b"\0", 1)[0].decode("utf-8", "replace")
    return (text, size) if text else None


def _encode_name(path: str) -> bytes:
    raw = path.encode()
    if not 2 <= len(raw) <= MAX_NAME or b"\0" in raw:
        raise ConfigError(f"{path!r} is no name for SPIFFS: 2 to {MAX_NAME} bytes with the '/'")
    return raw


def _magic_place(block: int) -> int:
    return block * BLOCK + PAGE - 4


def _magic(blocks: int, block: int) -> int:
    return (_MAGIC ^ PAGE ^ (blocks - block)) & 0xFFFF


def _stored_magic(image: bytes, block: int) -> int:
    place = _magic_place(block)
    return int.from_bytes(image[place : place + 2], "little")
