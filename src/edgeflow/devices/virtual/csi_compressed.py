"""Frames of virtual nodes as the firmware sends them from tier 1 on: compressed without loss."""

from collections.abc import Iterator

from edgeflow._native.csi_compressor import CsiCompressor
from edgeflow.devices.virtual.csi_node import HeardFrame, Packet, raw_frame

__all__ = ["CompressedPackets"]


class CompressedPackets:
    """Packets 0xC511EF02 of the frames of one node, by the firmware's core.

    Node is 0 and sequences count from 0; the fleet fills them in.
    """

    def __init__(self) -> None:
        self._compressor, self._sequence = CsiCompressor(), 0

    def of(self, frame: HeardFrame) -> Iterator[Packet]:
        """Return the packet of a frame; all frames come here, in the order of time."""
        raw = raw_frame(frame, self._sequence)
        self._sequence = self._sequence + 1 & 0xFFFFFFFF
        source = getattr(frame, "source", 0)
        yield Packet(frame.time_us, self._compressor.compress(raw, frame.time_us, source))
