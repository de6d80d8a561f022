"""The JSON lines of the reference system's recorder: one object per datagram."""

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recording_lines import Damage, lines_of

__all__ = ["jsonl_frames", "looks_like_jsonl"]

MAX_BYTES = 1024
MAX_SECONDS = 2.0**40


class _Row(msgspec.Struct):
    timestamp: float
    node_id: int
    magic: str
    type: str = ""
    rssi: int = 0
    iq_hex: str = ""


_DECODER = msgspec.json.Decoder(_Row)


def looks_like_jsonl(line: bytes) -> bool:
    """Tell whether this first line is one of ours."""
    return line.startswith(b"{") and b'"node_id"' in line


def jsonl_frames(path: Path, damage: Damage) -> Iterator[CsiFrame]:
    """Yield the raw frames of a file; damaged lines are counted and left out.

    The recorder read RSSI from the wrong byte of raw packets, so a frame has that of the newest
    vitals of its node. Channel, noise and sender were not kept.

    Raises:
        StoreError: it cannot be read.
    """
    rssi: dict[int, int] = {}
    for number, line in lines_of(path, damage):
        try:
            row = _DECODER.decode(line)
            if not (0 <= row.node_id <= 255 and 0 <= row.timestamp < MAX_SECONDS):
                raise ValueError("node_id or timestamp is out of range")
            if row.type == "vitals":
                rssi[row.node_id] = max(-128, min(127, row.rssi))
            elif row.type == "raw_csi":
                payload = _payload(row.iq_hex)
                time = math.floor(row.timestamp * 1e6)
                yield CsiFrame(time, payload, rssi.get(row.node_id, 0), node=row.node_id)
        except (msgspec.DecodeError, ValueError) as error:
            damage.add(number, str(error))


def _payload(text: str) -> bytes:
    payload = bytes.fromhex(text)
    if not payload or len(payload) % 2 or len(payload) > MAX_BYTES:
        raise ValueError(f"iq_hex holds {len(payload)} bytes, which are no pairs of a frame")
    return payload
