"""What both versions of the tensor protocol share: magic, status codes, bounds, arrays as bytes."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
)

__all__ = [
    "LENGTH",
    "MAGIC",
    "Array",
    "Buffer",
    "Limits",
    "Status",
    "array_at",
    "array_bytes",
    "error_of",
    "little_endian",
    "status_of",
    "version_of",
    "with_length",
]

Array: TypeAlias = npt.NDArray[Any]
Buffer: TypeAlias = bytes | bytearray | memoryview

MAGIC: Final = b"TRT\x01"
LENGTH: Final = struct.Struct("<I")
_START: Final = struct.Struct("<4sH")
_MAX_CELLS: Final = 2**48
_VIEW_BYTES: Final = 1 << 14
"""Arrays below this are copied into the message, which is cheaper than one more buffer."""


class Status(IntEnum):
    """How a request ended. A version-1 client of the reference only knows 0 and "not 0"."""

    OK = 0
    MALFORMED = 1
    UNKNOWN_MODEL = 2
    TENSOR = 3
    FAILED = 4
    OVERLOADED = 5
    DEADLINE = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a peer may announce.

    Attributes:
        frame_bytes: length of a frame.
        name_bytes: model id, version, client key, or name of a tensor, in UTF-8.
        tensors: inputs of a request, outputs of a response.
        dimensions: axes of a tensor.
        text_bytes: error text or description.
    """

    frame_bytes: int = 64 << 20
    name_bytes: int = 256
    tensors: int = 64
    dimensions: int = 8
    text_bytes: int = 1 << 20


_STATUS_OF: Final[tuple[tuple[type[EdgeFlowError], Status], ...]] = (
    (UnknownModelError, Status.UNKNOWN_MODEL),
    (TensorError, Status.TENSOR),
    (OverloadedError, Status.OVERLOADED),
    (CancelledError, Status.OVERLOADED),
    (DeadlineError, Status.DEADLINE),
    (ProtocolError, Status.MALFORMED),
)
_ERROR_OF: Final[dict[int, type[EdgeFlowError]]] = {
    Status.MALFORMED: ProtocolError,
    Status.UNKNOWN_MODEL: UnknownModelError,
    Status.TENSOR: TensorError,
    Status.FAILED: EngineError,
    Status.OVERLOADED: OverloadedError,
    Status.DEADLINE: DeadlineError,
}


def status_of(error: EdgeFlowError) -> Status:
    """Return the status that tells a client of ``error``."""
    return next((status for kind, status in _STATUS_OF if isinstance(error, kind)), Status.FAILED)


def error_of(status: int, text: str) -> EdgeFlowError:
    """Return the error that a status other than 0 means to a client."""
    return _ERROR_OF.get(status, EngineError)(text)


def version_of(frame: Buffer) -> int:
    """Return the protocol version that a frame of a request claims; at least 6 bytes of it.

    Raises:
        ProtocolError: it does not begin with the magic.
    """
    if len(frame) < _START.size:
        raise ProtocolError(f"a frame of {len(frame)} bytes holds no header")
    magic, version = _START.unpack_from(frame)
    if magic != MAGIC:
        raise ProtocolError(f"a frame begins with {magic.hex(' ')}, not with {MAGIC.hex(' ')}")
    return int(version)


def with_length(parts: list[Buffer]) -> list[Buffer]:
    """Put the length before the parts of a frame; neighbours that are small are joined.

    Raises:
        ProtocolError: the frame is longer than its length field can say.
    """
    total = sum(map(len, parts))
    if total > 0xFFFFFFFF:
        raise ProtocolError(f"a frame of {total} bytes does not fit its length field")
    joined: list[Buffer] = []
    small: list[Buffer] = [LENGTH.pack(total)]
    for part in parts:
        if len(part) < _VIEW_BYTES:
            small.append(part)
            continue
        joined += (b"".join(small), part)
        small = []
    if small:
        joined.append(b"".join(small))
    return joined


def little_endian(array: Array) -> Array:
    """Return the array in C order and little-endian; itself where it is so already."""
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array if array.flags.c_contiguous else np.array(array, order="C")


def array_bytes(array: Array) -> Buffer:
    """Return the bytes of a little-endian array in C order: a view of it, unless it is small."""
    if array.nbytes < _VIEW_BYTES:
        return array.tobytes()
    return array.reshape(-1).view(np.uint8).data


def array_at(
    frame: Buffer, dtype: np.dtype[Any], dims: Sequence[int], nbytes: int, offset: int
) -> Array:
    """Return a tensor as a view of the frame; as a copy where its elements are not aligned.

    Raises:
        ProtocolError: size and dimensions disagree, or it does not lie inside the frame.
    """
    if math.prod(dims) * dtype.itemsize != nbytes or min(dims, default=0) < 0:
        raise ProtocolError(
            f"a tensor {dtype}{list(dims)} of {nbytes} bytes: dimensions and size disagree"
        )
    if offset + nbytes > len(frame):
        raise ProtocolError(f"a tensor of {nbytes} bytes at {offset} leaves the frame")
    if nbytes == 0:
        if math.prod(size or 1 for size in dims) > _MAX_CELLS:
            raise ProtocolError(f"an empty tensor claims the dimensions {list(dims)}")
        return np.empty(dims, dtype)
    array = np.frombuffer(frame, dtype, nbytes // dtype.itemsize, offset)
    if not array.flags.aligned:
        array = array.copy()
    return array.reshape(dims)
