"""Recordings of channel state, whatever wrote them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from edgeflow.errors import StoreError
from edgeflow.sensing.captures import MAGIC, MCAP_MAGIC, Datagram, datagrams_of
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recording_csv import csv_frames, looks_like_csv
from edgeflow.sensing.recording_jsonl import jsonl_frames, looks_like_jsonl
from edgeflow.sensing.recording_lines import Damage, lines_of

__all__ = ["Recording"]

LOOKED_AT = 20
"""Lines among which one must tell the format."""


class Recording:
    """Reads a recording frame by frame, in bounded memory.

    Args:
        path: ESP32-CSI-Tool's CSV, the reference recorder's JSON lines (either also as .xz), or a
            capture of ours.
        node: number of the node where the file does not tell.

    Attributes:
        kind: ``csv``, ``jsonl`` or ``capture``.
        damage: lines, or packets, that were left out by the last reading.

    Raises:
        StoreError: it cannot be read, or is none of these.
    """

    def __init__(self, path: Path, node: int = 1) -> None:
        self.path = path
        self.node = node
        self.damage = Damage()
        self.kind = _kind(path)

    def __iter__(self) -> Iterator[CsiFrame | Datagram]:
        """Yield frames, or of a capture its datagrams.

        Raises:
            StoreError: reading fails, or nothing in the file is a frame.
        """
        self.damage = Damage()
        count = 0
        for count, item in enumerate(self._items(), 1):  # noqa: B007 - used after the loop
            yield item
        if count == 0:
            raise self._empty()

    def _items(self) -> Iterator[CsiFrame | Datagram]:
        if self.kind == "csv":
            return csv_frames(self.path, self.damage, self.node)
        if self.kind == "jsonl":
            return jsonl_frames(self.path, self.damage)
        return datagrams_of(self.path, self.damage)

    def _empty(self) -> StoreError:
        if self.damage.places:
            line, reason = self.damage.places[0]
            return StoreError(f"{self.path}:{line}: {reason}", hint="no line of it is a frame")
        return StoreError(f"{self.path} holds no frame")


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    if magic in (MAGIC, MCAP_MAGIC):
        return "capture"
    for _, line in islice(lines_of(path, Damage()), LOOKED_AT):
        if looks_like_csv(line):
            return "csv"
        if looks_like_jsonl(line):
            return "jsonl"
    raise StoreError(
        f"{path}:1: this is no recording of channel state",
        hint="known are ESP32-CSI-Tool's CSV, the reference's JSON lines (both also .xz), "
        "and what edgeflow csi record writes",
    )
