"""Open Inference Protocol v2, what its HTTP and gRPC forms share: data types and bounds."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ProtocolError, did_you_mean

__all__ = [
    "DATATYPES",
    "EXTENSIONS",
    "MAX_AXES",
    "MAX_TENSORS",
    "OipRequest",
    "Wanted",
    "check_name",
    "datatype_of",
    "dtype_of",
    "element_count",
    "refuse",
    "refuse_unsupported",
    "view",
]

Buffer: TypeAlias = bytes | bytearray | memoryview

DATATYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(kind).newbyteorder("<")
    for name, kind in {
        "BOOL": np.bool_,
        "UINT8": np.uint8,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
        "UINT64": np.uint64,
        "INT8": np.int8,
        "INT16": np.int16,
        "INT32": np.int32,
        "INT64": np.int64,
        "FP16": np.float16,
        "FP32": np.float32,
        "FP64": np.float64,
    }.items()
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
_KNOWN_BUT_REFUSED = {
    "BYTES": "models here take numbers; send text or images as UINT8",
    "BF16": "numpy has no such type; send FP32",
}

EXTENSIONS = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "schedule_policy",
    "statistics",
)
"""What is served beyond the core of the protocol, in the words of its public specification."""

MAX_AXES = 16
MAX_TENSORS = 256
"""Inputs or outputs that one request may name."""

MAX_NAME = 1024
"""Characters of the name of a model or tensor."""
_MAX_ELEMENTS = 2**48

_UNSUPPORTED = {
    "classification": "take the whole output and pick the classes yourself",
    "sequence_id": "there are no stateful sequences here; send the state as a tensor",
    "shared_memory_region": "send the data in the request",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output that is asked for; ``binary`` is its form over HTTP."""

    name: str
    binary: bool


@dataclass(slots=True)
class OipRequest:
    """A decoded request.

    Attributes:
        id: the caller's own.
        inputs: by name; arrays may be views on the received bytes.
        outputs: those asked for; empty for all.
        binary: form of the outputs if none were named.
        priority: as the protocol counts: 0 for the default, 1 the highest, growing downwards.
        timeout_us: microseconds the caller waits, or None.
    """

    id: str = ""
    inputs: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    outputs: tuple[Wanted, ...] = ()
    binary: bool = False
    priority: int = 0
    timeout_us: int | None = None

    @property
    def output_names(self) -> list[str] | None:
        """Names asked for, or None for all."""
        return [wanted.name for wanted in self.outputs] or None

    def in_binary(self, output: str) -> bool:
        """Return whether an output is to be sent as binary data."""
        return next((each.binary for each in self.outputs if each.name == output), self.binary)

    def take_schedule(self, parameters: dict[str, Any]) -> None:
        """Read ``priority`` and ``timeout`` out of the request's parameters.

        Raises:
            ProtocolError: they are no whole numbers, or a parameter asks for what is not served.
        """
        refuse_unsupported("request", parameters)
        self.priority = _whole(parameters, "priority", 2**32 - 1)
        self.timeout_us = _whole(parameters, "timeout", 2**53) or None


def check_name(name: str, what: str) -> str:
    """Return a name that is not absurdly long.

    Raises:
        ProtocolError: it is.
    """
    if len(name) > MAX_NAME:
        refuse(f"{what} {name[:40]!r}...", f"its name has {len(name)} characters")
    return name


def dtype_of(datatype: str, place: str) -> np.dtype[Any]:
    """Return the element type (little-endian) of a name such as ``FP32``.

    Raises:
        ProtocolError: there is no such name, or none that numpy can hold.
    """
    dtype = DATATYPES.get(datatype)
    if dtype is None:
        hint = _KNOWN_BUT_REFUSED.get(datatype) or did_you_mean(datatype, list(DATATYPES))
        refuse(place, f"datatype {_short(datatype)} is not supported", hint)
    return dtype


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the protocol's name of an element type.

    Raises:
        ProtocolError: it has none.
    """
    name = _NAMES.get(dtype.newbyteorder("<"))
    if name is None:
        refuse("tensor", f"the protocol has no name for elements of type {dtype}")
    return name


def element_count(shape: list[int], place: str) -> int:
    """Return how many elements a shape has.

    Raises:
        ProtocolError: a size is negative or absurd, or there are more than ``MAX_AXES``.
    """
    if len(shape) > MAX_AXES:
        refuse(place, f"{len(shape)} axes are more than the {MAX_AXES} allowed")
    if any(size < 0 for size in shape):
        refuse(place, f"shape {shape} has a negative size")
    if prod(size or 1 for size in shape) > _MAX_ELEMENTS:  # numpy refuses these, even if empty
        refuse(place, f"shape {shape} is too large")
    return prod(shape)


def view(
    data: Buffer, datatype: str, shape: list[int], place: str, size_name: str = "bytes"
) -> npt.NDArray[Any]:
    """Return raw little-endian bytes as an array; without a copy where they are aligned.

    Raises:
        ProtocolError: the type is not supported, or their number does not fit the shape.
    """
    dtype = dtype_of(datatype, place)
    expected = element_count(shape, place) * dtype.itemsize
    if len(data) != expected:
        refuse(place, f"{size_name} is {len(data)}, but {datatype}{shape} has {expected} bytes")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array if array.flags.aligned else array.copy()


def refuse(place: str, problem: str, hint: str = "") -> NoReturn:
    """Raise the error of a malformed request, naming the place."""
    raise ProtocolError(f"{place}: {problem}", hint=hint)


def refuse_unsupported(place: str, parameters: dict[str, Any]) -> None:
    """Raise for parameters whose silent neglect would change the result."""
    for name, hint in _UNSUPPORTED.items():
        if parameters.get(name):
            refuse(place, f"parameter {name!r} is not supported", hint)


def _whole(parameters: dict[str, Any], name: str, high: int) -> int:
    value = parameters.get(name, 0)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        refuse("request", f"parameter {name!r} is not a whole number from 0 to {high}")
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
