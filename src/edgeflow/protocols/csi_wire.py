"""What all CSI packets share: their magics, and reading and writing of fixed layouts."""

import math
import struct
from enum import IntEnum

from edgeflow.errors import PayloadError, ProtocolError

__all__ = ["Magic", "check_finite", "check_length", "fixed", "pack", "unpack"]


class Magic(IntEnum):
    """First u32 of a datagram, little-endian; those with 0xEF are EdgeFlow's own."""

    RAW = 0xC5110001
    VITALS = 0xC5110002
    FEATURES = 0xC5110003
    FUSED_OR_EVENTS = 0xC5110004
    XOR = 0xC5110005
    STATE = 0xC5110006
    RESERVED = 0xC5110007
    MESH = 0xC5118100
    WIDE_EVENTS = 0xC511EF01
    COMPRESSED = 0xC511EF02


def check_length(what: str, data: bytes, wanted: int) -> None:
    """Raise ProtocolError unless the packet has that many bytes."""
    if len(data) != wanted:
        offset = min(len(data), wanted)
        raise ProtocolError(f"{what} has {len(data)} bytes, not {wanted}: wrong at offset {offset}")


def check_finite(what: str, offset: int, *values: float) -> None:
    """Raise ProtocolError when one of these f32, the first of which lies at `offset`, is none."""
    for place, value in enumerate(values):
        if not math.isfinite(value):
            raise ProtocolError(f"{what} holds {value} at offset {offset + 4 * place}")


def unpack(what: str, form: struct.Struct, magic: int, data: bytes) -> tuple[int | float, ...]:
    """Read a packet of one fixed layout.

    Returns:
        Its values after the magic.

    Raises:
        ProtocolError: another length or magic.
    """
    check_length(what, data, form.size)
    found, *values = form.unpack(data)
    if found != magic:
        raise ProtocolError(f"{what} begins with {found:#010x} at offset 0, not {magic:#010x}")
    return tuple(values)


def pack(what: str, form: struct.Struct, *values: float | bytes) -> bytes:
    """Write a fixed layout.

    Raises:
        PayloadError: a value does not fit its field.
    """
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise PayloadError(f"{what} cannot hold {value}")
    try:
        return form.pack(*values)
    except (struct.error, OverflowError) as error:
        raise PayloadError(f"{what} cannot be written: {error}") from error


def fixed(what: str, value: float, steps: int) -> int:
    """Return a value in whole steps, rounded to the nearest.

    Raises:
        PayloadError: it is not finite.
    """
    if not math.isfinite(value):
        raise PayloadError(f"{what} cannot hold {value}")
    return round(value * steps)
