"""Raw channel state, 0xC5110001: one frame as the driver delivered it."""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols.csi_wire import Magic, check_length, pack

__all__ = ["MAX_ANTENNAS", "MAX_PAIRS", "RawFrame", "channel_of", "frequency_of"]

MAX_PAIRS = 512
"""Pairs of a frame, over all antennas."""
MAX_ANTENNAS = 8
HEADER = struct.Struct("<IBBHIIbbH")
_WHAT = "a raw CSI packet"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame of channel state.

    Attributes:
        sequence: grows by one per frame that the node serialised, sent or not; u32.
        frequency_mhz: of the channel's centre; 0 when unknown.
        rssi, noise_floor: dBm.
        payload: antennas * subcarriers pairs of i8, imaginary part first, then real.
    """

    node: int
    sequence: int
    frequency_mhz: int
    rssi: int
    noise_floor: int
    payload: bytes
    antennas: int = 1

    @property
    def subcarriers(self) -> int:
        """Pairs of each antenna."""
        return len(self.payload) // (2 * self.antennas)

    @property
    def channel(self) -> int:
        """Number of the channel, 0 when the frequency is none."""
        return channel_of(self.frequency_mhz)

    @property
    def pairs(self) -> NDArray[np.int8]:
        """A read-only view, (antennas, subcarriers, 2): imaginary, real."""
        return np.frombuffer(self.payload, np.int8).reshape(self.antennas, -1, 2)

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: a value does not fit its field.
        """
        check_pairs(self.antennas, self.payload)
        head = (Magic.RAW, self.node, self.antennas, self.subcarriers, self.frequency_mhz)
        tail = (self.sequence, self.rssi, self.noise_floor, 0)
        return pack(_WHAT, HEADER, *head, *tail) + self.payload

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        if len(data) < HEADER.size:
            raise ProtocolError(f"{_WHAT} ends in its header, at offset {len(data)}")
        magic, node, antennas, count, mhz, sequence, rssi, noise, _ = HEADER.unpack_from(data)
        if magic != Magic.RAW:
            raise ProtocolError(f"{_WHAT} begins with {magic:#010x} at offset 0")
        check_counts(_WHAT, antennas, count)
        check_length(_WHAT, data, HEADER.size + 2 * antennas * count)
        return cls(node, sequence, mhz, rssi, noise, bytes(data[HEADER.size :]), antennas)


def check_counts(what: str, antennas: int, subcarriers: int) -> None:
    """Raise ProtocolError for counts (at offsets 5 and 6) that no frame has."""
    if not 1 <= antennas <= MAX_ANTENNAS:
        raise ProtocolError(
            f"{what} has {antennas} antennas at offset 5, 1 to {MAX_ANTENNAS} may be"
        )
    if not 1 <= antennas * subcarriers <= MAX_PAIRS:
        raise ProtocolError(
            f"{what} has {subcarriers} subcarriers at offset 6, with {antennas} antennas"
            f" 1 to {MAX_PAIRS // antennas} may be"
        )


def check_pairs(antennas: int, payload: bytes) -> None:
    """Raise PayloadError unless the payload is whole pairs for each antenna."""
    if not 1 <= antennas <= MAX_ANTENNAS:
        raise PayloadError(f"a CSI frame has 1 to {MAX_ANTENNAS} antennas, not {antennas}")
    if not payload or len(payload) % (2 * antennas) or len(payload) > 2 * MAX_PAIRS:
        raise PayloadError(
            f"{len(payload)} bytes are no CSI frame of {antennas} antennas:"
            f" they come in pairs, at most {MAX_PAIRS}"
        )


def frequency_of(channel: int) -> int:
    """Return the centre of a channel in MHz, 0 for a channel that the firmware does not know."""
    if 1 <= channel <= 13:
        return 2407 + 5 * channel
    if channel == 14:
        return 2484
    return 5000 + 5 * channel if 36 <= channel <= 177 else 0


def channel_of(mhz: int) -> int:
    """Return the channel of a centre frequency, 0 when there is none."""
    if mhz == 2484:
        return 14
    base, low, high = (2407, 1, 13) if mhz < 5000 else (5000, 36, 177)
    channel, rest = divmod(mhz - base, 5)
    return channel if rest == 0 and low <= channel <= high else 0
