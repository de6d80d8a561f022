import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import EngineError, ProtocolError, TensorError, UnknownModelError
from edgeflow.protocols.tensor import v1
from edgeflow.protocols.tensor.wire import (
    LENGTH,
    Limits,
    Status,
    error_of,
    status_of,
    version_of,
)

LIMITS = Limits()
ONE = np.array([1.0], np.float32)
SEVEN = np.array([7], np.int32)

VECTOR_ONE = bytes.fromhex(
    "23000000 54525401 0100 0000 01000000 01000000 00000000 6d 00 01 01000000 04000000 0000803f"
)
VECTOR_TWO = bytes.fromhex(
    "31000000 54525401 0100 0000 01000000 02000000 00000000 6d"
    "00 01 01000000 04000000 0000803f 03 01 01000000 04000000 07000000"
)
VECTOR_TWO_DESCRIPTORS_FIRST = bytes.fromhex(
    "31000000 54525401 0100 0100 01000000 02000000 00000000 6d"
    "00 01 01000000 04000000 03 01 01000000 04000000 0000803f 07000000"
)
VECTOR_ANSWER = bytes.fromhex("14000000 00000000 00000000 01000000 04000000 0000803f")

DTYPES = st.sampled_from(v1.DTYPES)
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3)
    )
)


def message(parts) -> bytes:
    return b"".join(parts)


def frame(parts) -> bytes:
    whole = message(parts)
    assert LENGTH.unpack_from(whole)[0] == len(whole) - 4
    return whole[4:]


def same(left, right) -> bool:
    return [(a.dtype, a.shape, a.tobytes()) for a in left] == [
        (b.dtype, b.shape, b.tobytes()) for b in right
    ]


def test_the_public_vectors_to_the_byte():
    assert message(v1.encode_request("m", [ONE])) == VECTOR_ONE
    assert message(v1.encode_request("m", [ONE, SEVEN])) == VECTOR_TWO
    flagged = v1.encode_request("m", [ONE, SEVEN], descriptors_first=True)
    assert message(flagged) == VECTOR_TWO_DESCRIPTORS_FIRST
    assert message(v1.encode_response(0, [ONE])) == VECTOR_ANSWER


def test_the_public_vectors_are_read():
    for vector in (VECTOR_TWO, VECTOR_TWO_DESCRIPTORS_FIRST):
        request = v1.decode_request(vector[4:], LIMITS)
        assert request.model == "m"
        assert same(request.inputs, [ONE, SEVEN])
        assert request.other is None
    answer = v1.decode_response(VECTOR_ANSWER[4:], LIMITS)
    assert (answer.status, answer.request_id) == (0, 0)
    assert bytes(answer.outputs[0]) == ONE.tobytes()


def test_an_unflagged_server_layout_is_understood():
    unflagged = bytearray(VECTOR_TWO_DESCRIPTORS_FIRST)
    unflagged[10] = 0
    assert same(v1.decode_request(bytes(unflagged[4:]), LIMITS).inputs, [ONE, SEVEN])


def test_the_length_of_the_model_id_counts_bytes():
    raw = frame(v1.encode_request("Modell-Ü", [ONE]))
    assert struct.unpack_from("<I", raw, 8)[0] == 9
    assert v1.decode_request(raw, LIMITS).model == "Modell-Ü"


@settings(deadline=None)
@given(st.lists(ARRAYS, max_size=4), st.booleans())
def test_round_trip_in_both_layouts(arrays, first):
    request = v1.decode_request(
        frame(v1.encode_request("net", arrays, descriptors_first=first)), LIMITS
    )
    assert same(request.inputs, arrays)


@settings(deadline=None)
@given(st.lists(ARRAYS, max_size=4), st.integers(0, 6))
def test_answers_survive(arrays, status):
    answer = v1.decode_response(frame(v1.encode_response(status, arrays, 9)), LIMITS)
    assert (answer.status, answer.request_id) == (status, 9)
    assert [bytes(blob) for blob in answer.outputs] == [array.tobytes() for array in arrays]


TINY = st.builds(
    lambda dtype, values, tail: np.array(values, dtype).reshape(tail(len(values))),
    DTYPES,
    st.lists(st.sampled_from([0, 0, 0, 1, 2, 4]), max_size=3),
    st.sampled_from([lambda n: (n,), lambda n: (1, n), lambda n: (n, 1, 1)]),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(TINY, min_size=2, max_size=4), st.booleans())
def test_an_ambiguous_frame_is_settled_by_the_model(arrays, first):
    parts = v1.encode_request("m", arrays, descriptors_first=first)
    raw = bytearray(frame(parts))
    raw[6] = 0
    request = v1.decode_request(bytes(raw), LIMITS)
    wanted = [(array.dtype, array.shape) for array in arrays]

    def fits(inputs) -> bool:
        return [(array.dtype, array.shape) for array in inputs] == wanted

    if request.other is None:
        assert same(request.inputs, arrays)
    else:
        assert same(request.inputs, arrays) or same(request.other, arrays)
        if not (fits(request.inputs) and fits(request.other)):
            assert same(v1.choose(request, fits), arrays)


def test_a_frame_that_parses_both_ways():
    inputs = [np.array([0, 2], np.int8), np.zeros((1, 0), np.int8)]
    request = v1.decode_request(frame(v1.encode_request("m", inputs)), LIMITS)
    assert same(request.inputs, inputs)
    assert request.other is not None
    assert [(str(each.dtype), each.shape) for each in request.other] == [
        ("int8", (2,)),
        ("float32", (66_050, 0)),
    ]
    assert v1.choose(request, lambda _: True) is request.inputs
    assert v1.choose(request, lambda _: False) is request.inputs
    assert v1.choose(request, lambda each: each is request.other) is request.other


def test_two_readings_that_agree_are_one():
    empty = [np.zeros((0,), np.float32)] * 3
    request = v1.decode_request(frame(v1.encode_request("m", empty)), LIMITS)
    assert request.other is None
    assert same(request.inputs, empty)


def test_large_arrays_are_neither_copied_in_nor_out():
    array = np.zeros((3, 100, 100), np.float32)
    parts = v1.encode_request("m", [array])
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), array) for part in parts)
    raw = frame(parts)
    offset = v1.data_offset(raw[:64])
    placed = np.empty(len(raw) + 64, np.uint8)
    shift = -(placed.ctypes.data + offset) % 64
    placed[shift : shift + len(raw)] = np.frombuffer(raw, np.uint8)
    view = v1.decode_request(placed[shift : shift + len(raw)].data, LIMITS).inputs[0]
    assert np.shares_memory(view, placed)
    assert view.flags.aligned


@pytest.mark.parametrize("first", [False, True])
def test_where_the_data_begins(first):
    arrays = [np.arange(5, dtype=np.float32).reshape(1, 5), SEVEN]
    raw = frame(v1.encode_request("model", arrays, descriptors_first=first))
    assert raw.index(arrays[0].tobytes()) == v1.data_offset(raw)
    assert v1.data_offset(raw[:10]) == 0
    assert v1.data_offset(raw[:25]) == 0


def test_big_endian_and_strided_arrays():
    array = np.arange(12, dtype=">f4").reshape(3, 4)[::2, ::-1]
    got = v1.decode_request(frame(v1.encode_request("m", [array])), LIMITS).inputs[0]
    assert np.array_equal(got, array)


def test_what_version_1_cannot_carry():
    for array in (np.zeros(2, np.int64), np.zeros(2, bool), np.zeros([1] * 9, np.float32)):
        with pytest.raises(TensorError, match="version 1"):
            v1.encode_request("m", [array])


def test_an_answer_carries_numbers_of_any_kind_and_nothing_else():
    answer = v1.encode_response(0, [np.arange(3), np.array([True]), np.zeros(1, np.uint16)])
    assert [len(blob) for blob in v1.decode_response(frame(answer), LIMITS).outputs] == [24, 1, 2]
    for array in (np.array(["x"]), np.array([object()]), np.zeros(1, complex)):
        with pytest.raises(TensorError, match="wire form"):
            v1.encode_response(0, [array])


HEAD = "54525401 0100 0000 01000000 01000000 00000000 6d"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "no header"),
        ("54525401 0100", "no header"),
        ("54525402 0100 0000 01000000 01000000 00000000 6d", "begins with"),
        ("54525401 0300 0000 01000000 01000000 00000000 6d", "not version 1"),
        ("54525401 0100 0000 ffffffff 01000000 00000000 6d", "model id"),
        ("54525401 0100 0000 02000000 00000000 00000000 6d", "model id"),
        ("54525401 0100 0000 01000000 00000000 00000000 ff", "UTF-8"),
        ("54525401 0100 0000 01000000 ffffffff 00000000 6d", "inputs"),
        (HEAD, "descriptor"),
        (HEAD + "00", "descriptor"),
        (HEAD + "00 01 01000000", "descriptor"),
        (HEAD + "4d 01 01000000 04000000 0000803f", "dtype 77"),
        (HEAD + "00 09" + "01000000" * 9 + "04000000 0000803f", "dimensions"),
        (HEAD + "00 01 63000000 10000000" + "00" * 16, "disagree"),
        (HEAD + "00 01 ffffffff fcffffff", "disagree"),
        (HEAD + "00 02 ffffffff ffffffff 04000000 0000803f", "disagree"),
        (HEAD + "00 01 02000000 08000000 0000803f", "leaves the frame"),
        (HEAD + "00 01 01000000 04000000 0000803f 00", "follow"),
        (HEAD + "00 04 00000000 ffffff7f ffffff7f ffffff7f 00000000", "empty tensor"),
    ],
)
def test_lies_are_refused(raw, words):
    with pytest.raises(ProtocolError, match=words):
        v1.decode_request(bytes.fromhex(raw), LIMITS)


def test_limits_hold():
    with pytest.raises(ProtocolError, match="limit is 4"):
        v1.decode_request(frame(v1.encode_request("model", [])), Limits(name_bytes=4))
    with pytest.raises(ProtocolError, match="limit is 1"):
        v1.decode_request(VECTOR_TWO[4:], Limits(tensors=1))
    with pytest.raises(ProtocolError, match="limit is 0"):
        v1.decode_request(VECTOR_ONE[4:], Limits(dimensions=0))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash(raw):
    for read in (v1.decode_request, v1.decode_response):
        for form in (raw, memoryview(bytes.fromhex(HEAD) + raw)):
            with contextlib.suppress(ProtocolError):
                read(form, LIMITS)
    v1.data_offset(raw)
    v1.data_offset(bytes.fromhex(HEAD) + raw)


@settings(max_examples=400, deadline=None)
@given(st.data(), st.booleans())
def test_damaged_requests_never_crash(data, first):
    arrays = [np.ones((2, 2), np.float32), np.zeros(3, np.int8), SEVEN]
    good = bytearray(frame(v1.encode_request("net", arrays, descriptors_first=first)))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        request = v1.decode_request(bytes(good[: data.draw(st.integers(0, len(good)))]), LIMITS)
        assert sum(array.nbytes for array in request.inputs) <= len(good)


@pytest.mark.parametrize(
    "raw", ["", "00000000 00000000", "00" * 8 + "ffffffff", "00" * 8 + "01000000 05000000 00"]
)
def test_lying_answers_are_refused(raw):
    with pytest.raises(ProtocolError):
        v1.decode_response(bytes.fromhex(raw), LIMITS)


def test_the_version_of_a_frame():
    assert version_of(VECTOR_ONE[4:]) == 1
    assert version_of(b"TRT\x01\x02\x00") == 2
    for raw in (b"", b"TRT\x01", b"GET / HTTP/1.1"):
        with pytest.raises(ProtocolError):
            version_of(raw)


def test_status_codes_and_errors_mean_each_other():
    for status in list(Status)[1:]:
        error = error_of(status, "text")
        assert status_of(error) is status
        assert error.message == "text"
    assert type(error_of(99, "?")) is EngineError
    assert isinstance(error_of(2, ""), UnknownModelError)
