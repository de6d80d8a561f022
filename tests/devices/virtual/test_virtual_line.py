"""Wires, noise, the ends of messages and the reset circuit: all without clock and I/O."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.devices.virtual.messages import MessageEnds
from edgeflow.devices.virtual.noise import Noise, NoiseRates, parse_noise
from edgeflow.devices.virtual.reset import Boot, ResetCircuit
from edgeflow.devices.virtual.wire import Wire
from edgeflow.errors import ConfigError

CHUNKS = st.lists(st.tuples(st.floats(0, 0.2), st.binary(min_size=1, max_size=40)), max_size=12)


def test_a_byte_takes_ten_bits() -> None:
    wire = Wire(115200)
    assert wire.put(b"x" * 1152, 5.0) == pytest.approx(5.1)
    assert wire.take(5.05) == b"x" * 576
    assert wire.take(5.0999) == b"x" * 574
    assert wire.take(5.1) == b"x" * 2 and wire.next_end() is None


def test_chunks_wait_for_each_other_and_not_for_the_reader() -> None:
    wire = Wire(1000)
    wire.put(b"0123456789", 0.0)
    assert wire.put(b"abcde", 0.05) == pytest.approx(0.15)
    assert wire.arrival(10) == pytest.approx(0.11) and wire.arrival(15) is None
    assert wire.take(99.0) == b"0123456789abcde"
    assert wire.put(b"!", 100.0) == pytest.approx(100.01)


@given(CHUNKS, st.sampled_from([9600, 921600, None]))
def test_all_bytes_arrive_in_order_and_none_early(
    chunks: list[tuple[float, bytes]], baud: int | None
) -> None:
    wire, now, got = Wire(baud), 0.0, b""
    for wait, data in chunks:
        now += wait
        got += wire.take(now)
        wire.put(data, now)
        if baud:
            assert len(got) <= now * baud / 10 + 1
    sent = b"".join(data for _, data in chunks)
    assert got + wire.take(now + 1000) == sent and wire.count == 0


def test_a_full_line_drops_and_counts() -> None:
    wire = Wire(9600, limit=10)
    wire.put(b"x" * 25, 0.0)
    assert wire.dropped == 15 and wire.take(1e9) == b"x" * 10


def test_a_cut_line_keeps_what_had_arrived() -> None:
    wire = Wire(1000)
    wire.put(b"abcdef", 0.0)
    wire.cut(0.035)
    assert wire.take(0.035) == b"abc" and wire.next_end() is None


@given(st.binary(max_size=400), st.integers(1, 60))
def test_ends_never_fall_before_what_was_there(data: bytes, cut: int) -> None:
    ends = MessageEnds()
    for start in range(0, len(data), cut):
        ends.feed(data[start : start + cut])
    assert list(ends.ends) == sorted(ends.ends)
    assert all(4 <= end <= len(data) + 64 * 1024 for end in ends.ends)


@given(st.integers(1, 50))
def test_ends_of_requests_are_found_however_they_are_cut(cut: int) -> None:
    infer = b"INFR" + struct.pack("<I", 3) + b"METAEFX1INFR"
    framed = b"EFX1" + bytes(6) + struct.pack("<I", 5) + bytes(2) + b"hello" + bytes(4)
    stream = b"log META" + infer + b"\r\n" + framed + b"META"
    ends = MessageEnds()
    for start in range(0, len(stream), cut):
        ends.feed(stream[start : start + cut])
    assert list(ends.ends) == [8, 28, 55, 59]


def test_noise_is_the_same_for_the_same_seed_and_near_its_rate() -> None:
    rates = NoiseRates(flip=0.01, drop=0.01, insert=0.01, seed=5)
    first, second = Noise(rates, 0), Noise(rates, 0)
    data = bytes(100_000)
    assert first.apply(data) == b"".join(
        second.apply(data[i : i + 37]) for i in range(0, len(data), 37)
    )
    assert 2000 < first.disturbed < 4000 and first.disturbed == second.disturbed
    assert Noise(rates, 1).apply(data) != Noise(rates, 0).apply(data)


def test_a_clean_line_changes_nothing() -> None:
    noise = Noise(NoiseRates(), 0)
    assert noise.apply(b"abc") == b"abc" and noise.log_line(1.0, 5) == b""


def test_noise_is_read_from_text() -> None:
    assert parse_noise("flip=0.001,logs=2,seed=7") == NoiseRates(flip=0.001, logs=2.0, seed=7)
    assert parse_noise("").silent
    for wrong in ("flap=1", "flip=x", "flip=0.9", "drop=-1"):
        with pytest.raises(ConfigError):
            parse_noise(wrong)


def test_hosts_that_step_through_both_lines_reach_the_loader() -> None:
    circuit = ResetCircuit()
    assert circuit.change(True, True, 0.0) is None and not circuit.held
    assert circuit.change(False, True, 0.1) is None and circuit.held
    assert circuit.change(True, True, 0.2) is None and circuit.held
    assert circuit.change(True, False, 0.3) is Boot.LOADER
    assert circuit.change(False, False, 0.4) is None


def test_rts_alone_resets_into_the_application() -> None:
    circuit = ResetCircuit()
    circuit.change(False, True, 0.0)
    assert circuit.due is None
    assert circuit.change(False, False, 0.1) is Boot.APPLICATION and not circuit.held


def test_opening_a_port_with_both_lines_on_resets_nothing() -> None:
    circuit = ResetCircuit()
    assert circuit.change(True, False, 0.0) is None
    assert circuit.change(True, True, 0.1) is None and not circuit.held
    assert circuit.change(False, False, 0.2) is None


def test_en_rises_by_itself_when_dtr_stays_on_too() -> None:
    circuit = ResetCircuit()
    circuit.change(False, True, 0.0)
    circuit.change(True, True, 0.1)
    assert circuit.due is not None and circuit.due > 0.1
    assert circuit.expire() is Boot.APPLICATION and not circuit.held
