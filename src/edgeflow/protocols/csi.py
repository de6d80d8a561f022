"""Packets of CSI nodes, sans-I/O: one datagram is one packet, told by its first four bytes.

``decode`` reads every packet there is; packets write themselves with ``encode``. Compressed frames
come out as they travel: ``XorDecoder`` and ``csi_compressed.Decoder`` expand them, which takes the
frames before.

Source: docs/reference/csi-packets.md.
"""

from edgeflow.errors import ProtocolError
from edgeflow.protocols.csi_compressed import CompressedFrame
from edgeflow.protocols.csi_events import NarrowEvents, WideEvents, is_events
from edgeflow.protocols.csi_mesh import MeshPacket
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import FeatureState, FeatureVector, FusedVitals, Vitals
from edgeflow.protocols.csi_wire import Magic
from edgeflow.protocols.csi_xor import XorFrame

__all__ = ["Magic", "Packet", "classify", "decode"]

Packet = (
    RawFrame
    | Vitals
    | FeatureVector
    | FusedVitals
    | NarrowEvents
    | XorFrame
    | FeatureState
    | MeshPacket
    | WideEvents
    | CompressedFrame
)

_KINDS: dict[int, type[Packet]] = {
    Magic.RAW: RawFrame,
    Magic.VITALS: Vitals,
    Magic.FEATURES: FeatureVector,
    Magic.XOR: XorFrame,
    Magic.STATE: FeatureState,
    Magic.MESH: MeshPacket,
    Magic.WIDE_EVENTS: WideEvents,
    Magic.COMPRESSED: CompressedFrame,
}


def classify(data: bytes) -> type[Packet]:
    """Return which packet a datagram is by its magic, and by its count where two share one.

    Raises:
        ProtocolError: too short for a magic, an unknown one, or the reserved one.
    """
    if len(data) < 4:
        raise ProtocolError(f"a CSI packet ends in its magic, at offset {len(data)}")
    magic = int.from_bytes(data[:4], "little")
    if magic == Magic.FUSED_OR_EVENTS:
        return NarrowEvents if is_events(data) else FusedVitals
    if magic == Magic.RESERVED:
        raise ProtocolError(f"a CSI packet has the reserved magic {magic:#010x} at offset 0")
    if magic not in _KINDS:
        raise ProtocolError(f"no CSI packet begins with {magic:#010x} at offset 0")
    return _KINDS[magic]


def decode(data: bytes) -> Packet:
    """Read a datagram.

    Raises:
        ProtocolError: it is no packet, told with the offset.
    """
    return classify(data).decode(data)
