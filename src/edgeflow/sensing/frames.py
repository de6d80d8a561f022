"""Frames of channel state on the host, whatever they were read from."""

from binascii import crc32
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CsiFrame", "source_of"]


class CsiFrame(NamedTuple):
    """One frame of one node.

    Attributes:
        time_us: microseconds on a clock that only goes forward; its zero means nothing.
        payload: pairs of i8 as the driver delivers them, imaginary part first, then real.
        rssi, noise_floor: dBm; 0 when unknown.
        channel: 0 when unknown.
        source: tells senders apart (``source_of`` their MAC); 0 when unknown.
        node: number of the node.
    """

    time_us: int
    payload: bytes
    rssi: int = 0
    noise_floor: int = 0
    channel: int = 0
    source: int = 0
    node: int = 1

    @property
    def pairs(self) -> NDArray[np.int8]:
        """A read-only view of the payload, (subcarriers, 2): imaginary, real."""
        return np.frombuffer(self.payload, np.int8).reshape(-1, 2)


def source_of(mac: bytes) -> int:
    """Return the number, 1 to 255, that stands for a sender; the same in every recording."""
    return crc32(mac.strip().upper()) % 255 + 1
