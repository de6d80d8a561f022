"""Lossless compression: on real recordings, through loss and reordering, against hostile bytes."""

import json
import lzma
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols import csi
from edgeflow.protocols.csi_compressed import (
    CompressedFrame,
    Compressor,
    Decoder,
    Decompressed,
    MissingKeyframe,
)
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags

DATA = Path(__file__).parents[1] / "data/csi"
NODE = 7

Timed = tuple[int, int, RawFrame]


def frame(sequence: int, payload: bytes) -> RawFrame:
    return RawFrame(NODE, sequence, 2437, -60, -90, payload)


def recorded(name: str, most: int) -> Iterator[Timed]:
    """Time in us, source and frame of each row."""
    with lzma.open(DATA / name, "rt") as lines:
        for sequence, line in enumerate(islice(lines, most)):
            numbers = line[line.index("[") + 1 : line.index("]")].split()
            payload = bytes(int(number) & 255 for number in numbers)
            fields = line.split(",", 19)
            yield int(fields[18]), int(fields[2][-2:], 16), frame(sequence, payload)


def recorded_by_the_reference(most: int) -> Iterator[Timed]:
    with lzma.open(DATA / "ruview_pretrain-1775182186.csi.jsonl.xz", "rt") as lines:
        rows = (json.loads(line) for line in lines)
        raw = (row for row in rows if row["magic"] == "0xC5110001" and row["node_id"] == 1)
        for sequence, row in enumerate(islice(raw, most)):
            payload = bytes.fromhex(row["iq_hex"])
            yield int(row["timestamp"] * 1e6), 0, frame(sequence, payload)


@pytest.mark.parametrize(
    ("name", "payload", "datagram"),
    [
        ("resp_6rpm.csv.xz", 0.78, 0.58),
        ("resp_puerta_6rpm_b.csv.xz", 0.66, 0.48),
        ("resp_vacio.csv.xz", 0.71, 0.53),
        ("mov_01.csv.xz", 0.65, 0.48),
        ("vacio_01.csv.xz", 0.65, 0.48),
        ("", 0.67, 0.52),
    ],
)
def test_recordings_come_back_and_get_shorter(name: str, payload: float, datagram: float) -> None:
    rows = list(recorded(name, 600) if name else recorded_by_the_reference(600))
    compressor, decoder = Compressor(), Decoder()
    keys: list[int] = []
    coded = sent = 0
    for time, source, raw in rows:
        packet = compressor.compress(raw, time, source)
        data = packet.encode()
        read = csi.decode(data)
        assert isinstance(read, CompressedFrame)
        assert decoder.expand(read) == Decompressed(raw, source, time)
        coded += len(packet.data)
        sent += len(data)
        if packet.is_key:
            keys.append(time)
    whole = sum(len(raw.payload) for _, _, raw in rows)
    assert 1 - coded / whole > payload
    assert 1 - sent / (whole + 20 * len(rows)) > datagram
    assert len(keys) >= (rows[-1][0] - rows[0][0]) // 1_100_000


def test_vitals_alone_save_more_than_95_percent() -> None:
    rows = list(recorded("resp_6rpm.csv.xz", 1200))
    seconds = (rows[-1][0] - rows[0][0]) / 1e6
    # The firmware sends a frame every 20 ms at most, and its packets share what UDP and IP add.
    thinned = min(len(rows), 50 * seconds)
    raw = thinned * (28 + len(rows[0][2].encode()))
    vitals = Vitals(NODE, VitalsFlags(0), 6.0, 0.0, -60, 1, 0.1, 0.1, 1).encode()
    assert len(vitals) == 32
    assert 1 - seconds * (28 + len(vitals)) / raw > 0.95


def test_a_lost_frame_costs_itself_only_and_a_lost_keyframe_is_named() -> None:
    rows = list(recorded("mov_01.csv.xz", 400))
    compressor, decoder = Compressor(), Decoder()
    packets = [compressor.compress(raw, time) for time, _, raw in rows]
    keys = [packet.sequence for packet in packets if packet.is_key]
    assert keys[0] == 0 and len(keys) >= 3
    for packet, (_, _, raw) in zip(packets, rows, strict=True):
        lost = packet.sequence % 3 == 1 and not packet.is_key
        if lost or packet.sequence == keys[1]:
            continue
        found = decoder.expand(packet)
        if keys[1] < packet.sequence < keys[2]:
            assert found == MissingKeyframe(NODE, 0, packet.sequence, keys[1])
        else:
            assert isinstance(found, Decompressed) and found.frame == raw


def test_a_frame_that_its_successor_key_overtook_is_expanded() -> None:
    payload = bytes([0, 0, 0, 0, *range(40)])
    compressor, decoder = Compressor(key_interval_us=100), Decoder()
    packets = [compressor.compress(frame(i, payload), 60 * i) for i in range(6)]
    assert [packet.is_key for packet in packets] == [True, False] * 3
    order = [0, 2, 1, 4, 3]
    found = [decoder.expand(packets[i]) for i in order]
    assert [item.frame.sequence for item in found if isinstance(item, Decompressed)] == order
    fresh = Decoder()
    assert fresh.expand(packets[1]) == MissingKeyframe(NODE, 0, 1, 0)


def test_a_keyframe_of_a_life_before_is_not_taken() -> None:
    first, second = bytes([9, 9, 1, 1, *[5] * 40]), bytes([8, 8, 2, 2, *[5] * 40])
    decoder = Decoder()
    decoder.expand(Compressor().compress(frame(0, first), 0))
    restarted = Compressor()
    restarted.compress(frame(0, second), 0)
    leaning = restarted.compress(frame(1, second), 1)
    assert not leaning.is_key
    with pytest.raises(ProtocolError, match="offset 20"):
        decoder.expand(leaning)


def test_streams_and_keyframes_are_bounded() -> None:
    decoder = Decoder(max_streams=2)
    compressors = [Compressor() for _ in range(3)]
    for node, compressor in enumerate(compressors):
        raw = RawFrame(node, 0, 2437, 0, 0, bytes([0, 0, *[node + 1] * 60]))
        decoder.expand(compressor.compress(raw, 0))
    leaning = [
        compressor.compress(RawFrame(node, 1, 2437, 0, 0, bytes([0, 0, *[node + 1] * 60])), 1)
        for node, compressor in enumerate(compressors)
    ]
    found = [type(decoder.expand(packet)) for packet in leaning]
    assert found == [MissingKeyframe, Decompressed, Decompressed]
    for wrong in ({"key_interval_us": -1}, {"max_streams": 0}):
        with pytest.raises(ConfigError):
            Compressor(**wrong)


payloads = st.one_of(
    st.binary(min_size=1, max_size=200).map(lambda half: half + half),
    st.lists(st.integers(-9, 9), min_size=1, max_size=200).map(
        lambda values: bytes(value & 255 for value in values for _ in (0, 1))
    ),
    st.binary(min_size=8, max_size=8).map(lambda seed: bytes(8) + seed * 20 + bytes(8)),
)


@given(st.lists(st.tuples(payloads, st.integers(0, 400_000)), min_size=1, max_size=8))
def test_whatever_was_compressed_comes_back(steps: list[tuple[bytes, int]]) -> None:
    compressor, decoder, time = Compressor(), Decoder(), 0
    for number, (payload, later) in enumerate(steps):
        time += later
        raw = frame((0xFFFFFFFE + number) % 2**32, payload)
        packet = compressor.compress(raw, time)
        assert len(packet.data) <= len(payload)
        assert decoder.expand(packet) == Decompressed(raw, 0, time)


@given(st.binary(max_size=120), st.integers(0, 31), st.integers(1, 60), st.integers(0, 3))
def test_arbitrary_data_expands_or_is_refused(
    data: bytes, flags: int, subcarriers: int, distance: int
) -> None:
    decoder = Decoder()
    decoder.expand(Compressor().compress(frame(9, bytes([*range(2 * subcarriers)])), 0))
    packet = CompressedFrame(
        NODE, flags, subcarriers, 1, 1, 0, 9 + distance, distance, 0, 0, 0, 0, data
    )
    try:
        read = csi.decode(packet.encode())
        assert isinstance(read, CompressedFrame)
        found = decoder.expand(read)
    except ProtocolError:
        return
    assert isinstance(found, MissingKeyframe) or len(found.frame.payload) == 2 * subcarriers
