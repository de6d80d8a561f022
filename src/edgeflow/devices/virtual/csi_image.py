"""Firmware for virtual nodes: images as ESP-IDF lays them out, which say how they behave."""

import hashlib
import struct
from dataclasses import dataclass
from typing import Literal, get_args

from edgeflow.errors import ConfigError
from edgeflow.protocols.ota import CHIPS, IMAGE_MAGIC, MAX_IMAGE, describe_image

__all__ = ["BOARD", "CHIP", "Behaviour", "VirtualFirmware", "make_firmware", "read_firmware"]

Behaviour = Literal["good", "crash", "hang", "unfit"]
"""``crash``: restarts before it says anything; ``hang``: never ends its self-test; ``unfit``: does
not pass it."""

BOARD, CHIP = "csi_node", CHIPS["esp32s3"]

_HEADER = struct.Struct("<BBBBI4xH9xB")
_SEGMENT = struct.Struct("<II")
_APP = struct.Struct("<II8x32s32s16s16s144x")
_BEHAVIOUR = struct.Struct("<16s16s")
_MARK = b"edgeflow-virtual"
_BEHAVIOUR_AT = _HEADER.size + _SEGMENT.size + _APP.size
_LEAST = _BEHAVIOUR_AT + _BEHAVIOUR.size + 16 + 32


@dataclass(frozen=True, slots=True)
class VirtualFirmware:
    """What lies in a slot."""

    version: str
    board: str
    date: str
    time: str
    behaviour: Behaviour


def make_firmware(
    version: str,
    behaviour: Behaviour = "good",
    *,
    board: str = BOARD,
    chip: int = CHIP,
    secure_version: int = 0,
    size: int = 16 << 10,
) -> bytes:
    """Return an image that a boot loader takes: header, one segment, checksum, SHA-256.

    Args:
        version: 1 to 31 characters.
        behaviour: what it does when it runs.
        board: the project's name.
        chip: as ESP-IDF numbers them.
        secure_version: of its description.
        size: bytes, a multiple of 16 from 416 on.

    Raises:
        ConfigError: a value does not fit.
    """
    if size % 16 or not _LEAST <= size <= MAX_IMAGE or not 0 < len(version.encode()) < 32:
        raise ConfigError(f"no firmware of {size} bytes with the version {version!r}")
    names = version.encode(), board.encode()
    app = _APP.pack(0xABCD5432, secure_version, *names, b"12:00:00", b"Jan  1 2026")
    about = app + _BEHAVIOUR.pack(_MARK, behaviour.encode())
    count = size - _HEADER.size - _SEGMENT.size - 16 - 32
    seed = hashlib.sha256(about).digest()
    content = about + (seed * (count // 32 + 1))[: count - len(about)]
    header = _HEADER.pack(IMAGE_MAGIC, 1, 2, 0x3F, 0x40375A5C, chip, 1)
    plain = header + _SEGMENT.pack(0x3C000020, count) + content
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    image = plain + bytes(15) + bytes([checksum])
    return image + hashlib.sha256(image).digest()


def read_firmware(slot: bytes) -> VirtualFirmware | None:
    """Return what the image at the start of a slot says, or None: it is not one of ours."""
    if len(slot) < _LEAST or slot[0] != IMAGE_MAGIC:
        return None
    mark, field = _BEHAVIOUR.unpack_from(slot, _BEHAVIOUR_AT)
    behaviour = field.rstrip(b"\0").decode("ascii", "replace")
    if mark != _MARK or behaviour not in get_args(Behaviour):
        return None
    app = describe_image(slot)
    return VirtualFirmware(app.version, app.project, app.date, app.time, behaviour)
