"""Arbitrary bytes on the line of a board, and a swap whose power goes at any operation."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from boards_in_memory import Wire, container, reference, samples
from edgeflow._native.board import BoardLimits
from edgeflow._native.model import NativeModel
from edgeflow.protocols.uart.messages import Type
from edgeflow.protocols.uart.requests import encode, encode_infr

SAMPLE = samples(1)[0]


def damaged(message: bytes, at: int, bit: int) -> bytes:
    copy = bytearray(message)
    copy[at] ^= 1 << bit
    return bytes(copy)


PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"EFX1", b"META", b"INFR", b"INFR\x12\0\0\0", encode_infr(SAMPLE)]),
    st.builds(
        lambda kind, model, payload: encode(kind, 7, payload, model=model),
        st.integers(0, 255).filter(lambda kind: kind not in (Type.RESTART, Type.SET_BAUD)),
        st.integers(0, 3),
        st.binary(max_size=100),
    ),
    st.builds(
        damaged,
        st.sampled_from([encode(Type.ECHO, 9, b"payload"), encode(Type.HELLO, 8)]),
        st.integers(0, 19),
        st.integers(0, 7),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PIECES, st.sampled_from([0, 0, 0.05, 0.3])), max_size=20))
def test_whatever_came_before_the_next_request_is_answered(
    pieces: list[tuple[bytes, float]],
) -> None:
    wire = Wire(file=reference(1), limits=BoardLimits(max_payload=1024, window_bytes=8192))
    for data, pause in pieces:
        wire.raw(data)
        wire.pass_time(pause)
    wire.pass_time(16)  # three payloads of the reference protocol may have begun in each other
    assert np.array_equal(wire.infer(SAMPLE), NativeModel(reference(1)).run(SAMPLE))
    assert wire.board.overrun == 0


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_how_bytes_are_cut_makes_no_difference(noise: bytes, sizes: list[int]) -> None:
    data = noise + encode(Type.ECHO, 1, b"one") + b"META" + encode(Type.ECHO, 2, noise)
    at_once, in_pieces = Wire(file=reference(1)), Wire(file=reference(1))
    expected = at_once.raw(data) + at_once.pass_time(8)
    said, at, turn = b"", 0, 0
    while at < len(data):
        said += in_pieces.raw(data[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    assert said + in_pieces.pass_time(8) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 2), st.integers(1, 2**32 - 1), st.booleans())
def test_power_that_goes_during_a_swap(cut: int, manner: int, noise: int, from_file: bool) -> None:
    wire = Wire(file=reference(1))
    if not from_file:
        wire.swap(container(3))
    before = wire.infer(SAMPLE)
    wire.board.cut_power(cut, manner=manner, noise=noise)
    try:
        wire.swap(container(2), within_ms=1000)
        wire.ask(Type.CONFIRM)
    except AssertionError:
        assert wire.board.power_lost
    wire.power_on()
    answer = wire.infer(SAMPLE)
    after = NativeModel(container(2)).run(SAMPLE)
    assert np.array_equal(answer, before) or np.array_equal(answer, after)
    assert wire.board.power_lost is False
    wire.swap(container(4))
    assert np.array_equal(wire.infer(SAMPLE), NativeModel(container(4)).run(SAMPLE))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_models_of_arbitrary_bytes_are_refused(file: bytes, seed: int) -> None:
    wire = Wire(file=reference(1))
    data = file or bytes(4)
    data = container(1)[: seed % 200] + data
    wire.call(Type.UPLOAD_BEGIN, struct.pack("<II", len(data), seed))
    wire.call(Type.UPLOAD_DATA, bytes(4) + data)
    wire.refuse(Type.UPLOAD_END)
    wire.refuse(Type.ACTIVATE, bytes(4))
    assert np.array_equal(wire.infer(SAMPLE), NativeModel(reference(1)).run(SAMPLE))
