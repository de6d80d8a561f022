"""Stream entries: their ids and fields, written by the publisher, read by everyone."""

from collections.abc import Sequence
from typing import Any

from edgeflow.comms.redis.resp import text

__all__ = ["Identity", "entry_fields", "entry_order", "id_after", "identity_of"]

Identity = tuple[int, int]
"""Epoch and sequence of a frame."""


def entry_fields(flat: Sequence[Any]) -> dict[bytes, Any]:
    """Return the fields of a stream entry by name."""
    return {bytes(flat[i]): flat[i + 1] for i in range(0, len(flat) - 1, 2)}


def identity_of(fields: dict[bytes, Any]) -> tuple[int, Identity, int]:
    """Return frame id, identity and bound of an entry; zeros for a stranger's."""
    try:
        number, epoch, sequence, bound = text(fields.get(b"i", b"")).split(" ")
        return int(number), (int(epoch), int(sequence)), int(bound)
    except ValueError:
        return 0, (0, 0), 0


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return an entry's id as numbers, to compare it with others."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def id_after(entry_id: str) -> str:
    """Return the smallest id after ``entry_id``."""
    milliseconds, number = entry_order(entry_id)
    return f"{milliseconds}-{number + 1}"
