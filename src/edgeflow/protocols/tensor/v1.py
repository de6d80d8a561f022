"""Version 1 of the tensor protocol, to the byte as its public clients and server speak it.

Requests come in two layouts that nothing tells apart: the clients write each descriptor before
its data (interleaved), the server reads all descriptors first. A strict parse decides.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edgeflow.errors import ProtocolError, TensorError
from edgeflow.protocols.tensor.wire import (
    MAGIC,
    Array,
    Buffer,
    Limits,
    array_at,
    array_bytes,
    little_endian,
    with_length,
)

__all__ = [
    "DESCRIPTORS_FIRST",
    "DTYPES",
    "Request",
    "Response",
    "choose",
    "data_offset",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
]

DESCRIPTORS_FIRST: Final = 1
"""Bit of the flags by which a client says which layout it writes."""

DTYPES: Final[tuple[np.dtype[Any], ...]] = tuple(map(np.dtype, ("<f4", "<f2", "i1", "<i4")))
_CODES: Final = {dtype: code for code, dtype in enumerate(DTYPES)}
_HEAD: Final = struct.Struct("<4sHHIII")
_MAX_DIMENSIONS: Final = 8
_SIZES: Final = tuple(struct.Struct(f"<{count}iI") for count in range(_MAX_DIMENSIONS + 1))
_ANSWER: Final = struct.Struct("<III")


@dataclass(slots=True)
class Request:
    """A call of a model.

    Attributes:
        model: its id.
        inputs: in the order of the wire; views of the frame where their elements are aligned.
        other: the inputs in the other layout, where the frame is valid in both and they differ.
    """

    model: str
    inputs: list[Array]
    other: list[Array] | None = None


@dataclass(slots=True)
class Response:
    """An answer: nothing in it says what the bytes mean.

    Attributes:
        status: 0 for success.
        outputs: one view of the frame for each output.
        request_id: 0 from every known server.
    """

    status: int
    outputs: list[memoryview]
    request_id: int = 0


def encode_request(
    model: str, inputs: Sequence[Array], *, descriptors_first: bool = False
) -> list[Buffer]:
    """Return the message, length included, as parts to send in turn; large arrays are not copied.

    Raises:
        TensorError: version 1 has no code for the dtype, or too few for the number of axes.
    """
    name = model.encode()
    flags = DESCRIPTORS_FIRST if descriptors_first else 0
    arrays = [little_endian(array) for array in inputs]
    head = _HEAD.pack(MAGIC, 1, flags, len(name), len(arrays), 0) + name
    descriptors = [_descriptor(array) for array in arrays]
    blobs = [array_bytes(array) for array in arrays]
    if descriptors_first:
        return with_length([head, *descriptors, *blobs])
    pairs = zip(descriptors, blobs, strict=True)
    return with_length([head, *(part for pair in pairs for part in pair)])


def decode_request(frame: Buffer, limits: Limits) -> Request:
    """Read a request: interleaved if that parses, else descriptors first (at once if flagged).

    Raises:
        ProtocolError: it parses in neither layout, or exceeds a limit.
    """
    flags, model, count, start = _head(frame, limits)
    if flags & DESCRIPTORS_FIRST:
        return Request(model, _descriptors_first(frame, start, count, limits))
    if count < 2:
        return Request(model, _interleaved(frame, start, count, limits))
    try:
        inputs = _interleaved(frame, start, count, limits)
    except ProtocolError as error:
        try:
            return Request(model, _descriptors_first(frame, start, count, limits))
        except ProtocolError:
            raise error from None
    try:
        other = _descriptors_first(frame, start, count, limits)
    except ProtocolError:
        return Request(model, inputs)
    return Request(model, inputs, None if _same(inputs, other) else other)


def choose(request: Request, fits: Callable[[Sequence[Array]], bool]) -> list[Array]:
    """Return the inputs in the layout that ``fits`` the model; interleaved if that settles nothing.

    Needed only for a request that has an ``other`` reading.
    """
    if request.other is not None and not fits(request.inputs) and fits(request.other):
        return request.other
    return request.inputs


def data_offset(start: Buffer) -> int:
    """Return where the data of the first tensor begins, from the first bytes of a frame.

    0 if that cannot be said; a receiver uses it to place the frame so that the data is aligned.
    """
    if len(start) < _HEAD.size:
        return 0
    _, _, flags, model_len, count, _ = _HEAD.unpack_from(start)
    at = _HEAD.size + model_len
    for _ in range(count if flags & DESCRIPTORS_FIRST else min(count, 1)):
        if at + 2 > len(start):
            return 0
        at += 6 + 4 * int(start[at + 1])
    return int(at)


def encode_response(
    status: int, outputs: Sequence[Array] = (), request_id: int = 0
) -> list[Buffer]:
    """Return the answer, length included, as parts to send in turn; large arrays are not copied.

    Raises:
        TensorError: an output is no array of numbers or booleans.
    """
    for array in outputs:
        if array.dtype.kind not in "biuf":
            raise TensorError(f"an output {array.dtype}{list(array.shape)} has no wire form")
    blobs = [array_bytes(little_endian(array)) for array in outputs]
    head = _ANSWER.pack(request_id, status, len(blobs))
    return with_length([head, struct.pack(f"<{len(blobs)}I", *map(len, blobs)), *blobs])


def decode_response(frame: Buffer, limits: Limits) -> Response:
    """Read an answer.

    Raises:
        ProtocolError: its sizes disagree, or it exceeds a limit.
    """
    if len(frame) < _ANSWER.size:
        raise ProtocolError(f"an answer of {len(frame)} bytes holds no header")
    request_id, status, count = _ANSWER.unpack_from(frame)
    at = _ANSWER.size + 4 * count
    if count > limits.tensors or at > len(frame):
        raise ProtocolError(f"an answer of {len(frame)} bytes announces {count} outputs")
    sizes = struct.unpack_from(f"<{count}I", frame, _ANSWER.size)
    if at + sum(sizes) != len(frame):
        raise ProtocolError(f"an answer of {len(frame)} bytes announces {at + sum(sizes)}")
    outputs, data = [], memoryview(frame)
    for size in sizes:
        outputs.append(data[at : at + size])
        at += size
    return Response(status, outputs, request_id)


def _head(frame: Buffer, limits: Limits) -> tuple[int, str, int, int]:
    """Return flags, model id, number of inputs and where the tensors begin."""
    if len(frame) < _HEAD.size:
        raise ProtocolError(f"a frame of {len(frame)} bytes holds no header")
    magic, version, flags, model_len, count, _ = _HEAD.unpack_from(frame)
    if magic != MAGIC or version != 1:
        raise ProtocolError(f"a frame begins with {bytes(frame[:6]).hex(' ')}: not version 1")
    start = _HEAD.size + model_len
    if model_len > limits.name_bytes or start > len(frame):
        raise ProtocolError(
            f"a model id of {model_len} bytes; the limit is {limits.name_bytes}, "
            f"the frame has {len(frame)}"
        )
    if count > limits.tensors:
        raise ProtocolError(f"{count} inputs; the limit is {limits.tensors}")
    try:
        return flags, str(frame[_HEAD.size : start], "utf-8"), count, start
    except UnicodeDecodeError:
        raise ProtocolError("the model id is not UTF-8") from None


def _interleaved(frame: Buffer, at: int, count: int, limits: Limits) -> list[Array]:
    inputs = []
    for _ in range(count):
        dtype, dims, nbytes, at = _read_descriptor(frame, at, limits)
        inputs.append(array_at(frame, dtype, dims, nbytes, at))
        at += nbytes
    return _all_used(frame, at, inputs)


def _descriptors_first(frame: Buffer, at: int, count: int, limits: Limits) -> list[Array]:
    descriptors = []
    for _ in range(count):
        dtype, dims, nbytes, at = _read_descriptor(frame, at, limits)
        descriptors.append((dtype, dims, nbytes))
    inputs = []
    for dtype, dims, nbytes in descriptors:
        inputs.append(array_at(frame, dtype, dims, nbytes, at))
        at += nbytes
    return _all_used(frame, at, inputs)


def _same(left: Sequence[Array], right: Sequence[Array]) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(left, right, strict=True)
    )


def _all_used(frame: Buffer, at: int, inputs: list[Array]) -> list[Array]:
    if at != len(frame):
        raise ProtocolError(f"{len(frame) - at} bytes follow the last tensor")
    return inputs


def _read_descriptor(
    frame: Buffer, at: int, limits: Limits
) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Return dtype, dimensions, size in bytes, and what comes after the descriptor."""
    if at + 2 > len(frame):
        raise ProtocolError(f"the frame ends at {len(frame)}, inside a tensor descriptor")
    code, ndim = frame[at], frame[at + 1]
    if code >= len(DTYPES):
        raise ProtocolError(f"there is no dtype {code} in version 1")
    if ndim > min(limits.dimensions, _MAX_DIMENSIONS):
        raise ProtocolError(f"a tensor of {ndim} dimensions; the limit is {limits.dimensions}")
    sizes = _SIZES[ndim]
    if at + 2 + sizes.size > len(frame):
        raise ProtocolError(f"the frame ends at {len(frame)}, inside a tensor descriptor")
    *dims, nbytes = sizes.unpack_from(frame, at + 2)
    return DTYPES[code], tuple(dims), nbytes, at + 2 + sizes.size


def _descriptor(array: Array) -> bytes:
    code = _CODES.get(array.dtype)
    if code is None or array.ndim > _MAX_DIMENSIONS:
        raise TensorError(
            f"version 1 of the protocol cannot carry {array.dtype}{list(array.shape)}",
            hint="it knows float32, float16, int8 and int32, and 8 dimensions at most",
        )
    return bytes((code, array.ndim)) + _SIZES[array.ndim].pack(*array.shape, array.nbytes)
