"""Whole firmware: bootloader, partition table and application, as a build folder lists them."""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from edgeflow.devices.boards.base import OnProgress
from edgeflow.devices.flashing.tool import DEFAULT_BAUD, Esptool, Piece, check_lines
from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.partitions import TABLE_OFFSET, decode_table

__all__ = ["Firmware", "flash_firmware", "read_build", "read_pieces"]

log = structlog.get_logger(__name__)

LIST_FILE = "flasher_args.json"
MAX_PIECES = 16
MAX_BYTES = 32 * 1024 * 1024
_MAX_LIST_BYTES = 256 * 1024
_SECTOR = 4096
_SETTINGS = {
    "flash_mode": re.compile(r"keep|qio|qout|dio|dout"),
    "flash_freq": re.compile(r"keep|[1-8]\d?m"),
    "flash_size": re.compile(r"keep|detect|\d{1,3}[KM]B"),
}
_CHIP = re.compile(r"esp[a-z0-9]{2,8}")


@dataclass(frozen=True, slots=True)
class Firmware:
    """What belongs on a board.

    Attributes:
        pieces: what goes where, by rising offset.
        chip: esptool's name of it; ``auto`` takes any.
        settings: of the flash, for the bootloader's header.
    """

    pieces: tuple[Piece, ...]
    chip: str = "auto"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(len(piece.data) for piece in self.pieces)


def read_build(folder: Path) -> Firmware:
    """Read what ESP-IDF's build left in a folder: ``flasher_args.json`` and the files it names.

    Raises:
        ConfigError: the list is missing or wrong, or names a file outside the folder.
    """
    path = folder / LIST_FILE
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise ConfigError(f"{path}: longer than {_MAX_LIST_BYTES} bytes")
        listed = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            hint="give the build folder of an ESP-IDF project, after idf.py build",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    files = _mapping(listed, "flash_files", path)
    chip = str(_mapping(listed, "extra_esptool_args", path).get("chip", "auto"))
    if chip != "auto" and not _CHIP.fullmatch(chip):
        raise ConfigError(f"{path}: {chip[:40]!r} is no chip")
    settings = _settings(_mapping(listed, "flash_settings", path), path)
    return Firmware(_read_files(folder, files, path), chip, settings)


def read_pieces(places: Mapping[str, Path]) -> Firmware:
    """Read files by the offsets, such as ``0x10000``, at which they belong.

    Raises:
        ConfigError: an offset is none, a file cannot be read, or two overlap.
    """
    pieces = [Piece(_offset(text), _read(file)) for text, file in places.items()]
    return Firmware(_check(pieces))


def flash_firmware(
    port: str,
    firmware: Firmware,
    *,
    baud: int = DEFAULT_BAUD,
    cancel: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Write a firmware, verify every piece by its MD5, restart the board; return its MAC.

    Raises:
        UnreachableError: the port is busy or gone, or the board does not answer esptool.
        EngineError: another chip, or what was written reads back differently.
        DeadlineError, CancelledError, MissingExtraError: as they say.
    """
    settings = {name.replace("_", "-"): value for name, value in firmware.settings.items()}
    check_lines(port)
    with Esptool(port, baud, firmware.chip, cancel) as tool:
        tool.write(firmware.pieces, "writing the firmware", on_progress, settings)
    log.info("firmware_flashed", port=port, mac=tool.mac, chip=tool.chip, bytes=firmware.size)
    return tool.mac


def _mapping(listed: Any, key: str, path: Path) -> dict[str, Any]:
    value = listed.get(key, {}) if isinstance(listed, dict) else None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {key!r} is no object")
    return value


def _settings(found: Mapping[str, Any], path: Path) -> dict[str, str]:
    settings = {}
    for name, shape in _SETTINGS.items():
        value = found.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ConfigError(f"{path}: {name} {str(value)[:40]!r} is not known")
        settings[name] = value
    return settings


def _read_files(folder: Path, files: Mapping[str, Any], path: Path) -> tuple[Piece, ...]:
    root = folder.resolve()
    pieces = []
    for text, name in files.items():
        file = (root / str(name)).resolve()
        if not file.is_relative_to(root):
            raise ConfigError(f"{path}: {str(name)[:200]!r} lies outside the folder")
        pieces.append(Piece(_offset(text), _read(file)))
    if not pieces:
        raise ConfigError(f"{path}: 'flash_files' names no file")
    return _check(pieces)


def _offset(text: str) -> int:
    try:
        offset = int(text, 0) if len(text) <= 12 else -1
    except ValueError:
        offset = -1
    if not 0 <= offset < MAX_BYTES or offset % _SECTOR:
        raise ConfigError(
            f"{text[:40]!r} is no place in flash", hint=f"a multiple of {_SECTOR}, such as 0x10000"
        )
    return offset


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}: longer than {MAX_BYTES} bytes")
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    if not data:
        raise ConfigError(f"{file} is empty")
    return data


def _check(pieces: list[Piece]) -> tuple[Piece, ...]:
    if len(pieces) > MAX_PIECES:
        raise ConfigError(f"{len(pieces)} files, at most {MAX_PIECES} are taken")
    pieces.sort(key=lambda piece: piece.offset)
    end = 0
    for piece in pieces:
        if piece.offset < end:
            raise ConfigError(f"the file at {piece.offset:#x} overlaps the one before it")
        end = piece.offset + len(piece.data)
        if piece.offset == TABLE_OFFSET:
            _check_table(piece.data)
    return tuple(pieces)


def _check_table(data: bytes) -> None:
    try:
        decode_table(data)
    except ProtocolError as error:
        raise ConfigError(f"the file at {TABLE_OFFSET:#x}: {error.message}") from None
