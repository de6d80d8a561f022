"""Packets of CSI nodes: the core and the Python codec write the same bytes, and read them."""

import lzma
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow._native.library import ffi, lib
from edgeflow.errors import ProtocolError
from edgeflow.protocols import csi
from edgeflow.protocols.csi_compressed import (
    CompressedFrame,
    Compressor,
    Decoder,
    Decompressed,
    MissingKeyframe,
)
from edgeflow.protocols.csi_events import Event, NarrowEvents, WideEvents
from edgeflow.protocols.csi_mesh import Alert, Health, MeshPacket, UnknownMessage
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import (
    FeatureState,
    FeatureVector,
    FusedVitals,
    Quality,
    Vitals,
    VitalsFlags,
)
from edgeflow.protocols.csi_xor import XorFrame

ROOM = 1120
DATA = Path(__file__).parents[1] / "data/csi"

u8, u16, u32, u64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
i8 = st.integers(-128, 127)
f32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
events = st.lists(st.builds(Event, u8, f32), min_size=1, max_size=16).map(tuple)
wide = st.lists(st.builds(Event, u16, f32), min_size=1, max_size=64).map(tuple)
payloads = st.one_of(
    st.binary(min_size=1, max_size=300).map(lambda half: half + half),
    st.lists(st.integers(-6, 6), min_size=1, max_size=130).map(
        lambda values: bytes(value & 255 for value in values for _ in (0, 1))
    ),
    st.binary(min_size=8, max_size=8).map(lambda seed: bytes(8) + seed * 14 + bytes(8)),
)


def written(encode: Any, *arguments: Any) -> bytes:
    """What an encoder of the core writes, into memory of no more than its bound."""
    to = ffi.new(f"uint8_t[{ROOM}]")
    return bytes(ffi.buffer(to, encode(*arguments, to, ROOM)))


def read_and_written(kind: str, name: str, data: bytes) -> bytes:
    """Through a decoder of the core, then through its encoder."""
    held = ffi.from_buffer("uint8_t[]", data)
    packet = ffi.new(f"ef_csi_{kind}_packet *")
    assert getattr(lib, f"ef_csi_decode_{name}")(held, len(data), packet) == lib.EF_OK
    return written(getattr(lib, f"ef_csi_encode_{name}"), packet)


@given(u8, u32, u32, i8, i8, payloads, st.sampled_from([1, 2, 4]))
def test_raw(
    node: int, sequence: int, mhz: int, rssi: int, noise: int, payload: bytes, antennas: int
) -> None:
    frame = RawFrame(node, sequence, mhz, rssi, noise, payload * antennas, antennas)
    if len(frame.payload) <= 1024:
        assert read_and_written("raw", "raw", frame.encode()) == frame.encode()


@given(u8, u8, u16, u32, i8, u8, f32, f32, u32)
def test_vitals(
    node: int,
    flags: int,
    breathing: int,
    heart: int,
    rssi: int,
    persons: int,
    motion: float,
    score: float,
    ms: int,
) -> None:
    common: tuple[Any, ...] = (node, VitalsFlags(flags), breathing / 100, heart / 10000, rssi)
    common = (*common, persons, motion, score, ms)
    alone = Vitals(*common).encode()
    assert read_and_written("vitals", "vitals", alone) == alone

    fused = FusedVitals(*common, 1, 90, motion, score, motion, persons, 80).encode()
    assert read_and_written("vitals", "fused", fused) == fused


@given(u8, u16, st.integers(-(2**63), 2**63 - 1), st.tuples(*[f32] * 8))
def test_features(node: int, sequence: int, time: int, values: tuple[float, ...]) -> None:
    data = FeatureVector(node, sequence, time, values).encode()
    assert read_and_written("features", "features", data) == data


@given(u8, u8, u16, u64, st.tuples(*[f32] * 9), u16)
def test_state(
    node: int, mode: int, sequence: int, time: int, values: tuple[float, ...], quality: int
) -> None:
    fields: list[Any] = [node, mode, sequence, time, *values, Quality(quality)]
    data = FeatureState(*fields).encode()
    assert read_and_written("state", "state", data) == data


@given(u8, u8, events, wide, u64, u16)
def test_events(
    node: int,
    slot: int,
    few: tuple[Event, ...],
    many: tuple[Event, ...],
    time: int,
    sequence: int,
) -> None:
    narrow = NarrowEvents(node, slot, few).encode()
    assert read_and_written("events", "events", narrow) == narrow
    own = WideEvents(node, slot, time, sequence, many).encode()
    assert read_and_written("events", "wide_events", own) == own


@given(u32, u8, u8, st.integers(8, 255), st.binary(max_size=256))
def test_mesh(epoch: int, role: int, auth: int, kind: int, body: bytes) -> None:
    data = MeshPacket(UnknownMessage(kind, body), epoch, role, auth).encode()
    assert read_and_written("mesh", "mesh", data) == data


def test_health_and_alert() -> None:
    to = ffi.new("uint8_t[28]")
    health = {"node": 9, "role": 2, "channel": 11, "bandwidth_mhz": 20, "noise_floor": -95}
    health |= {"time_us": 1 << 40, "frame_rate": 28, "sync_error_us": 258, "flags": 3}
    lib.ef_csi_write_health(ffi.new("ef_csi_health *", health), to)
    assert bytes(to) == Health(9, 1 << 40, 2, 11, 20, -95, 28, 258, 3).payload()
    alert = {"node": 9, "severity": 2, "reason": 4, "time_us": 1, "anomaly": 1.0, "motion": 0.5}
    lib.ef_csi_write_alert(ffi.new("ef_csi_alert *", alert), to)
    assert bytes(to) == Alert(9, 1, 2, 4, 1.0, 0.5).payload()


@given(payloads, st.data())
def test_xor(before: bytes, data: st.DataObject) -> None:
    now = bytearray(before)
    for place in data.draw(st.lists(st.integers(0, len(before) - 1), max_size=3)):
        now[place] ^= 3
    wanted = XorFrame.between(2, 6, before, bytes(now))
    found = written(lib.ef_csi_encode_xor, 2, 6, before, bytes(now), len(now))
    assert found == (wanted.encode() if wanted else b"")


def native_frame(frame: RawFrame) -> tuple[Any, Any]:
    pairs = ffi.from_buffer("int8_t[]", frame.payload)
    fields = {"node": frame.node, "antennas": frame.antennas, "subcarriers": frame.subcarriers}
    fields |= {"frequency_mhz": frame.frequency_mhz, "sequence": frame.sequence, "pairs": pairs}
    fields |= {"rssi": frame.rssi, "noise_floor": frame.noise_floor}
    return ffi.new("ef_csi_raw_packet *", fields), pairs


def expand(keys: Any, data: bytes) -> tuple[int, bytes]:
    """The core's status, and the frame."""
    held = ffi.from_buffer("uint8_t[]", data)
    packet = ffi.new("ef_csi_compressed_packet *")
    status = lib.ef_csi_decode_compressed(held, len(data), packet)
    if status != lib.EF_OK:
        return status, b""
    count = packet.antennas * packet.subcarriers
    pairs = ffi.new(f"int8_t[{2 * count}]")
    return lib.ef_csi_expand(keys, packet, pairs, count), bytes(ffi.buffer(pairs))


def check_both_ways(rows: list[tuple[int, int, RawFrame]]) -> None:
    compressor, decoder = Compressor(), Decoder()
    sender, receiver = ffi.new("ef_csi_keys *"), ffi.new("ef_csi_keys *")
    for time, source, frame in rows:
        native, _held = native_frame(frame)
        data = written(lib.ef_csi_compress, sender, native, time, source, 1_000_000)
        packet = compressor.compress(frame, time, source)
        assert data == packet.encode()
        assert expand(receiver, data) == (lib.EF_OK, frame.payload)
        assert decoder.expand(packet) == Decompressed(frame, source, time)


@given(st.lists(st.tuples(payloads, st.integers(0, 400_000)), min_size=1, max_size=8))
def test_compressed(steps: list[tuple[bytes, int]]) -> None:
    rows, time = [], 0
    for number, (payload, later) in enumerate(steps):
        time += later
        rows.append((time, 3, RawFrame(1, (0xFFFFFFFC + number) % 2**32, 2437, -60, -90, payload)))
    check_both_ways(rows)


@pytest.mark.parametrize("name", ["vacio_01", "mov_01"])
def test_compressed_recordings(name: str) -> None:
    rows = []
    with lzma.open(DATA / f"{name}.csv.xz", "rt") as lines:
        for number, line in enumerate(islice(lines, 500)):
            values = line[line.index("[") + 1 : line.index("]")].split()
            frame = RawFrame(1, number, 2437, -60, -90, bytes(int(v) & 255 for v in values))
            fields = line.split(",", 19)
            rows.append((int(fields[18]), int(fields[2][-2:], 16), frame))
    check_both_ways(rows)


@given(st.binary(max_size=140), st.integers(0, 31), st.integers(1, 60), st.integers(0, 2), u16)
def test_arbitrary_compressed_data_is_judged_alike(
    data: bytes, flags: int, subcarriers: int, distance: int, check: int
) -> None:
    key = RawFrame(1, 9, 2437, 0, 0, bytes(2) + bytes(range(2 * subcarriers))[2:])
    decoder, receiver = Decoder(), ffi.new("ef_csi_keys *")
    first = Compressor().compress(key, 0)
    decoder.expand(first)
    assert expand(receiver, first.encode())[0] == lib.EF_OK
    packet = CompressedFrame(
        1, flags, subcarriers, 1, 1, 0, 9 + distance, distance, 0, 0, check, 0, data
    )
    datagram = packet.encode()
    status, pairs = expand(receiver, datagram)
    try:
        read = csi.decode(datagram)
        assert isinstance(read, CompressedFrame)
        found = decoder.expand(read)
    except ProtocolError:
        assert status in (lib.EF_ERROR_LENGTH, lib.EF_ERROR_UNSUPPORTED, lib.EF_ERROR_CRC)
        return
    if isinstance(found, MissingKeyframe):
        assert status == lib.EF_ERROR_STATE
    else:
        assert (status, pairs) == (lib.EF_OK, found.frame.payload)


KINDS = {
    "RAW": RawFrame,
    "VITALS": Vitals,
    "FEATURES": FeatureVector,
    "FUSED": FusedVitals,
    "EVENTS": NarrowEvents,
    "XOR": XorFrame,
    "STATE": FeatureState,
    "MESH": MeshPacket,
    "WIDE_EVENTS": WideEvents,
    "COMPRESSED": CompressedFrame,
}


@given(
    st.sampled_from([*range(8), 0x8100, 0xEF01, 0xEF02, 0xEF03]),
    st.integers(0, 20),
    st.binary(max_size=100),
)
def test_kinds_are_told_alike(low: int, count: int, rest: bytes) -> None:
    data = struct.pack("<IBBH", 0xC5110000 | low, 1, 2, count) + rest[: max(0, 5 * count)]
    kind = lib.ef_csi_packet_kind(data, len(data))
    try:
        wanted = csi.classify(data)
    except ProtocolError:
        assert kind == lib.EF_CSI_KIND_NONE
    else:
        assert KINDS[next(n for n in KINDS if getattr(lib, f"EF_CSI_KIND_{n}") == kind)] is wanted
