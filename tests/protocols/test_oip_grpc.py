"""Messages of the Open Inference Protocol over gRPC, beside those of the public client."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2, service_pb2

from edgeflow.errors import ProtocolError
from edgeflow.protocols.oip import DATATYPES
from edgeflow.protocols.oip_grpc import decode_request, encode_response, encode_stream_response
from edgeflow.protocols.oip_messages import message, rpcs
from oip_service import every_input


def public(**fields):
    return service_pb2.ModelInferRequest(model_name="m", **fields)


def tensor(name="x", datatype="FP32", shape=(2,), **contents):
    found = service_pb2.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape
    )
    for field, values in contents.items():
        getattr(found.contents, field).extend(values)
    return found


def decode(request):
    return decode_request(request.SerializeToString())


def same_fields(ours, theirs):
    """Compare a message with the public one, and all messages in it."""
    assert ours.full_name == theirs.full_name
    for field in ours.fields:
        known = theirs.fields_by_name[field.name]
        assert (field.number, field.type) == (known.number, known.type), field.full_name
        assert field.is_repeated == known.is_repeated
        choices = [each and each.name for each in (field.containing_oneof, known.containing_oneof)]
        assert choices[0] == choices[1]
        if field.message_type:
            same_fields(field.message_type, known.message_type)
        if field.enum_type:
            names = known.enum_type.values_by_name
            for value in field.enum_type.values:
                assert names[value.name].number == value.number


def test_the_messages_are_the_public_ones():
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    for rpc in rpcs():
        known = service.methods_by_name[rpc.name]
        assert (rpc.request, rpc.response) == (known.input_type.name, known.output_type.name)
        assert rpc.streams == (rpc.name == "ModelStreamInfer")
        same_fields(message(rpc.request).DESCRIPTOR, known.input_type)
        same_fields(message(rpc.response).DESCRIPTOR, known.output_type)
    assert message("ModelConfig").DESCRIPTOR.file.pool is not model_config_pb2.DESCRIPTOR.pool


def test_raw_tensors_are_views_on_the_message():
    inputs = every_input(rows=2)
    request = public(id="7", model_version="3")
    for name, array in inputs.items():
        datatype = next(key for key, dtype in DATATYPES.items() if dtype == array.dtype)
        request.inputs.append(tensor(name, datatype, array.shape))
        request.raw_input_contents.append(array.tobytes())
    request.outputs.add(name="y")
    request.parameters["priority"].uint64_param = 2
    request.parameters["timeout"].int64_param = 500
    data = request.SerializeToString()
    model, version, found = decode_request(data)
    assert (model, version, found.id, found.output_names) == ("m", "3", "7", ["y"])
    assert (found.priority, found.timeout_us) == (2, 500)
    for name, array in inputs.items():
        assert np.array_equal(found.inputs[name], array)
        assert found.inputs[name].dtype == array.dtype
        assert found.inputs[name].flags.aligned
    assert np.shares_memory(found.inputs["in_int8"], np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-(2**15), 2**15 - 1]),
        ("INT32", "int_contents", [-(2**31), 2**31 - 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 2**16 - 1]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [-1.5, 3e38]),
        ("FP64", "fp64_contents", [-1.5, 1e300]),
    ],
)
def test_typed_contents_are_taken_too(datatype, field, values):
    _, _, found = decode(public(inputs=[tensor("x", datatype, **{field: values})]))
    assert found.inputs["x"].dtype == DATATYPES[datatype]
    assert np.array_equal(found.inputs["x"], np.array(values, DATATYPES[datatype]))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (public(inputs=[tensor(fp32_contents=[1])]), r"fp32_contents has 1 numbers, but shape"),
        (public(inputs=[tensor(int_contents=[1, 2])]), "in fp32_contents, not in int_contents"),
        (public(inputs=[tensor(datatype="FP16")]), "FP16 has no typed contents"),
        (public(inputs=[tensor(datatype="BYTES")]), "input 'x': datatype 'BYTES'"),
        (public(inputs=[tensor(datatype="INT8", int_contents=[1, 200])]), "not from -128 to 127"),
        (public(inputs=[tensor(shape=[-1])]), "negative"),
        (public(inputs=[tensor(shape=[2**62, 2**62])]), "too large"),
        (public(inputs=[tensor()], raw_input_contents=[b"1234"]), "is 4, but .* has 8 bytes"),
        (public(inputs=[tensor()], raw_input_contents=[b"", b""]), "2 tensors for 1 inputs"),
        (public(inputs=[tensor(fp32_contents=[1, 2])], raw_input_contents=[bytes(8)]),
         "both contents and raw"),
        (public(inputs=[tensor(), tensor()], raw_input_contents=[bytes(8)] * 2), "given twice"),
        (service_pb2.ModelInferRequest(model_name="m" * 2000), "has 2000 characters"),
        (public(inputs=[tensor()] * 300), "300 inputs are more than"),
        (public(raw_input_contents=[b""] * 300), "more than 256 raw tensors"),
        (public(inputs=[tensor(bool_contents=[True] * 9_000_000)]), "beside raw_input_contents"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_the_input(request_, said):
    with pytest.raises(ProtocolError, match=said):
        decode(request_)


def test_parameters_that_are_not_served_are_refused():
    request = public(inputs=[tensor(fp32_contents=[1, 2])])
    request.inputs[0].parameters["shared_memory_region"].string_param = "r"
    with pytest.raises(ProtocolError, match="input 'x': parameter 'shared_memory_region'"):
        decode(request)
    request = public(inputs=[tensor(fp32_contents=[1, 2])])
    request.outputs.add(name="y").parameters["classification"].int64_param = 3
    with pytest.raises(ProtocolError, match="output 'y': parameter 'classification'"):
        decode(request)


def test_responses_are_read_by_the_public_messages():
    outputs = every_input() | {"wide": np.zeros((300, 7), ">f4")[::2], "none": np.zeros((0, 3))}
    data = encode_response("m", "1", "9", outputs)
    found = service_pb2.ModelInferResponse.FromString(data)
    assert (found.model_name, found.model_version, found.id) == ("m", "1", "9")
    pairs = zip(found.outputs, found.raw_output_contents, strict=True)
    for (head, raw), (name, array) in zip(pairs, outputs.items(), strict=True):
        assert head.name == name
        back = np.frombuffer(raw, DATATYPES[head.datatype]).reshape(head.shape)
        assert np.array_equal(back, array)
    stream = service_pb2.ModelStreamInferResponse.FromString(encode_stream_response(data))
    assert stream.infer_response == found


def test_every_cut_of_a_message_is_read_or_refused():
    request = public(id="long enough", inputs=[tensor(), tensor("y", "INT8", [300])])
    request.raw_input_contents.extend([bytes(8), bytes(300)])
    data = request.SerializeToString()
    decode_request(data)
    for end in range(1, len(data)):
        try:
            decode_request(data[:end])
        except ProtocolError:
            continue
        assert not service_pb2.ModelInferRequest.FromString(data[:end]).raw_input_contents


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(data):
    try:
        _, _, found = decode_request(data)
    except ProtocolError:
        return
    assert sum(array.nbytes for array in found.inputs.values()) <= len(data) * 8


@given(st.data())
def test_damaged_messages_are_read_or_refused(data):
    request = public(inputs=[tensor(fp32_contents=[1, 2]), tensor("y", "INT64", [1])])
    request.raw_input_contents.extend([bytes(8)] * 2)
    damaged = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        decode_request(bytes(damaged))
    except ProtocolError as error:
        assert ":" in error.message
