"""Lossless compression of a node's frames, as its firmware does it."""

from typing import Any

from edgeflow._native.library import ffi, lib
from edgeflow.errors import PayloadError
from edgeflow.protocols.csi_raw import RawFrame

__all__ = ["CsiCompressor"]

KEYFRAME_US = 1_000_000
_ROOM = 4096


class CsiCompressor:
    """The keyframes of one node."""

    def __init__(self) -> None:
        self._keys: Any = ffi.new("ef_csi_keys *")
        self._frame: Any = ffi.new("ef_csi_raw_packet *")
        self._to = ffi.new("uint8_t[]", _ROOM)

    def compress(self, frame: RawFrame, time_us: int, source: int = 0) -> bytes:
        """Return the datagram of a frame; one of a sender leans on the keyframe of that sender.

        Raises:
            PayloadError: the frame is none.
        """
        pairs = ffi.from_buffer("int8_t[]", frame.payload)
        raw = self._frame
        raw.node, raw.antennas, raw.subcarriers = frame.node, frame.antennas, frame.subcarriers
        raw.frequency_mhz, raw.sequence = frame.frequency_mhz, frame.sequence
        raw.rssi, raw.noise_floor, raw.pairs = frame.rssi, frame.noise_floor, pairs
        count = lib.ef_csi_compress(
            self._keys, raw, time_us, source & 0xFF, KEYFRAME_US, self._to, _ROOM
        )
        if not count:
            raise PayloadError(f"{len(frame.payload)} bytes are no frame to compress")
        return bytes(ffi.buffer(self._to, count))
