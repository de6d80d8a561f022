"""NOR flash: a file or memory that only erases can set bits in, with the wear of every sector."""

import fcntl
import mmap
import os
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ConfigError

__all__ = ["BLOCK", "SECTOR", "NorFlash"]

SECTOR = 4096
BLOCK = 65536
MIN_BYTES, MAX_BYTES = 1 << 20, 1 << 25

# Typical values of the W25Q128JV's data sheet, in microseconds.
ERASE_SECTOR_US = 45_000
ERASE_BLOCK_US = 150_000
PROGRAM_PAGE_US = 400
PAGE = 256


class NorFlash:
    """A flash chip. Keeps count of how long a real one would have been busy.

    Attributes:
        size: bytes.
        memory: the contents, mapped; whoever writes here has to keep to the rules of NOR flash.
        wear: uint32[size / 4096], erases of each sector; kept beside the file as ``FILE.wear``.
        busy_us: microseconds of all erases and writes so far.
    """

    def __init__(self, memory: mmap.mmap, wear: npt.NDArray[np.uint32], lock: int = -1) -> None:
        self._lock = lock
        self.memory = memory
        self.size = len(memory)
        self.wear = wear
        self.busy_us = 0

    @classmethod
    def in_memory(cls, size: int) -> Self:
        """Return an erased chip that is forgotten at the end; unwritten pages cost no memory."""
        memory = mmap.mmap(_blank(size), size, mmap.MAP_PRIVATE)
        return cls(memory, np.zeros(size // SECTOR, np.uint32))

    @classmethod
    def open(cls, path: Path, size: int) -> tuple[Self, bool]:
        """Map a file, which is made (erased) with ``size`` bytes if there is none.

        Returns:
            The chip, and whether it is new.

        Raises:
            ConfigError: the file cannot be opened, or its size is no flash chip's.
        """
        new = not path.exists()
        try:
            memory = _map(path, size, 0xFF)
            count = len(memory)
            if count & (count - 1) or not MIN_BYTES <= count <= MAX_BYTES:
                raise ConfigError(
                    f"the flash file {path} has {count} bytes",
                    hint="a flash chip has 1, 2, 4, 8, 16 or 32 MiB",
                )
            wear = _map(path.with_name(path.name + ".wear"), count // SECTOR * 4, 0)
        except (OSError, ValueError) as error:
            raise ConfigError(f"the flash file {path} cannot be used: {error}") from None
        if len(wear) != count // SECTOR * 4:
            raise ConfigError(
                f"{path}.wear belongs to another flash file", hint="delete it to start at zero"
            )
        return cls(memory, np.frombuffer(wear, np.uint32), _lock(path)), new

    def read(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes."""
        return self.memory[offset : offset + count]

    def program(self, offset: int, data: bytes) -> None:
        """Clear the bits that are 0 in ``data``; bits never go from 0 to 1."""
        if not data:
            return
        place = np.frombuffer(self.memory, np.uint8, len(data), offset)
        place &= np.frombuffer(data, np.uint8)
        self.busy_us += -(-len(data) // PAGE) * PROGRAM_PAGE_US

    def erase(self, offset: int, count: int) -> None:
        """Set whole sectors to 0xFF; aligned blocks of 64 KiB go at once.

        Raises:
            ValueError: no whole sectors.
        """
        if offset % SECTOR or count % SECTOR or offset + count > self.size:
            raise ValueError(f"{count} bytes at {offset:#x} are not whole sectors")
        self.memory[offset : offset + count] = b"\xff" * count
        self.wear[offset // SECTOR : (offset + count) // SECTOR] += 1
        start, end = -(-offset // BLOCK) * BLOCK, (offset + count) // BLOCK * BLOCK
        blocks = max(0, end - start) // BLOCK
        sectors = count // SECTOR - blocks * (BLOCK // SECTOR)
        self.busy_us += blocks * ERASE_BLOCK_US + sectors * ERASE_SECTOR_US

    def close(self) -> None:
        """Write everything to the file and let others have it. The chip is not used any more."""
        if self._lock >= 0:
            self.memory.flush()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@cache
def _blank(size: int) -> int:
    """Return a file of 0xFF in memory that all private mappings share until they write."""
    file = os.memfd_create("edgeflow-flash", os.MFD_CLOEXEC)
    os.write(file, b"\xff" * size)
    return file


def _map(path: Path, size: int, fill: int) -> mmap.mmap:
    if not path.exists():
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(bytes([fill]) * size)
        fresh.replace(path)
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def _lock(path: Path) -> int:
    """Return an open file that keeps other boards out until it is closed."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise ConfigError(
            f"the flash file {path} belongs to a board that runs", hint="give each its own file"
        ) from None
    return file
