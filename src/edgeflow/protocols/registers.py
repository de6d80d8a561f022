"""Numbers in the 16-bit registers of Modbus devices."""

import math
import struct
from collections.abc import Sequence

from edgeflow.errors import ProtocolError

__all__ = ["TYPES", "read_number", "register_count"]

TYPES = {
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "f32": "f",
    "u64": "Q",
    "i64": "q",
    "f64": "d",
}
"""Letters of ``struct`` by name of the type."""


def register_count(kind: str) -> int:
    """Return how many registers a number of this type takes."""
    return struct.calcsize(">" + TYPES[kind]) // 2


def read_number(
    registers: Sequence[int], kind: str, *, big_words: bool = True, big_bytes: bool = True
) -> int | float | None:
    """Return the number in ``registers``; None for a float that is none (NaN, infinity).

    Args:
        registers: as many as the type takes, from 0 to 65535.
        kind: a key of ``TYPES``.
        big_words: the first register holds the upper half.
        big_bytes: the upper byte of a register comes first, as the standard says.

    Raises:
        ProtocolError: there are too few or too many.
    """
    if len(registers) != register_count(kind):
        raise ProtocolError(f"{kind} takes {register_count(kind)} registers, not {len(registers)}")
    words = registers if big_words else registers[::-1]
    raw = struct.pack(f"{'>' if big_bytes else '<'}{len(words)}H", *words)
    number: int | float = struct.unpack(">" + TYPES[kind], raw)[0]
    return number if math.isfinite(number) else None
