"""Every CSI packet against bytes written by hand from the tables of its format."""

import struct
from binascii import crc32
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols import csi
from edgeflow.protocols.csi_compressed import CompressedFrame
from edgeflow.protocols.csi_events import Event, NarrowEvents, WideEvents
from edgeflow.protocols.csi_mesh import (
    Alert,
    CalibrationStart,
    ChannelPlan,
    Health,
    MeshMessage,
    MeshPacket,
    RoleAssign,
    TimeSync,
    UnknownMessage,
)
from edgeflow.protocols.csi_raw import RawFrame, channel_of, frequency_of
from edgeflow.protocols.csi_vitals import (
    FeatureState,
    FeatureVector,
    FusedVitals,
    Quality,
    Vitals,
    VitalsFlags,
)
from edgeflow.protocols.csi_xor import XorFrame

ONE = "00 00 80 3F"  # 1.0
HALF = "00 00 00 3F"
MINUS_TWO = "00 00 00 C0"


def sealed(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + struct.pack("<I", crc32(body))


RAW = RawFrame(7, 0x01020304, 2437, -60, -95, bytes([0x81, 2, 3, 0xFC]))
VITALS = Vitals(3, VitalsFlags(5), 15.25, 72.5, -41, 2, 1.0, 0.5, 0x01020304)
STATE = FeatureState(
    9, 2, 0x0102, 0x0102030405060708, 1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.0, 0.0, 1.0, Quality(0x47)
)
STATE_TEXT = (
    f"06 00 11 C5 09 02 02 01 08 07 06 05 04 03 02 01 {ONE} {HALF} {ONE} {HALF} {ONE} {HALF}"
    f" 00 00 00 00 00 00 00 00 {ONE} 47 00 00 00"
)
STATE_BYTES = sealed(STATE_TEXT)
EIGHT_EVENTS = tuple(Event(i, 1.0) for i in range(8))


def mesh(kind: int, length: int, payload: str) -> bytes:
    return sealed(f"00 81 11 C5 01 {kind:02X} 02 00 78 56 34 12 {length:02X} 00 00 00 {payload}")


GOLDEN: dict[str, tuple[csi.Packet, bytes]] = {
    "raw": (
        RAW,
        bytes.fromhex("01 00 11 C5 07 01 02 00 85 09 00 00 04 03 02 01 C4 A1 00 00 81 02 03 FC"),
    ),
    "vitals": (
        VITALS,
        bytes.fromhex(
            f"02 00 11 C5 03 05 F5 05 08 10 0B 00 D7 02 00 00 {ONE} {HALF} 04 03 02 01 00 00 00 00"
        ),
    ),
    "features": (
        FeatureVector(4, 0xFFFE, -2, (1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 0.5)),
        bytes.fromhex(
            "03 00 11 C5 04 00 FE FF FE FF FF FF FF FF FF FF"
            f" {ONE} {HALF} 00 00 00 00 {ONE} {HALF} 00 00 00 00 {ONE} {HALF}"
        ),
    ),
    "fused": (
        FusedVitals(
            5, VitalsFlags(9), 15.25, 72.5, -41, 2, 1.0, 0.5, 7, 1, 90, 1.0, 0.5, -2.0, 3, 80
        ),
        bytes.fromhex(
            "04 00 11 C5 05 09 F5 05 08 10 0B 00 D7 02 01 5A"
            f" {ONE} {HALF} 07 00 00 00 {ONE} {HALF} {MINUS_TWO} 03 50 00 00 00 00 00 00"
        ),
    ),
    "events": (
        NarrowEvents(6, 1, (Event(2, 1.0), Event(255, -2.0))),
        bytes.fromhex(f"04 00 11 C5 06 01 02 00 02 {ONE} FF {MINUS_TWO}"),
    ),
    "eight events": (
        NarrowEvents(6, 1, EIGHT_EVENTS),
        bytes.fromhex("04 00 11 C5 06 01 08 00" + "".join(f"{i:02X} {ONE}" for i in range(8))),
    ),
    "xor": (
        XorFrame(8, 11, 300, bytes([0, 255, 7, 45])),
        bytes.fromhex("05 00 11 C5 08 0B 2C 01 04 00 00 FF 07 2D"),
    ),
    "state": (STATE, STATE_BYTES),
    "time sync": (
        MeshPacket(TimeSync(1, 2, 3), 0x12345678),
        mesh(1, 16, "01 00 00 00 00 00 00 00 02 00 00 00 03 00 00 00"),
    ),
    "role assign": (
        MeshPacket(RoleAssign(9, 4, 5), 0x12345678),
        mesh(2, 16, "09 00 00 00 00 00 00 00 04 00 00 00 05 00 00 00"),
    ),
    "channel plan": (
        MeshPacket(ChannelPlan(9, 0x0102, True, (1, 6, 11), 5), 0x12345678),
        mesh(3, 24, "09 00 00 00 00 00 00 00 03 01 02 01 01 06 0B 00 00 00 00 00 05 00 00 00"),
    ),
    "calibration start": (
        MeshPacket(CalibrationStart(1, 2, 3, 4), 0x12345678),
        mesh(4, 20, "01 00 00 00 00 00 00 00 02 00 00 00 03 00 00 00 04 00 00 00"),
    ),
    "feature delta": (MeshPacket(STATE, 0x12345678), mesh(5, 60, STATE_BYTES.hex())),
    "health": (
        MeshPacket(Health(9, 1, 2, 11, 20, -95, 28, 0x0102, 3), 0x12345678),
        mesh(
            6,
            28,
            "09 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 0B 14 A1 1C 00 02 01 03 00 00 00",
        ),
    ),
    "alert": (
        MeshPacket(Alert(9, 1, 2, 4, 1.0, 0.5), 0x12345678),
        mesh(7, 28, f"09 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 04 00 00 {ONE} {HALF}"),
    ),
    "unknown mesh message": (
        MeshPacket(UnknownMessage(200, b"\1\2"), 0x12345678),
        mesh(200, 2, "01 02"),
    ),
    "wide events": (
        WideEvents(6, 2, 0x0102030405060708, 0xFFFE, (Event(600, 1.0), Event(88, -2.0))),
        bytes.fromhex(
            "01 EF 11 C5 06 02 02 00 08 07 06 05 04 03 02 01 FE FF 00 00"
            f" 58 02 {ONE} 58 00 {MINUS_TWO}"
        ),
    ),
    "compressed": (
        CompressedFrame(7, 0x10, 2, 2437, 1, 9, 0x01020304, 5, -60, -95, 0xBEEF, 8, b"\xaa"),
        bytes.fromhex(
            "02 EF 11 C5 07 10 02 00 85 09 01 09 04 03 02 01 05 00 C4 A1 EF BE 01 00"
            " 08 00 00 00 00 00 00 00 AA"
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_packets_have_the_bytes_of_the_tables(name: str) -> None:
    packet, data = GOLDEN[name]
    assert packet.encode() == data
    assert csi.decode(data) == packet


@pytest.mark.parametrize("name", GOLDEN)
def test_every_cut_and_every_addition_is_refused(name: str) -> None:
    _, data = GOLDEN[name]
    for end in range(len(data)):
        with pytest.raises(ProtocolError, match="offset"):
            csi.decode(data[:end])
    with pytest.raises(ProtocolError, match="offset"):
        csi.decode(data + b"\0")


@pytest.mark.parametrize("name", ["state", "health", "feature delta", "unknown mesh message"])
def test_a_flipped_bit_is_found_where_there_is_a_checksum(name: str) -> None:
    _, data = GOLDEN[name]
    for place in range(4, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        with pytest.raises(ProtocolError):
            csi.decode(bytes(damaged))


@pytest.mark.parametrize(
    ("length", "count", "kind"),
    [(8 + 5 * n, n, NarrowEvents) for n in range(1, 17)]
    + [(48, n, FusedVitals) for n in (0, 7, 9, 10, 16, 17, 600, 65535)],
)
def test_the_magic_that_two_packets_share_is_told_apart(
    length: int, count: int, kind: type
) -> None:
    data = struct.pack("<IBBH", 0xC5110004, 1, 2, count).ljust(length, b"\0")
    assert csi.classify(data) is kind


def test_the_reserved_and_unknown_magics_are_refused() -> None:
    for magic in (0xC5110007, 0xC5110000, 0):
        with pytest.raises(ProtocolError, match="offset 0"):
            csi.decode(magic.to_bytes(4, "little") + bytes(44))


def test_channels_and_frequencies() -> None:
    assert [frequency_of(number) for number in (1, 13, 14, 36, 177)] == [
        2412,
        2472,
        2484,
        5180,
        5885,
    ]
    assert [frequency_of(number) for number in (0, 15, 35, 178, -1)] == [0] * 5
    for number in range(256):
        assert channel_of(frequency_of(number)) == (number if frequency_of(number) else 0)


def test_pairs_come_as_a_view() -> None:
    pairs = replace(RAW, payload=bytes(range(8)), antennas=2).pairs
    assert pairs.shape == (2, 2, 2) and pairs.dtype == np.int8
    assert pairs[1, 0].tolist() == [4, 5] and not pairs.flags.writeable


@pytest.mark.parametrize(
    "packet",
    [
        replace(RAW, node=256),
        replace(RAW, payload=b""),
        replace(RAW, payload=b"odd"),
        replace(RAW, payload=bytes(1026)),
        replace(RAW, antennas=0),
        replace(RAW, rssi=128),
        replace(VITALS, breathing_bpm=656.0),
        replace(VITALS, breathing_bpm=-1.0),
        replace(VITALS, heart_bpm=float("nan")),
        replace(VITALS, motion_energy=float("inf")),
        replace(VITALS, presence_score=1e39),
        replace(STATE, sequence=-1),
        FeatureVector(1, 1, 1, (0.0,) * 7),
        NarrowEvents(1, 1, ()),
        NarrowEvents(1, 1, (Event(256, 1.0),)),
        NarrowEvents(1, 1, (Event(1, 1.0),) * 17),
        WideEvents(1, 1, 1, 1, (Event(65536, 1.0),)),
        WideEvents(1, 1, 1, 1, (Event(1, 1.0),) * 65),
        MeshPacket(ChannelPlan(1, 65536, True, (1,), 1), 1),
        MeshPacket(ChannelPlan(1, 1, True, (256,), 1), 1),
        MeshPacket(ChannelPlan(1, 1, True, (1,) * 9, 1), 1),
        MeshPacket(UnknownMessage(6, b""), 1),
        MeshPacket(UnknownMessage(8, bytes(257)), 1),
    ],
)
def test_what_does_not_fit_is_not_written(packet: csi.Packet) -> None:
    with pytest.raises(PayloadError):
        packet.encode()


@pytest.mark.parametrize(
    ("name", "place", "value", "told"),
    [
        ("raw", 5, b"\0", "offset 5"),
        ("raw", 6, b"\0\0", "offset 6"),
        ("raw", 6, b"\x01\x02", "offset 6"),
        ("vitals", 16, b"\0\0\xc0\x7f", "offset 16"),
        ("vitals", 20, b"\0\0\x80\x7f", "offset 20"),
        ("fused", 36, b"\0\0\x80\xff", "offset 36"),
        ("features", 44, b"\0\0\xc0\x7f", "offset 44"),
        ("events", 14, b"\0\0\xc0\x7f", "offset 14"),
        ("wide events", 28, b"\0\0\xc0\x7f", "offset 28"),
        ("wide events", 6, b"\x41\0", "offset 6"),
        ("xor", 6, b"\x2d", "offset 6"),
        ("xor", 11, b"\0", "offset 10"),
        ("compressed", 5, b"\x20", "offset 5"),
        ("compressed", 5, b"\x11", "offset 16"),
        ("compressed", 16, b"\0", "offset 16"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    name: str, place: int, value: bytes, told: str
) -> None:
    damaged = bytearray(GOLDEN[name][1])
    damaged[place : place + len(value)] = value
    with pytest.raises(ProtocolError, match=told):
        csi.decode(bytes(damaged))


def test_counts_of_a_mesh_message_are_bounded() -> None:
    for kind, length, payload in ((3, 24, "00" * 8 + "09" + "00" * 15), (1, 2, "01 02")):
        with pytest.raises(ProtocolError, match="offset"):
            csi.decode(mesh(kind, length, payload))


bytes_of_u = st.integers(0, 255)
messages: st.SearchStrategy[MeshMessage] = st.one_of(
    st.builds(TimeSync, *[st.integers(0, 2**32 - 1)] * 3),
    st.builds(UnknownMessage, st.integers(8, 255), st.binary(max_size=256)),
)


@given(st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_every_rate_survives(breathing: int, heart: int) -> None:
    data = bytearray(GOLDEN["vitals"][1])
    data[6:12] = struct.pack("<HI", breathing, heart)
    assert csi.decode(bytes(data)).encode() == data


@given(messages, bytes_of_u, bytes_of_u)
def test_mesh_packets_come_back(message: MeshMessage, role: int, auth: int) -> None:
    packet = MeshPacket(message, 1, role, auth)
    assert csi.decode(packet.encode()) == packet


@given(st.binary(max_size=600), st.sampled_from([*GOLDEN]), st.integers(0, 40))
def test_arbitrary_datagrams_are_packets_or_refused(data: bytes, name: str, kept: int) -> None:
    for hostile in (data, GOLDEN[name][1][:kept] + data):
        try:
            packet = csi.decode(hostile)
        except ProtocolError as error:
            assert "offset" in str(error) or "CRC" in str(error)
        else:
            assert len(packet.encode()) == len(hostile)
