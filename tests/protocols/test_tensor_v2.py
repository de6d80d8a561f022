import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import ProtocolError, TensorError
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import LENGTH, Limits

LIMITS = Limits()

REQUEST = bytes.fromhex(
    "48000000 54525401 0200 00 00 0700000000000000 fa000000 0100 0100 0000 0100 0100 0000"
    "40000000 00000000 6d 63 0100 00 02 78 01000000 02000000 08000000 0000000000"
    "0000803f 00000040"
)
ANSWER = bytes.fromhex(
    "48000000 54525401 0200 00 00 0700000000000000 0c000000 54010000 0100 0100 0100 0100"
    "40000000 00000000 6d 31 0100 00 02 79 01000000 02000000 08000000 0000000000"
    "0000803f 00000040"
)
REFUSAL = bytes.fromhex(
    "38000000 54525401 0200 02 00 0700000000000000 00000000 00000000 0100 0000 0000 0000"
    "38000000 0c000000 6e6f206d6f64656c20276d27 00000000"
)
PAIR = np.array([[1.0, 2.0]], np.float32)

ARRAYS = st.sampled_from(v2.DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    )
)
NAMED = st.dictionaries(st.text(min_size=1, max_size=8), ARRAYS, max_size=4)
NAMES = st.text(max_size=20)


def frame(parts) -> bytes:
    whole = b"".join(parts)
    assert LENGTH.unpack_from(whole)[0] == len(whole) - 4
    return whole[4:]


def same(left, right) -> bool:
    return [(name, a.dtype, a.shape, a.tobytes()) for name, a in left.items()] == [
        (name, b.dtype, b.shape, b.tobytes()) for name, b in right.items()
    ]


def test_the_vectors_of_the_reference_page_to_the_byte():
    asked = v2.Request(7, "m", {"x": PAIR}, deadline_ms=250, priority=1, client="c")
    given = v2.Response(7, model="m", version="1", outputs={"y": PAIR}, queue_us=12, compute_us=340)
    refused = v2.Response(7, 2, text="no model 'm'")
    assert b"".join(v2.encode_request(asked)) == REQUEST
    assert b"".join(v2.encode_response(given)) == ANSWER
    assert b"".join(v2.encode_response(refused)) == REFUSAL
    assert same(dict(v2.decode_request(REQUEST[4:], LIMITS).inputs), {"x": PAIR})
    assert same(dict(v2.decode_response(ANSWER[4:], LIMITS).outputs), {"y": PAIR})
    assert v2.decode_response(REFUSAL[4:], LIMITS).text == "no model 'm'"


def test_every_dtype_of_the_engines_has_a_code():
    assert v2.DTYPES[:4] == v1.DTYPES
    names = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
    assert {dtype.name for dtype in v2.DTYPES} == set(names.split())


@settings(deadline=None)
@given(
    NAMED, NAMES, NAMES, NAMES, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1),
    st.integers(-(2**15), 2**15 - 1), st.lists(NAMES, max_size=3), st.sampled_from(v2.Kind),
)  # fmt: skip
def test_requests_survive(inputs, model, version, client, number, deadline, priority, wanted, kind):
    sent = v2.Request(
        number, model, inputs, kind, version, deadline, priority, client, outputs=wanted
    )
    back = v2.decode_request(frame(v2.encode_request(sent)), LIMITS)
    assert same(dict(back.inputs), inputs)
    back.inputs = sent.inputs
    assert back == sent
    assert v2.request_id_of(frame(v2.encode_request(sent))) == number


@settings(deadline=None)
@given(st.lists(ARRAYS, min_size=1, max_size=4))
def test_unnamed_inputs_keep_their_order(inputs):
    back = v2.decode_request(frame(v2.encode_request(v2.Request(1, "m", inputs))), LIMITS)
    assert isinstance(back.inputs, list)
    assert same(dict(enumerate(back.inputs)), dict(enumerate(inputs)))


@settings(deadline=None)
@given(NAMED, NAMES, NAMES, st.text(max_size=300), st.integers(0, 255))
def test_answers_survive(outputs, model, version, text, status):
    sent = v2.Response(
        5, status, model=model, version=version, outputs=outputs, text=text, queue_us=3, batch=2
    )
    back = v2.decode_response(frame(v2.encode_response(sent)), LIMITS)
    assert same(dict(back.outputs), outputs)
    back.outputs = sent.outputs
    assert back == sent


def test_data_begins_at_multiples_of_eight():
    arrays = {"a": np.arange(3, dtype=np.int8), "b": np.array([1.5, 2.5])}
    raw = frame(v2.encode_request(v2.Request(1, "model", arrays)))
    for array in arrays.values():
        assert raw.index(array.tobytes()) % 8 == 0
    placed = np.empty(len(raw) // 8 + 1).view(np.uint8)[: len(raw)]
    placed[:] = np.frombuffer(raw, np.uint8)
    back = v2.decode_request(placed.data, LIMITS).inputs
    assert all(np.shares_memory(array, placed) for array in back.values())


def test_large_outputs_are_not_copied():
    array = np.zeros((3, 100, 100), np.float32)
    parts = v2.encode_response(v2.Response(1, outputs={"x": array}))
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), array) for part in parts)


def test_numbers_beyond_their_fields_are_clipped_or_refused():
    answer = v2.Response(1, queue_us=2**40, compute_us=2**40, batch=2**20)
    back = v2.decode_response(frame(v2.encode_response(answer)), LIMITS)
    assert (back.queue_us, back.compute_us, back.batch) == (2**32 - 1, 2**32 - 1, 2**16 - 1)
    for request in (
        v2.Request(-1),
        v2.Request(1, deadline_ms=2**32),
        v2.Request(1, priority=2**15),
        v2.Request(1, "m" * 70_000),
        v2.Request(1, outputs=["o" * 70_000]),
        v2.Request(1, inputs={"i" * 70_000: np.zeros(1)}),
    ):
        with pytest.raises(ProtocolError):
            v2.encode_request(request)


def test_what_has_no_wire_form():
    for array in (np.array(["text"]), np.zeros(1, complex), np.array([object()])):
        with pytest.raises(TensorError, match="wire form"):
            v2.encode_request(v2.Request(1, "m", {"x": array}))


def head(**changed) -> bytes:
    fields = {
        "magic": b"TRT\x01", "protocol": 2, "kind": 0, "id": 7, "deadline": 0, "priority": 0,
        "model": 1, "version": 0, "client": 0, "inputs": 0, "wanted": 0, "offset": 48,
    }  # fmt: skip
    return struct.pack("<4sHBxQIhHHHHHI4x", *(fields | changed).values())


def test_the_head_built_here_is_a_valid_one():
    request = v2.decode_request(head() + b"m".ljust(8, b"\0"), LIMITS)
    assert (request.model, request.request_id) == ("m", 7)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no header"),
        (head(magic=b"TRT\x02") + bytes(8), "not version 2"),
        (head(protocol=3) + bytes(8), "not version 2"),
        (head(kind=9) + bytes(8), "kind 9"),
        (head(offset=0) + bytes(8), "cannot begin"),
        (head(offset=44) + bytes(8), "cannot begin"),
        (head(offset=2**32 - 8) + bytes(8), "cannot begin"),
        (head(model=9) + bytes(8), "text of 9"),
        (head(model=60_000) + bytes(8), "text of 60000"),
        (head(version=60_000) + bytes(8), "text of 60000"),
        (head(client=60_000) + bytes(8), "text of 60000"),
        (head(wanted=1) + b"m" + b"\xff" * 7, "text of"),
        (head(wanted=65_000) + bytes(8), "65000 outputs"),
        (head(inputs=65_000) + bytes(8), "65000 tensors"),
        (head(inputs=1) + bytes(8), "descriptor"),
        (head(model=1) + b"\xff".ljust(8, b"\0"), "UTF-8"),
        (head(offset=56) + bytes(16), "follow the last descriptor"),
        (head() + bytes(16), "follow the last tensor"),
        (head(model=0, inputs=1) + b"\0\0\x4d\0\0\0\0\0", "dtype 77"),
        (head(model=0, inputs=1) + b"\0\0\0\xff\0\0\0\0", "255 dimensions"),
        (head(model=0, inputs=1) + b"\0\0\0\0\4\0\0\0", "leaves the frame"),
        (head(model=0, inputs=1) + b"\0\0\0\0\5\0\0\0" + bytes(8), "disagree"),
    ],
)
def test_lies_are_refused(raw, words):
    with pytest.raises(ProtocolError, match=words):
        v2.decode_request(raw, LIMITS)


def test_two_tensors_of_one_name_are_refused():
    raw = frame(v2.encode_request(v2.Request(1, "m", {"a": np.zeros(2), "b": np.zeros(2)})))
    with pytest.raises(ProtocolError, match="one name"):
        v2.decode_request(raw.replace(b"\x01\x00\x07\x01b", b"\x01\x00\x07\x01a"), LIMITS)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash(raw):
    for form in (raw, head()[:6] + raw, head() + raw):
        for read in (v2.decode_request, v2.decode_response):
            with contextlib.suppress(ProtocolError):
                read(memoryview(form), LIMITS)
        v2.request_id_of(form)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_frames_never_crash(data):
    arrays = {"a": np.ones((2, 2), np.float32), "b": np.zeros(3, bool)}
    good = bytearray(
        frame(v2.encode_request(v2.Request(1, "net", arrays, client="c", outputs=["o"])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))])
    for read in (v2.decode_request, v2.decode_response):
        with contextlib.suppress(ProtocolError):
            read(cut, LIMITS)
