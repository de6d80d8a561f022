"""Inference requests and responses of the Open Inference Protocol over gRPC.

Raw tensors are cut out of the received bytes as views, and joined to the sent ones in one copy;
protobuf would copy each of them twice.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.protocols.oip import (
    MAX_TENSORS,
    OipRequest,
    Wanted,
    check_name,
    datatype_of,
    dtype_of,
    element_count,
    refuse,
    refuse_unsupported,
    view,
)
from edgeflow.protocols.oip_messages import message

__all__ = ["decode_request", "encode_response", "encode_stream_error", "encode_stream_response"]

_RAW_INPUTS = 7
_RAW_OUTPUT_TAG = b"\x32"
"""Field 6, bytes that follow their length."""
_STREAM_RESPONSE_TAG = b"\x12"
"""Field 2, likewise."""

_MAX_FIELDS = 4 * MAX_TENSORS
_MAX_REST = 8 * 1024 * 1024
"""Bytes of a request that are not raw tensors: numbers one by one are slow to read."""

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def decode_request(data: bytes) -> tuple[str, str, OipRequest]:
    """Read a ``ModelInferRequest``.

    Returns:
        The model, its version (perhaps empty), and the request. Its arrays are views on ``data``
        where they can be.

    Raises:
        ProtocolError: it is not a valid request; the message names the input.
    """
    rest, raw = _split(memoryview(data))
    head = _parse(rest)
    for what, found in (("inputs", head.inputs), ("outputs", head.outputs)):
        if len(found) > MAX_TENSORS:
            refuse("request", f"{len(found)} {what} are more than the {MAX_TENSORS} allowed")
    if raw and len(raw) != len(head.inputs):
        refuse("raw_input_contents", f"{len(raw)} tensors for {len(head.inputs)} inputs")
    request = OipRequest(head.id, binary=True)
    request.take_schedule(_parameters(head.parameters))
    for number, tensor in enumerate(head.inputs):
        place = f"input {tensor.name[:80]!r}"
        if check_name(tensor.name, "input") in request.inputs:
            refuse(place, "given twice")
        refuse_unsupported(place, _parameters(tensor.parameters))
        shape = list(tensor.shape)
        if not raw:
            request.inputs[tensor.name] = _typed(tensor, shape, place)
            continue
        if tensor.HasField("contents"):
            refuse(place, "has both contents and raw_input_contents")
        request.inputs[tensor.name] = view(
            raw[number], tensor.datatype, shape, place, "its raw_input_contents"
        )
    request.outputs = tuple(_wanted(output) for output in head.outputs)
    model, version = check_name(head.model_name, "model"), check_name(head.model_version, "version")
    return model, version, request


def encode_response(
    model: str, version: str, request_id: str, outputs: Mapping[str, npt.NDArray[Any]]
) -> bytes:
    """Write a ``ModelInferResponse`` with raw tensors.

    Raises:
        ProtocolError: an output's element type has no name in the protocol.
    """
    head = message("ModelInferResponse")(model_name=model, model_version=version, id=request_id)
    parts: list[Any] = [b""]
    for name, array in outputs.items():
        head.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        parts += _RAW_OUTPUT_TAG, _varint(little.nbytes), little.reshape(-1).view(np.uint8).data
    parts[0] = head.SerializeToString()
    return b"".join(parts)


def encode_stream_response(response: bytes) -> bytes:
    """Write a ``ModelStreamInferResponse`` around an encoded response."""
    return b"".join((_STREAM_RESPONSE_TAG, _varint(len(response)), response))


def encode_stream_error(request_id: str, text: str) -> bytes:
    """Write a ``ModelStreamInferResponse`` that tells an error."""
    found = message("ModelStreamInferResponse")(error_message=text)
    found.infer_response.id = request_id
    encoded: bytes = found.SerializeToString()
    return encoded


def _split(data: memoryview) -> tuple[bytes, list[memoryview]]:
    """Return a request without its raw tensors, and these."""
    kept: list[memoryview] = []
    raw: list[memoryview] = []
    at = 0
    while at < len(data):
        start = at
        tag, at = _read_varint(data, at)
        size, at = _size(data, at, tag & 7)
        at += size
        if at > len(data):
            refuse("request", f"field {tag >> 3} is cut off at byte {len(data)}")
        if tag >> 3 == _RAW_INPUTS and tag & 7 == 2:
            raw.append(data[at - size : at])
        else:
            kept.append(data[start:at])
        if len(raw) > MAX_TENSORS or len(kept) > _MAX_FIELDS:
            refuse("request", f"more than {MAX_TENSORS} raw tensors or {_MAX_FIELDS} other fields")
    rest = b"".join(kept)
    if len(rest) > _MAX_REST:
        refuse("request", f"{len(rest)} bytes beside raw_input_contents", "send tensors in these")
    return rest, raw


def _size(data: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    """Return how many bytes a field has, and where they begin."""
    if wire_type == 0:
        _, end = _read_varint(data, at)
        return end - at, at
    if wire_type == 2:
        return _read_varint(data, at)
    fixed = {1: 8, 5: 4}.get(wire_type)
    if fixed is None:
        refuse("request", f"wire type {wire_type} at byte {at} is not known")
    return fixed, at


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    byte = 0x80
    while byte >= 0x80:
        if at == len(data) or shift > 63:
            refuse("request", f"a number is cut off at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, at


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _parse(data: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return message("ModelInferRequest").FromString(data)
    except DecodeError as error:
        refuse("request", str(error))


def _parameters(found: Any) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
        for name, value in found.items()
    }


def _wanted(output: Any) -> Wanted:
    refuse_unsupported(f"output {output.name[:80]!r}", _parameters(output.parameters))
    return Wanted(check_name(output.name, "output"), True)


def _typed(tensor: Any, shape: list[int], place: str) -> npt.NDArray[Any]:
    """Return a tensor that is given as numbers."""
    dtype = dtype_of(tensor.datatype, place)
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        refuse(place, f"{tensor.datatype} has no typed contents", "use raw_input_contents")
    given = [known.name for known, _ in tensor.contents.ListFields()]
    if given not in ([], [field]):
        refuse(place, f"{tensor.datatype} is in {field}, not in {' and '.join(given)}")
    numbers = getattr(tensor.contents, field)
    count = element_count(shape, place)
    if len(numbers) != count:
        refuse(place, f"{field} has {len(numbers)} numbers, but shape {shape} has {count}")
    if dtype.kind in "iu" and dtype.itemsize < 4 and numbers:
        limits = np.iinfo(dtype)
        if not limits.min <= min(numbers) <= max(numbers) <= limits.max:
            refuse(place, f"{field}: a number is not from {limits.min} to {limits.max}")
    return np.array(numbers, dtype).reshape(shape)
