"""The reference's compression: runs by hand, what can be proved, and what is missing."""

from hypothesis import given
from hypothesis import strategies as st

from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_xor import XorDecoded, XorDecoder, XorFrame, XorMissing

BEFORE = bytes(300)
NOW = bytes([*[0] * 10, *[5] * 290])


def raw(sequence: int, payload: bytes, node: int = 1) -> RawFrame:
    return RawFrame(node, sequence, 2412, 0, 0, payload)


def test_long_runs_are_split() -> None:
    packet = XorFrame.between(1, 6, BEFORE, NOW)
    assert packet is not None
    assert packet.data == bytes([0, 10, 5, 255, 5, 35])
    assert packet.expand(BEFORE) == NOW


def test_what_would_not_be_shorter_is_not_sent() -> None:
    assert XorFrame.between(1, 6, bytes(4), bytes([1, 2, 3, 4])) is None
    assert XorFrame.between(1, 6, bytes(4), bytes([1, 1, 2, 2])) is None
    assert XorFrame.between(1, 6, bytes(6), bytes(4)) is None


def test_a_frame_is_proved_by_its_raw_packet() -> None:
    packet = XorFrame.between(1, 6, BEFORE, NOW)
    assert packet is not None
    decoder = XorDecoder()
    assert decoder.expand(packet) == XorMissing(1, 300, 0)
    decoder.see(raw(7, BEFORE))
    assert decoder.expand(packet) == XorDecoded(1, NOW, proven=False)
    decoder.see(raw(8, NOW))
    decoder.see(raw(8, NOW))
    assert decoder.expand(packet) == XorDecoded(1, NOW, proven=True)


def test_another_length_or_node_is_missing() -> None:
    packet = XorFrame.between(1, 6, BEFORE, NOW)
    assert packet is not None
    decoder = XorDecoder(max_nodes=2)
    decoder.see(raw(7, bytes(128)))
    assert decoder.expand(packet) == XorMissing(1, 300, 128)
    decoder.see(raw(7, BEFORE))
    for node in (2, 3):
        decoder.see(raw(1, BEFORE, node))
    assert decoder.expand(packet) == XorMissing(1, 300, 0)


def test_a_gap_proves_nothing() -> None:
    packet = XorFrame.between(1, 6, BEFORE, NOW)
    assert packet is not None
    decoder = XorDecoder()
    decoder.see(raw(7, BEFORE))
    decoder.see(raw(9, NOW))
    found = decoder.expand(packet)
    assert isinstance(found, XorDecoded) and not found.proven


@given(st.binary(min_size=1, max_size=400), st.data())
def test_frames_come_back(before: bytes, data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.integers(0, len(before) - 1), max_size=4))
    now = bytearray(before)
    for place in flips:
        now[place] ^= 1
    packet = XorFrame.between(1, 6, before, bytes(now))
    if packet is not None:
        assert decode(packet.encode()) == packet
        assert packet.expand(before) == now and len(packet.data) < len(now)
