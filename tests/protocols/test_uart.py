"""The host's side of a board's two protocols."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ProtocolError
from edgeflow.protocols import uart

noise = st.binary(max_size=60)
payloads = st.binary(max_size=300)
messages = st.tuples(
    st.integers(0, 255), st.integers(0, 65535), payloads, st.integers(0, 255), st.integers(0, 14)
)


def events_of(receiver, data, cuts):
    """Feed data in pieces."""
    events, at = [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        events += receiver.feed(data[at:cut])
        at = cut
    return events


def found(events):
    return [event for event in events if isinstance(event, uart.Message)]


def test_the_header_is_as_the_page_says():
    data = uart.encode(uart.Type.INFER, 0x1234, b"abc", model=2)
    assert data[:14].hex(" ") == "45 46 58 31 03 00 34 12 02 00 03 00 00 00"
    assert data[16:19] == b"abc" and len(data) == 23


@given(
    st.lists(messages, max_size=6),
    st.lists(noise, min_size=7, max_size=7),
    st.lists(st.integers(0, 4000)),
)
def test_messages_survive_any_noise_between_them(sent, between, cuts):
    data = between[0]
    for each, after in zip(sent, between[1:], strict=False):
        kind, number, payload, model, status = each
        data += uart.encode(kind, number, payload, model=model, status=status) + after
    receiver = uart.Receiver()
    got = found(events_of(receiver, data + bytes(uart.MAX_PAYLOAD + 64), cuts))
    assert [(m.type, m.id, m.payload, m.model, m.status) for m in got] == sent


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000)), st.booleans(), st.integers(0, 9))
def test_arbitrary_bytes_never_crash_and_no_byte_is_lost(data, cuts, info, horizon):
    receiver = uart.Receiver()
    receiver.take_info, receiver.horizon = info, horizon
    events = events_of(receiver, data, cuts)
    size = 0
    for event in events:
        if isinstance(event, uart.Text):
            size += len(event.data)
        elif isinstance(event, uart.Message):
            size += len(event.payload) + uart.OVERHEAD
        elif isinstance(event, uart.Info):
            size += 12
        else:
            size += 8 + event.values.nbytes
    assert size + receiver.partial == len(data)


@given(payloads, st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_never_taken_for_a_message(payload, place, change):
    data = bytearray(uart.encode(0x83, 7, payload))
    data[place % len(data)] ^= change
    receiver = uart.Receiver()
    good = uart.encode(0x83, 8, b"good")
    got = found(receiver.feed(bytes(data) + good * 3))
    while not got or receiver.partial:
        got += found(receiver.give_up())
    assert all(m.payload == b"good" and m.id == 8 for m in got)


@given(payloads, st.integers(0, 10_000), st.integers(1, 40))
def test_dropped_bytes_cost_one_message_only(payload, place, count):
    data = uart.encode(0x83, 7, payload)
    place %= len(data)
    cut = data[:place] + data[place + count :]
    receiver = uart.Receiver()
    got = found(receiver.feed(cut + uart.encode(0x83, 8, b"next") + bytes(400)))
    # The next byte may be the one that was dropped: then the first is whole, and costs the other.
    assert [(m.id, m.payload) for m in got] in ([(8, b"next")], [(7, payload)])


def test_magics_inside_a_payload_are_no_messages():
    inner = uart.encode(0x83, 1, b"inner")
    receiver = uart.Receiver()
    assert [m.payload for m in found(receiver.feed(uart.encode(0x83, 2, inner)))] == [inner]


def test_a_message_inside_a_damaged_one_is_found():
    inner = uart.encode(0x83, 1, b"inner")
    outer = bytearray(uart.encode(0x83, 2, inner))
    outer[-1] ^= 1
    receiver = uart.Receiver()
    assert [m.payload for m in found(receiver.feed(bytes(outer)))] == [b"inner"]
    assert receiver.damaged == 1


def test_reference_answers_among_logs():
    receiver = uart.Receiver()
    receiver.take_info, receiver.horizon = True, 2
    log = b"I (31) boot: INFO about PRED and INF\r\n"
    info = b"INFO" + bytes([32, 0, 4, 0, 2, 0, 32, 0])
    answer = b"PRED\x02\0\0\0" + np.array([1.5, -2], "<f4").tobytes()
    events = receiver.feed(log + info + log + answer + b"PRED\0\0\0\0" + log)
    assert uart.Info(32, 4, 2, 32) in events
    values = [e.values.tolist() for e in events if isinstance(e, uart.Prediction)]
    assert values == [[1.5, -2.0], []]
    assert b"".join(e.data for e in events if isinstance(e, uart.Text)) == log * 3


def test_reference_answers_are_text_where_none_is_expected():
    receiver = uart.Receiver()
    data = b"INFO" + bytes([32, 0, 4, 0, 2, 0, 32, 0]) + b"PRED\0\0\0\0"
    assert receiver.feed(data) == [uart.Text(data)]


def test_a_prediction_of_another_length_is_none():
    receiver = uart.Receiver()
    receiver.horizon = 3
    assert not any(
        isinstance(e, uart.Prediction) for e in receiver.feed(b"PRED\x02\0\0\0" + bytes(8))
    )


def test_what_is_held_is_bounded():
    receiver = uart.Receiver()
    huge = uart.HEADER_BYTES
    for _ in range(200):
        receiver.feed(uart.encode(0x83, 1, bytes(30000))[:huge] + bytes(1000))
        assert receiver.partial <= uart.MAX_PAYLOAD + uart.OVERHEAD


@given(st.binary(max_size=200))
def test_replies_of_any_bytes_are_read_or_refused(payload):
    for decode in (
        uart.decode_hello,
        uart.decode_model,
        uart.decode_statistics,
        uart.decode_dimensions,
    ):
        try:
            decode(payload)
        except ProtocolError:
            continue
    assert str(uart.decode_refusal(4, payload)).startswith("the values do not fit")


def test_a_request_that_fits_no_field_is_refused():
    with pytest.raises(ValueError, match="more than a message"):
        uart.encode(1, 1, bytes(uart.MAX_PAYLOAD + 1))
    with pytest.raises(ValueError, match="field"):
        uart.encode(1, 65536)


def test_int8_values_stay_within_half_a_step():
    sample = np.random.default_rng(1).normal(size=(32, 4)).astype(np.float32)
    sample[:, 2] = 0
    scales = uart.scales_of(sample)
    values = uart.quantise(sample, scales)
    assert np.abs(values * scales - sample).max() <= scales.max() * 0.501
    assert uart.quantise(np.float32([[0.5, -0.5]]), np.float32([1, 1])).tolist() == [[1, -1]]
