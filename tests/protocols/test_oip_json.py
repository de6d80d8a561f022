"""Requests and responses of the Open Inference Protocol over HTTP."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import FrameTooLargeError, ProtocolError
from edgeflow.protocols.oip import DATATYPES, OipRequest, Wanted
from edgeflow.protocols.oip_json import (
    MAX_JSON_BYTES,
    decode_request,
    encode_response,
    header_length,
)

DTYPES = list(DATATYPES.items())


def body_of(head, *tensors):
    text = json.dumps(head).encode()
    return b"".join([text, *tensors]), len(text)


def one_input(**changed):
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2]} | changed]}


def decode(head, *tensors):
    return decode_request(*body_of(head, *tensors))


def test_binary_tensors_are_views_on_the_body_in_their_order():
    a, b = np.arange(6, dtype="<i8").reshape(2, 3), np.array([1.5], "<f8")
    head = {
        "id": "7",
        "inputs": [
            {"name": "a", "datatype": "INT64", "shape": [2, 3],
             "parameters": {"binary_data_size": 48}},
            {"name": "b", "datatype": "FP64", "shape": [1],
             "parameters": {"binary_data_size": 8}},
        ],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}, {"name": "z"}],
        "parameters": {"priority": 3, "timeout": 1500},
    }  # fmt: skip
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    body = text + a.tobytes() + b.tobytes()
    request = decode_request(body, len(text))
    assert request.id == "7"
    assert np.array_equal(request.inputs["a"], a)
    assert np.array_equal(request.inputs["b"], b)
    assert request.outputs == (Wanted("y", True), Wanted("z", False))
    assert (request.priority, request.timeout_us) == (3, 1500)
    assert np.shares_memory(request.inputs["a"], np.frombuffer(body, np.uint8))


def test_unaligned_tensors_are_aligned_by_a_copy():
    head = {"inputs": [{"name": "a", "datatype": "FP64", "shape": [1],
                        "parameters": {"binary_data_size": 8}}]}  # fmt: skip
    text = json.dumps(head).encode()
    for pad in range(8):
        padded = text + b" " * pad
        request = decode_request(padded + np.array([2.5]).tobytes(), len(padded))
        assert request.inputs["a"].flags.aligned
        assert request.inputs["a"][0] == 2.5


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_numbers_may_be_flat_or_nested(data):
    request = decode(one_input(shape=[2, 2], data=data))
    assert request.inputs["x"].tolist() == [[1, 2], [3, 4]]
    assert request.inputs["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"datatype": "BYTES"}, "input 'x': datatype 'BYTES' is not supported"),
        ({"datatype": "FP33"}, "did you mean 'FP3"),
        ({"datatype": 3}, r"\$.inputs\[0\].datatype"),
        ({"shape": [3]}, r"data has 2 numbers, but shape \[3\] has 3"),
        ({"shape": [-2]}, "negative"),
        ({"shape": [1] * 17}, "17 axes"),
        ({"shape": [10**18, 10**18]}, "too large"),
        ({"shape": [0, 2**70], "data": []}, "too large"),
        ({"shape": [2, 2], "data": [[1, 2], [3]]}, "input 'x': data"),
        ({"data": ["1", "2"]}, r"data: .*`str`"),
        ({"data": [1, None]}, "data: "),
        ({"data": {"a": 1}}, "data: "),
        ({"datatype": "INT8", "data": [1, 128]}, "not from -128 to 127"),
        ({"datatype": "UINT64", "data": [1, -1]}, "not from 0"),
        ({"datatype": "INT32", "data": [1, 2.5]}, "data: "),
        ({"datatype": "BOOL", "data": [True, 1]}, "data: "),
        ({"datatype": "FP16", "data": [1, 1e9]}, "too large for float16"),
        ({"parameters": {"binary_data_size": 8}}, "both data and binary_data_size"),
        ({"parameters": {"shared_memory_region": "r"}}, "'shared_memory_region'"),
    ],
)
def test_mistakes_are_named_with_the_input(changed, said):
    with pytest.raises(ProtocolError, match=said):
        decode(one_input(**changed))


@pytest.mark.parametrize(
    ("size", "sent", "said"),
    [
        (8, 4, "input 'x': binary_data_size is 8, but 4 bytes are left"),
        (4, 4, "binary_data_size is 4, but FP32.* has 8 bytes"),
        (8, 9, "1 bytes follow the last tensor"),
        (-8, 8, "not a whole number"),
        (True, 8, "not a whole number"),
        ("8", 8, "not a whole number"),
        (10**30, 8, "bytes are left"),
    ],
)
def test_sizes_that_lie_are_refused(size, sent, said):
    tensor = {"name": "x", "datatype": "FP32", "shape": [2]}
    tensor["parameters"] = {"binary_data_size": size}
    with pytest.raises(ProtocolError, match=said):
        decode({"inputs": [tensor]}, bytes(sent))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({}, "inputs"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]}, "neither data nor"),
        (one_input() | {"outputs": [{"name": "y", "parameters": {"classification": 3}}]},
         "output 'y': parameter 'classification' is not supported"),
        (one_input() | {"outputs": [{"name": "y", "parameters": {"binary_data": 1}}]},
         "output 'y': parameter 'binary_data' is not true or false"),
        (one_input() | {"parameters": {"timeout": -1}}, "'timeout' is not a whole number"),
        (one_input() | {"parameters": {"sequence_id": 4}}, "'sequence_id' is not supported"),
        (one_input(name="x" * 2000), "input 'x+'...: its name has 2000 characters"),
        ({"inputs": one_input()["inputs"] * 2}, "input 'x': given twice"),
        ({"inputs": one_input()["inputs"] * 300}, "300 inputs are more than"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_meant_is_refused(head, said):
    with pytest.raises(ProtocolError, match=said):
        decode(head)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"inputs": 1e999}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ProtocolError, match="request"):
        decode_request(text, len(text))


@pytest.mark.parametrize("data", ["[" * 50_000, "[" * 50_000 + "]" * 50_000, "[1,", "[1e999, 0]"])
def test_data_that_is_no_list_of_numbers_is_refused(data):
    text = '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":' + data + "}]}"
    with pytest.raises(ProtocolError):
        decode_request(text.encode(), len(text))


@pytest.mark.parametrize("value", ["0", "-1", "11", "x", "", "1e1", "٣", "9" * 5000])
def test_a_header_length_that_cannot_be_is_refused(value):
    with pytest.raises(ProtocolError, match="Inference-Header-Content-Length"):
        header_length(value, 10)


def test_json_is_bounded():
    assert header_length(None, 10) == 10
    assert header_length(" 7 ", 10) == 7
    with pytest.raises(FrameTooLargeError, match="binary_data_size"):
        header_length(None, MAX_JSON_BYTES + 1)


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda item: st.tuples(st.just(item[0]), hnp.arrays(item[1], hnp.array_shapes(min_dims=0)))
    ),
    st.booleans(),
)
def test_every_datatype_comes_back_in_both_forms(tensor, binary):
    datatype, array = tensor
    finite = np.isfinite(array) if array.dtype.kind == "f" else True
    array = np.where(finite, array, 0).astype(array.dtype)
    parts, length = encode_response("m", "1", OipRequest(id="r", binary=binary), {"x": array})
    body = b"".join(parts)
    head = json.loads(body[:length])
    assert (head["model_name"], head["model_version"], head["id"]) == ("m", "1", "r")
    assert head["outputs"][0]["datatype"] == datatype
    text = json.dumps({"inputs": head["outputs"]}).encode()
    back = decode_request(text + (body[length:] if binary else b""), len(text)).inputs["x"]
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_outputs_come_in_the_form_that_each_was_asked_in():
    request = OipRequest(outputs=(Wanted("a", True), Wanted("b", False)))
    outputs = {"a": np.arange(3, dtype=np.uint8)[::-1], "b": np.array([[True]])}
    parts, length = encode_response("m", "1", request, outputs)
    a, b = json.loads(parts[0])["outputs"]
    assert a["parameters"] == {"binary_data_size": 3}
    assert bytes(parts[1]) == b"\x02\x01\x00"
    assert (b["data"], b["shape"]) == ([True], [1, 1])
    assert length == len(parts[0])


heads = st.fixed_dictionaries(
    {"inputs": st.lists(st.fixed_dictionaries(
        {"name": st.text(max_size=3), "datatype": st.sampled_from([*DATATYPES, "BYTES", ""]),
         "shape": st.lists(st.integers(-2, 2**70), max_size=3)},
        optional={"data": st.recursive(
                      st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
                      lambda inner: st.lists(inner, max_size=3), max_leaves=6),
                  "parameters": st.dictionaries(
                      st.sampled_from(["binary_data_size", "shared_memory_region", "q"]),
                      st.integers(-2, 2**70) | st.text(max_size=2), max_size=2)}),
        max_size=3)},
    optional={"parameters": st.dictionaries(
                  st.sampled_from(["priority", "timeout", "binary_data_output"]),
                  st.integers() | st.booleans() | st.text(max_size=3), max_size=3),
              "outputs": st.lists(st.fixed_dictionaries({"name": st.text(max_size=3)}),
                                  max_size=2)},
)  # fmt: skip


@given(heads, st.binary(max_size=40))
def test_plausible_requests_are_decoded_or_refused(head, tail):
    try:
        request = decode(head, tail)
    except ProtocolError as error:
        assert ":" in error.message
        return
    assert sum(array.nbytes for array in request.inputs.values()) < 10_000


@given(st.binary(max_size=200), st.integers(0, 200))
def test_arbitrary_bytes_are_refused(body, length):
    with pytest.raises(ProtocolError):
        decode_request(body, min(length, len(body)))
