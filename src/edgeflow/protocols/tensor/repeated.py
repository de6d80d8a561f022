"""Requests of version 2 that are alike, and answers: what was found in one holds for the next."""

import struct
from typing import Any, Final, NamedTuple

import numpy as np

from edgeflow.protocols.tensor.v2 import (
    Kind,
    Request,
    Response,
    decode_request,
    encode_response,
)
from edgeflow.protocols.tensor.wire import LENGTH, Array, Buffer, Limits, array_bytes

__all__ = ["Decoder", "Encoder"]

_VARYING: Final = struct.Struct("<QI")
_VARYING_AT: Final = 8
_FIXED_AT: Final = _VARYING_AT + _VARYING.size
_DATA_AT: Final = struct.Struct("<I")
_DATA_AT_AT: Final = 32
_KEPT_BYTES: Final = 1 << 12
_TIMES: Final = struct.Struct("<QIIH")
_TIMES_AT: Final = LENGTH.size + 8
_JOINED_BYTES: Final = 1 << 14
_MAX_U32: Final = 0xFFFFFFFF


class _Place(NamedTuple):
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class Decoder:
    """Reads the requests of one connection; a repeated one is not parsed again.

    Repeated means: as long as the latest, and equal to it up to the data, but for its id and its
    deadline.

    Args:
        limits: bounds on what is read.
    """

    __slots__ = ("_end", "_fixed", "_length", "_like", "_limits", "_places", "_start")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._length = -1
        self._end = 0
        self._start = self._fixed = b""
        self._like = Request(0)
        self._places: list[_Place] = []

    def decode(self, frame: memoryview) -> Request:
        """Read a request; its tensors are views of the frame.

        Raises:
            ProtocolError: it is not one, or exceeds a limit.
        """
        if (
            len(frame) != self._length
            or frame[_FIXED_AT : self._end] != self._fixed
            or frame[:_VARYING_AT] != self._start
        ):
            return self._parse(frame)
        request_id, deadline_ms = _VARYING.unpack_from(frame, _VARYING_AT)
        inputs = {}
        for name, dtype, shape, offset in self._places:
            array = np.ndarray(shape, dtype, frame, offset)
            inputs[name] = array if array.flags.aligned else array.copy()
        like = self._like
        return Request(
            request_id, like.model, inputs, like.kind, like.version, deadline_ms, like.priority,
            like.client, like.outputs,
        )  # fmt: skip

    def _parse(self, frame: memoryview) -> Request:
        request = decode_request(frame, self._limits)
        self._length = -1
        end = int(_DATA_AT.unpack_from(frame, _DATA_AT_AT)[0])
        named = request.inputs
        if request.kind is Kind.INFER and isinstance(named, dict) and end <= _KEPT_BYTES:
            self._places = _places(named, end)
            self._start, self._fixed = bytes(frame[:_VARYING_AT]), bytes(frame[_FIXED_AT:end])
            self._like = Request(
                0, request.model, (), request.kind, request.version, 0, request.priority,
                request.client, request.outputs,
            )  # fmt: skip
            self._end, self._length = end, len(frame)
        return request


def _places(inputs: dict[str, Array], offset: int) -> list[_Place]:
    """Return where in a frame its tensors lie: one after the other, each at a multiple of 8."""
    places = []
    for name, array in inputs.items():
        places.append(_Place(name, array.dtype, array.shape, offset))
        offset += array.nbytes + -array.nbytes % 8
    return places


class Encoder:
    """Writes answers with outputs; the head of a repeated one is not made again.

    Repeated means: of the same version of the same model, with outputs of the same names, dtypes
    and shapes as the latest.
    """

    __slots__ = ("_head", "_model", "_tensors", "_version")

    def __init__(self) -> None:
        self._model = self._version = ""
        self._tensors: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
        self._head = b""

    def encode(
        self,
        request_id: int,
        model: str,
        version: str,
        outputs: dict[str, Array],
        *,
        queue_us: int,
        compute_us: int,
        batch: int,
    ) -> list[Buffer]:
        """Return the message as ``encode_response`` does.

        Raises:
            TensorError: an array has no wire form.
            ProtocolError: a name or number does not fit its field.
        """
        known = self._head and model == self._model and version == self._version
        if not known or not self._fits(outputs):
            response = Response(
                request_id, model=model, version=version, outputs=outputs, queue_us=queue_us,
                compute_us=compute_us, batch=batch,
            )  # fmt: skip
            return self._remember(response, encode_response(response))
        head = bytearray(self._head)
        times = min(queue_us, _MAX_U32), min(compute_us, _MAX_U32), min(batch, 0xFFFF)
        _TIMES.pack_into(head, _TIMES_AT, request_id, *times)
        parts = [array_bytes(array) for array in outputs.values()]
        if len(parts) == 1 and len(parts[0]) < _JOINED_BYTES:
            return [head + parts[0]]
        return [head, *parts]

    def _fits(self, outputs: dict[str, Array]) -> bool:
        if len(outputs) != len(self._tensors):
            return False
        for (name, array), (wanted, dtype, shape) in zip(
            outputs.items(), self._tensors, strict=True
        ):
            if name != wanted or array.dtype != dtype or array.shape != shape:
                return False
            if not array.flags.c_contiguous:
                return False
        return True

    def _remember(self, response: Response, parts: list[Buffer]) -> list[Buffer]:
        """Keep the head of an answer after which its tensors follow without a gap as they are."""
        arrays = list(response.outputs.values())
        self._head = b""
        if any(array.nbytes % 8 for array in arrays[:-1]):
            return parts
        if any(array.dtype.byteorder == ">" for array in arrays):
            return parts
        whole = sum(map(len, parts)) - sum(array.nbytes for array in arrays)
        if whole <= len(parts[0]):
            self._head = bytes(parts[0][:whole])
            self._model, self._version = response.model, response.version
            self._tensors = [
                (name, array.dtype, array.shape) for name, array in response.outputs.items()
            ]
        return parts
