"""Raw CSI packets by the thousand: read as arrays, without an object per frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeflow.protocols.csi_raw import HEADER, MAX_ANTENNAS, MAX_PAIRS
from edgeflow.protocols.csi_wire import Magic

__all__ = ["RawBatch", "decode_raw_batch"]

_MAGIC = int(Magic.RAW).to_bytes(4, "little")
_LONGEST = HEADER.size + 2 * MAX_PAIRS


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """The frames of one length, in the order they came; all arrays are (frames,) but ``pairs``.

    Attributes:
        place: where each stood among the datagrams.
        frequency_mhz: u32; ``node`` and ``antennas`` u8, ``sequence`` u32.
        rssi, noise_floor: i8, dBm.
        pairs: i8, (frames, pairs of all antennas, 2), imaginary part first; read-only.
    """

    place: NDArray[np.intp]
    node: NDArray[np.uint8]
    antennas: NDArray[np.uint8]
    frequency_mhz: NDArray[np.uint32]
    sequence: NDArray[np.uint32]
    rssi: NDArray[np.int8]
    noise_floor: NDArray[np.int8]
    pairs: NDArray[np.int8]


def decode_raw_batch(datagrams: Sequence[bytes]) -> list[RawBatch]:
    """Read the raw frames among some datagrams.

    What ``RawFrame.decode`` would refuse, and every other packet, is in no batch.

    Returns:
        A batch per length, the shortest first.
    """
    by_length: dict[int, list[int]] = {}
    for place, data in enumerate(datagrams):
        if data[:4] == _MAGIC:
            by_length.setdefault(len(data), []).append(place)
    batches = [
        _read(length, places, b"".join([datagrams[place] for place in places]))
        for length, places in sorted(by_length.items())
        if HEADER.size < length <= _LONGEST and length % 2 == 0
    ]
    return [batch for batch in batches if len(batch.place)]


def _read(length: int, places: list[int], data: bytes) -> RawBatch:
    pairs = (length - HEADER.size) // 2
    rows = np.frombuffer(data, _layout(pairs))
    counted = rows["antennas"].astype(np.uint32) * rows["subcarriers"]
    good = (counted == pairs) & (rows["antennas"] <= MAX_ANTENNAS)
    place = np.array(places, np.intp)
    if not good.all():
        rows, place = rows[good], place[good]
    names = ("node", "antennas", "mhz", "sequence", "rssi", "noise", "pairs")
    columns: list[NDArray[Any]] = [rows[name] for name in names]
    columns[-1].flags.writeable = False
    return RawBatch(place, *columns)


def _layout(pairs: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("magic", "<u4"),
            ("node", "u1"),
            ("antennas", "u1"),
            ("subcarriers", "<u2"),
            ("mhz", "<u4"),
            ("sequence", "<u4"),
            ("rssi", "i1"),
            ("noise", "i1"),
            ("zero", "<u2"),
            ("pairs", "i1", (pairs, 2)),
        ]
    )
