"""Version 2 of the tensor protocol: named tensors of every dtype, ids, deadlines, error texts.

Both directions have a head of 40 bytes, then names, text and descriptors, zeros up to a multiple
of 8 and the data of the tensors, each beginning at a multiple of 8 bytes of the frame.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
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
    "DTYPES",
    "Kind",
    "Request",
    "Response",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "request_id_of",
]

_NAMES: Final = ("f4", "f2", "i1", "i4", "i8", "u1", "?", "f8", "i2", "u2", "u4", "u8")
DTYPES: Final[tuple[np.dtype[Any], ...]] = tuple(
    np.dtype(name).newbyteorder("<") for name in _NAMES
)
"""By code; the first four are those of version 1."""

_CODES: Final = {dtype: code for code, dtype in enumerate(DTYPES)}
_REQUEST: Final = struct.Struct("<4sHBxQIhHHHHHI4x")
_RESPONSE: Final = struct.Struct("<4sHBBQIIHHHHII")
_DESCRIPTOR: Final = struct.Struct("<HBB")
_NAME: Final = struct.Struct("<H")
_MAX_DIMENSIONS: Final = 32
_SIZES: Final = tuple(struct.Struct(f"<{count + 1}I") for count in range(_MAX_DIMENSIONS + 1))
_PADDING: Final = tuple(bytes(-size % 8) for size in range(8))
_MAX_U32: Final = 0xFFFFFFFF
_MAX_U16: Final = 0xFFFF


class Kind(IntEnum):
    """What a request asks for. CANCEL withdraws the one of the same id, and has no answer."""

    INFER = 0
    DESCRIBE = 1
    LIST = 2
    PING = 3
    LOAD = 4
    UNLOAD = 5
    CANCEL = 6


_KINDS: Final[dict[int, Kind]] = {int(kind): kind for kind in Kind}


@dataclass(slots=True)
class Request:
    """A call of a model, or a question about models.

    Attributes:
        request_id: chosen by the client; the answer carries it, and may overtake others.
        inputs: by name, or in the model's own order. Views of the frame when decoded.
        deadline_ms: from when the request is read; 0 for none.
        priority: higher is served first.
        client: part of the connection's share; parts take turns.
        outputs: names wanted; all if empty.
    """

    request_id: int
    model: str = ""
    inputs: Mapping[str, Array] | Sequence[Array] = ()
    kind: Kind = Kind.INFER
    version: str = ""
    deadline_ms: int = 0
    priority: int = 0
    client: str = ""
    outputs: Sequence[str] = ()


@dataclass(slots=True)
class Response:
    """An answer.

    Attributes:
        model, version: which model really answered.
        outputs: by name, in the model's order. Views of the frame when decoded.
        text: of the error; for other kinds than INFER what was asked for, in JSON.
        queue_us, compute_us: microseconds waited and computed; batch: requests in one call.
    """

    request_id: int
    status: int = 0
    kind: Kind = Kind.INFER
    model: str = ""
    version: str = ""
    outputs: Mapping[str, Array] = field(default_factory=dict)
    text: str = ""
    queue_us: int = 0
    compute_us: int = 0
    batch: int = 1


def encode_request(request: Request) -> list[Buffer]:
    """Return the message, length included, as parts to send in turn; large arrays are not copied.

    Raises:
        TensorError: an array has no wire form.
        ProtocolError: a name or number does not fit its field.
    """
    inputs = request.inputs
    named = inputs.items() if isinstance(inputs, Mapping) else [("", array) for array in inputs]
    texts = [text.encode() for text in (request.model, request.version, request.client)]
    wanted = b"".join(_name(name) for name in request.outputs)
    descriptors, arrays = _describe(named)
    offset = _aligned(_REQUEST.size + sum(map(len, texts)) + len(wanted) + len(descriptors))
    try:
        head = _REQUEST.pack(
            MAGIC, 2, request.kind, request.request_id, request.deadline_ms, request.priority,
            *map(len, texts), len(arrays), len(request.outputs), offset,
        )  # fmt: skip
    except struct.error as error:
        raise ProtocolError(f"a request for {request.model!r} cannot be written: {error}") from None
    return _assemble(b"".join((head, *texts, wanted, descriptors)), offset, arrays)


def decode_request(frame: Buffer, limits: Limits) -> Request:
    """Read a request.

    Raises:
        ProtocolError: it is not one, or exceeds a limit.
    """
    _check_head(frame)
    _, _, code, request_id, deadline_ms, priority, *sizes = _REQUEST.unpack_from(frame)
    model, version, client, count, wanted, offset = sizes
    kind = _KINDS.get(code)
    if kind is None:
        raise ProtocolError(f"there is no kind {code} of request")
    reader = _Reader(frame, _REQUEST.size, offset, limits)
    request = Request(request_id, kind=kind, deadline_ms=deadline_ms, priority=priority)
    request.model = reader.text(model)
    request.version = reader.text(version)
    request.client = reader.text(client)
    if wanted > limits.tensors:
        raise ProtocolError(f"{wanted} outputs; the limit is {limits.tensors}")
    request.outputs = [reader.name() for _ in range(wanted)]
    named = reader.tensors(count)
    if any(name for name, _ in named):
        request.inputs = _by_name(named)
    else:
        request.inputs = [array for _, array in named]
    return request


def encode_response(response: Response) -> list[Buffer]:
    """Return the message, length included, as parts to send in turn; large arrays are not copied.

    Raises:
        TensorError: an array has no wire form.
        ProtocolError: a name or number does not fit its field.
    """
    model, version, text = (
        response.model.encode(),
        response.version.encode(),
        response.text.encode(errors="replace"),
    )
    descriptors, arrays = _describe(response.outputs.items())
    offset = _aligned(_RESPONSE.size + len(model) + len(version) + len(text) + len(descriptors))
    try:
        head = _RESPONSE.pack(
            MAGIC, 2, response.status, response.kind, response.request_id,
            min(response.queue_us, _MAX_U32), min(response.compute_us, _MAX_U32),
            min(response.batch, _MAX_U16), len(model), len(version), len(arrays), offset, len(text),
        )  # fmt: skip
    except struct.error as error:
        raise ProtocolError(f"an answer of {response.model!r} cannot be written: {error}") from None
    return _assemble(b"".join((head, model, version, text, descriptors)), offset, arrays)


def decode_response(frame: Buffer, limits: Limits) -> Response:
    """Read an answer.

    Raises:
        ProtocolError: it is not one, or exceeds a limit.
    """
    _check_head(frame)
    _, _, status, kind, request_id, queue_us, compute_us, *sizes = _RESPONSE.unpack_from(frame)
    batch, model, version, count, offset, text = sizes
    if kind > Kind.CANCEL:
        raise ProtocolError(f"there is no kind {kind} of answer")
    reader = _Reader(frame, _RESPONSE.size, offset, limits)
    response = Response(request_id, status, Kind(kind), queue_us=queue_us, compute_us=compute_us)
    response.batch = batch
    response.model = reader.text(model)
    response.version = reader.text(version)
    response.text = reader.text(text, limits.text_bytes)
    response.outputs = _by_name(reader.tensors(count))
    return response


def request_id_of(start: Buffer) -> int:
    """Return the request id from the first bytes of a request or answer; 0 if they are too few."""
    return int.from_bytes(start[8:16], "little") if len(start) >= 16 else 0


def _check_head(frame: Buffer) -> None:
    if len(frame) < _REQUEST.size:
        raise ProtocolError(f"a frame of {len(frame)} bytes holds no header of version 2")
    if bytes(frame[:6]) != MAGIC + b"\x02\x00":
        raise ProtocolError(f"a frame begins with {bytes(frame[:6]).hex(' ')}: not version 2")


def _aligned(size: int) -> int:
    return size + (-size % 8)


def _name(name: str) -> bytes:
    raw = name.encode()
    if len(raw) > _MAX_U16:
        raise ProtocolError(f"a name of {len(raw)} bytes does not fit its field")
    return _NAME.pack(len(raw)) + raw


def _describe(named: Iterable[tuple[str, Array]]) -> tuple[bytes, list[Array]]:
    parts: list[bytes] = []
    arrays: list[Array] = []
    for name, value in named:
        array = little_endian(value)
        code = _CODES.get(array.dtype)
        if (
            code is None
            or array.ndim > _MAX_DIMENSIONS
            or max(array.nbytes, *array.shape, 0) > _MAX_U32
        ):
            raise TensorError(
                f"tensor {name!r} {array.dtype}{list(array.shape)} has no wire form",
                hint="send plain numbers or booleans, below 4 GiB",
            )
        raw = name.encode()
        if len(raw) > _MAX_U16:
            raise ProtocolError(f"a name of {len(raw)} bytes does not fit its field")
        sizes = _SIZES[array.ndim].pack(*array.shape, array.nbytes)
        parts += (_DESCRIPTOR.pack(len(raw), code, array.ndim), raw, sizes)
        arrays.append(array)
    return b"".join(parts), arrays


def _assemble(head: bytes, offset: int, arrays: Sequence[Array]) -> list[Buffer]:
    parts: list[Buffer] = [head.ljust(offset, b"\x00")]
    last = len(arrays) - 1
    for index, array in enumerate(arrays):
        parts.append(array_bytes(array))
        if index < last and array.nbytes % 8:
            parts.append(_PADDING[array.nbytes % 8])
    return with_length(parts)


def _by_name(named: Sequence[tuple[str, Array]]) -> dict[str, Array]:
    found = dict(named)
    if len(found) != len(named):
        raise ProtocolError("two tensors of one name")
    return found


class _Reader:
    """Walks through what lies between the head and the data of a frame."""

    def __init__(self, frame: Buffer, at: int, end: int, limits: Limits) -> None:
        if not at <= end <= len(frame) or end % 8:
            raise ProtocolError(f"the data of a frame of {len(frame)} bytes cannot begin at {end}")
        self._frame = frame
        self._at = at
        self._end = end
        self._limits = limits

    def text(self, size: int, limit: int | None = None) -> str:
        """Take ``size`` bytes of UTF-8."""
        if not size:
            return ""
        bound = self._limits.name_bytes if limit is None else limit
        end = self._at + size
        if size > bound or end > self._end:
            raise ProtocolError(f"a text of {size} bytes; the limit is {bound}, or it is cut off")
        try:
            found = str(self._frame[self._at : end], "utf-8")
        except UnicodeDecodeError:
            raise ProtocolError(f"the text at {self._at} is not UTF-8") from None
        self._at = end
        return found

    def name(self) -> str:
        """Take a name after its length."""
        return self.text(self._unpack(_NAME)[0])

    def tensors(self, count: int) -> list[tuple[str, Array]]:
        """Take ``count`` descriptors, and the data to the end of the frame."""
        if count > self._limits.tensors:
            raise ProtocolError(f"{count} tensors; the limit is {self._limits.tensors}")
        descriptors = [self._descriptor() for _ in range(count)]
        if _aligned(self._at) != self._end:
            raise ProtocolError(f"{self._end - self._at} bytes follow the last descriptor")
        found, offset, used = [], self._end, self._end
        for name, dtype, dims, nbytes in descriptors:
            found.append((name, array_at(self._frame, dtype, dims, nbytes, offset)))
            used = offset + nbytes
            offset = _aligned(used)
        if used != len(self._frame):
            raise ProtocolError(f"{len(self._frame) - used} bytes follow the last tensor")
        return found

    def _descriptor(self) -> tuple[str, np.dtype[Any], tuple[int, ...], int]:
        name_len, code, ndim = self._unpack(_DESCRIPTOR)
        if code >= len(DTYPES):
            raise ProtocolError(f"there is no dtype {code}")
        if ndim > min(self._limits.dimensions, _MAX_DIMENSIONS):
            raise ProtocolError(
                f"a tensor of {ndim} dimensions; the limit is {self._limits.dimensions}"
            )
        name = self.text(name_len)
        *dims, nbytes = self._unpack(_SIZES[ndim])
        return name, DTYPES[code], tuple(dims), nbytes

    def _unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        if self._at + form.size > self._end:
            raise ProtocolError("the frame ends inside a tensor descriptor")
        found = form.unpack_from(self._frame, self._at)
        self._at += form.size
        return found
