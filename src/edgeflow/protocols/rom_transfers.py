"""Transfers of several messages that a loader carries out: into RAM, into flash, out of flash."""

import hashlib
import struct
import zlib
from functools import reduce
from operator import xor
from typing import Protocol

__all__ = ["FlashRead", "FlashWrite", "RamWrite", "TransferError", "checksum"]

SECTOR = 4096
BLOCK = 65536
MAX_RAM = 512 * 1024
MAX_BLOCK = 0x4000

_DATA_HEADER = struct.Struct("<IIII")


class TransferError(Exception):
    """The message cannot be carried out; its text is the key of the loader's error table."""


class _Flash(Protocol):
    def read(self, offset: int, count: int) -> bytes: ...
    def program(self, offset: int, data: bytes) -> None: ...
    def erase(self, offset: int, count: int) -> None: ...


def checksum(data: bytes) -> int:
    """Return the loader's checksum: all bytes and 0xEF, combined by exclusive or."""
    return reduce(xor, data, 0xEF)


class _Blocks:
    """Numbered blocks; one that is sent again because its answer was lost is not taken twice."""

    def __init__(self, block: int, largest: int) -> None:
        if not 0 < block <= largest:
            raise TransferError("length")
        self._block = block
        self._next = 0

    def unwrap(self, body: bytes, claimed: int) -> bytes | None:
        """Return the data of the block, or None for the one before."""
        length, number, _, _ = _DATA_HEADER.unpack_from(body)
        data = body[_DATA_HEADER.size :]
        if length != len(data) or length > self._block:
            raise TransferError("length")
        if checksum(data) != claimed:
            raise TransferError("checksum")
        if number == self._next - 1:
            return None
        if number != self._next:
            raise TransferError("state")
        self._next += 1
        return data


class RamWrite:
    """An upload into RAM. Its bytes are counted and checked, and kept nowhere."""

    def __init__(self, size: int, block: int) -> None:
        if size > MAX_RAM:
            raise TransferError("length")
        self._blocks = _Blocks(block, MAX_BLOCK)
        self._missing = size

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self._missing == 0

    def take(self, body: bytes, claimed: int) -> None:
        """Take one block."""
        data = self._blocks.unwrap(body, claimed)
        if data is None:
            return
        if len(data) > self._missing:
            raise TransferError("long")
        self._missing -= len(data)


class FlashWrite:
    """A write into flash, plain or packed with zlib.

    Args:
        size: bytes that are written, unpacked.
        block: bytes of the largest message.
    """

    def __init__(self, flash: _Flash, offset: int, size: int, block: int, *, packed: bool) -> None:
        self.packed = packed
        self._flash = flash
        self._blocks = _Blocks(block or 1, MAX_BLOCK)
        self._inflate = zlib.decompressobj()
        self._at = offset
        self._end = offset + size
        self._erased = offset // SECTOR * SECTOR

    def erase_all(self) -> None:
        """Erase the whole region now; otherwise it is erased as the data comes."""
        self._erase_up_to(self._end)

    def take(self, body: bytes, claimed: int) -> None:
        """Write one block."""
        data = self._blocks.unwrap(body, claimed)
        if data is None:
            return
        self._write(self._unpack(data) if self.packed else data)

    def _unpack(self, data: bytes) -> bytes:
        room = self._end - self._at
        try:
            return self._inflate.decompress(data, room + 1)
        except zlib.error:
            raise TransferError("inflate") from None

    def _write(self, data: bytes) -> None:
        if len(data) > self._end - self._at:
            data = self._without_padding(data)
        self._erase_up_to(self._at + len(data))
        self._flash.program(self._at, data)
        self._at += len(data)

    def _without_padding(self, data: bytes) -> bytes:
        """Drop the 0xFF that hosts fill the last plain block up with."""
        room = self._end - self._at
        if self.packed or data[room:].strip(b"\xff"):
            raise TransferError("long")
        return data[:room]

    def _erase_up_to(self, end: int) -> None:
        while self._erased < end:
            whole = self._erased % BLOCK == 0 and self._end - self._erased >= BLOCK
            count = BLOCK if whole else SECTOR
            self._flash.erase(self._erased, count)
            self._erased += count


class FlashRead:
    """A read by the stub: blocks, of which only a window is under way, and an MD5 at the end."""

    def __init__(self, flash: _Flash, offset: int, count: int, block: int, window: int) -> None:
        self._flash = flash
        self._offset, self._count = offset, count
        self._block, self._window = block, window * block
        self._sent = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.finished = False

    def acknowledge(self, received: int) -> list[bytes]:
        """Return the frames that follow once the host has ``received`` bytes."""
        frames = []
        while self._sent < min(self._count, received + self._window):
            count = min(self._block, self._count - self._sent)
            data = self._flash.read(self._offset + self._sent, count)
            self._md5.update(data)
            self._sent += count
            frames.append(data)
        if received >= self._count and not self.finished:
            self.finished = True
            frames.append(self._md5.digest())
        return frames
