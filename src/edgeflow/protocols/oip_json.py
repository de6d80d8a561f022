"""Open Inference Protocol v2 over HTTP: JSON, and tensors as binary data behind it.

A body is JSON, or JSON of ``Inference-Header-Content-Length`` bytes followed by the tensors whose
``binary_data_size`` it names, in their order.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.oip import (
    MAX_TENSORS,
    Buffer,
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

__all__ = ["MAX_JSON_BYTES", "decode_request", "encode_response", "header_length"]

MAX_JSON_BYTES = 16 * 1024 * 1024
"""Largest JSON part: numbers in JSON take many times their size in memory."""

_NO_DATA = msgspec.Raw()


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: msgspec.Raw = _NO_DATA


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


_decoder = msgspec.json.Decoder(_Request)
_encoder = msgspec.json.Encoder()


def header_length(value: str | None, size: int) -> int:
    """Return how many bytes of a body are JSON.

    Args:
        value: of ``Inference-Header-Content-Length``, or None without that header.
        size: of the body.

    Raises:
        ProtocolError: it is no number from 1 to the size of the body.
        FrameTooLargeError: more than ``MAX_JSON_BYTES``.
    """
    length = size
    if value is not None:
        digits = value.strip()
        length = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else -1
        if not 0 < length <= size:
            refuse("Inference-Header-Content-Length", f"{value[:40]!r} is not from 1 to {size}")
    if length > MAX_JSON_BYTES:
        raise FrameTooLargeError(
            f"{length} bytes of JSON are more than the {MAX_JSON_BYTES} allowed",
            hint="send tensors as binary data (binary_data_size)",
        )
    return length


def decode_request(body: Buffer, length: int) -> OipRequest:
    """Read a request.

    Args:
        body: JSON and what follows it; the arrays are views on it where they can be.
        length: bytes of it that are JSON.

    Raises:
        ProtocolError: it is not a valid request; the message names the input.
    """
    whole = memoryview(body)
    head = _parse(whole[:length])
    _bound("inputs", head.inputs)
    _bound("outputs", head.outputs)
    request = OipRequest(head.id, binary=_flag("request", head.parameters, "binary_data_output"))
    request.take_schedule(head.parameters)
    at = length
    for tensor in head.inputs:
        place = f"input {tensor.name[:80]!r}"
        if check_name(tensor.name, "input") in request.inputs:
            refuse(place, "given twice")
        refuse_unsupported(place, tensor.parameters)
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            request.inputs[tensor.name] = _from_json(tensor, place)
            continue
        end = _end(tensor, size, at, len(whole), place)
        request.inputs[tensor.name] = view(
            whole[at:end], tensor.datatype, tensor.shape, place, "binary_data_size"
        )
        at = end
    if at != len(whole):
        refuse("body", f"{len(whole) - at} bytes follow the last tensor")
    request.outputs = tuple(_wanted(output, request.binary) for output in head.outputs)
    return request


def encode_response(
    model: str,
    version: str,
    request: OipRequest,
    outputs: Mapping[str, npt.NDArray[Any]],
) -> tuple[list[Buffer], int | None]:
    """Write a response in the form that the request asked for.

    Returns:
        The parts of the body, and the length of its JSON if binary data follow it.

    Raises:
        ProtocolError: an output's element type has no name in the protocol.
    """
    tensors: list[dict[str, Any]] = []
    parts: list[Buffer] = [b""]
    for name, array in outputs.items():
        datatype = datatype_of(array.dtype)
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if request.in_binary(name):
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            tensor["parameters"] = {"binary_data_size": little.nbytes}
            parts.append(little.reshape(-1).view(np.uint8).data)
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    head: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id:
        head["id"] = request.id
    parts[0] = _encoder.encode(head)
    return parts, len(parts[0]) if len(parts) > 1 else None


def _parse(text: memoryview) -> _Request:
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        refuse("request", str(error))
    except RecursionError:
        refuse("request", "JSON is nested too deeply")


def _bound(what: str, tensors: Sequence[_Input | _Output]) -> None:
    if len(tensors) > MAX_TENSORS:
        refuse("request", f"{len(tensors)} {what} are more than the {MAX_TENSORS} allowed")


def _end(tensor: _Input, size: Any, at: int, total: int, place: str) -> int:
    if tensor.data != _NO_DATA:
        refuse(place, "has both data and binary_data_size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        refuse(place, "binary_data_size is not a whole number")
    if at + size > total:
        refuse(place, f"binary_data_size is {size}, but {total - at} bytes are left in the body")
    return at + size


def _wanted(output: _Output, default: bool) -> Wanted:
    place = f"output {output.name[:80]!r}"
    refuse_unsupported(place, output.parameters)
    return Wanted(
        check_name(output.name, "output"), _flag(place, output.parameters, "binary_data", default)
    )


def _flag(place: str, parameters: dict[str, Any], name: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        refuse(place, f"parameter {name!r} is not true or false")
    return value


def _from_json(tensor: _Input, place: str) -> npt.NDArray[Any]:
    """Return a tensor given as numbers, flat or nested as its shape."""
    dtype = dtype_of(tensor.datatype, place)
    count = element_count(tensor.shape, place)
    if tensor.data == _NO_DATA:
        refuse(place, "has neither data nor binary_data_size")
    kind = {"b": bool, "f": float}.get(dtype.kind, int)
    try:
        values = msgspec.json.decode(tensor.data)
        flat = _flat(values, tensor.shape) if isinstance(values, list) else [values]
        numbers = msgspec.convert(flat, list[kind])  # type: ignore[valid-type]  # msgspec takes it
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        refuse(place, f"data: {error}")
    except RecursionError:
        refuse(place, "data: nested too deeply")
    if len(numbers) != count:
        refuse(place, f"data has {len(numbers)} numbers, but shape {tensor.shape} has {count}")
    return _array(numbers, dtype, place).reshape(tensor.shape)


def _flat(values: list[Any], shape: list[int]) -> list[Any]:
    """Return lists nested as ``shape`` as one list; what is not nested so stays as it is."""
    for size in shape[1:]:
        if not values or not all(isinstance(row, list) and len(row) == size for row in values):
            break
        values = list(chain.from_iterable(values))
    return values


def _array(numbers: list[Any], dtype: np.dtype[Any], place: str) -> npt.NDArray[Any]:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if numbers and not limits.min <= min(numbers) <= max(numbers) <= limits.max:
            refuse(place, f"data: a number is not from {limits.min} to {limits.max}")
        return np.array(numbers, dtype)
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype)
    if dtype.kind == "f" and np.isinf(array).any():
        refuse(place, f"data: a number is too large for {dtype.name}")
    return array
