"""Lines of text files, plain or .xz, with bounds on everything that a file may ask for."""

import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgeflow.errors import StoreError

__all__ = ["MAX_LINE", "Damage", "lines_of"]

MAX_LINE = 64 * 1024
"""Bytes of a line; longer ones are damaged."""
CHUNK = 256 * 1024
DICTIONARY_BYTES = 128 << 20
"""Memory that unpacking may take, whatever the file says."""
KEPT_PLACES = 100


class Damage:
    """What was left out of a recording.

    Attributes:
        count: lines or packets that were damaged.
        places: line and reason of the first hundred.
    """

    def __init__(self) -> None:
        self.count = 0
        self.places: list[tuple[int, str]] = []

    def add(self, line: int, reason: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.places) < KEPT_PLACES:
            self.places.append((line, reason))


def lines_of(path: Path, damage: Damage) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of each line that is not empty; too long ones are damage.

    Raises:
        StoreError: the file cannot be read, or is not the .xz that its name says.
    """
    number = 0
    try:
        with opened(path) as file:
            while line := file.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE and not line.endswith(b"\n"):
                    damage.add(number, f"longer than {MAX_LINE} bytes")
                    _skip(file)
                elif line := line.strip():
                    yield number, line
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    except (lzma.LZMAError, EOFError) as error:
        raise StoreError(
            f"{path}:{number + 1}: the file is cut off or damaged: {error}",
            hint="what came before can be used: unpack it with xz -dc",
        ) from error


def opened(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked when its name ends in .xz."""
    file = path.open("rb")
    if path.suffix != ".xz":
        return file
    return io.BufferedReader(_Unpacked(file), CHUNK)


def _skip(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass


class _Unpacked(io.RawIOBase):
    """Reads .xz with bounded memory, which ``lzma.open`` does not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = self._new()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data:
            if self._unpacker.eof:
                rest = self._unpacker.unused_data or self._file.read(CHUNK)
                if not rest:
                    return 0
                self._unpacker = self._new()
                data = self._unpacker.decompress(rest, len(buffer))
            elif self._unpacker.needs_input:
                packed = self._file.read(CHUNK)
                if not packed:
                    raise EOFError("it ends in the middle")
                data = self._unpacker.decompress(packed, len(buffer))
            else:
                data = self._unpacker.decompress(b"", len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DICTIONARY_BYTES)
