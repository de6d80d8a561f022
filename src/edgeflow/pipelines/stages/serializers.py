"""From the bytes of a message to a payload and back: every size, depth and count is bounded."""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from edgeflow.errors import ConfigError, PipelineError, did_you_mean
from edgeflow.inference.requests import Array
from edgeflow.pipelines.stages.array_files import decode_npy, decode_npz, encode_npy, encode_npz
from edgeflow.pipelines.stages.pictures import MAX_PIXELS, encode_picture, picture_size

__all__ = ["ENCODINGS", "MAX_BYTES", "MAX_DEPTH", "check_encoding", "decode", "encode"]

MAX_BYTES = 64 << 20
"""Longest payload that is decoded."""

MAX_DOCUMENT = 4 << 20
"""Longest JSON or MessagePack document: in memory it can be thirty times as large."""

MAX_DEPTH = 64
"""Levels of lists and maps in a document."""

Bytes = bytes | bytearray | memoryview
Metadata = Mapping[str, Any]


def decode(encoding: str, data: Any, metadata: Metadata | None = None) -> Any:
    """Return what the bytes of a message stand for.

    Args:
        encoding: one of ``ENCODINGS``, any case; bytes of another one stay as they are.
        data: the bytes; anything else is decoded already and comes back as it is.
        metadata: of the message; ``bgr`` needs its ``shape``.

    Returns:
        ``json``, ``msgpack``: plain data; ``jpeg``, ``png``: the bytes, whose header was checked;
        ``base64``, ``raw``: bytes; ``npy``, ``bgr``: a read-only array; ``npz``: arrays by name.

    Raises:
        PipelineError: the bytes are not what the encoding says, or exceed its bounds.
    """
    if not isinstance(data, Bytes):
        return data
    if len(data) > MAX_BYTES:
        raise PipelineError(f"a payload of {len(data)} bytes; at most {MAX_BYTES} are decoded")
    name = encoding.lower()
    if name == "bgr":
        return _bgr(bytes(data), metadata or {})
    return _DECODERS.get(name, bytes)(bytes(data))


def encode(encoding: str, value: Any) -> bytes:
    """Return ``value`` as bytes that ``decode`` turns into an equal value.

    Raises:
        ConfigError: there is no such encoding.
        PipelineError: the value has no such form.
    """
    check_encoding(encoding)
    try:
        return _ENCODERS[encoding.lower()](value)
    except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise PipelineError(
            f"{type(value).__name__} cannot be written as {encoding}: {error}"
        ) from None


def check_encoding(encoding: str) -> str:
    """Return ``encoding`` if there is a serializer of that name.

    Raises:
        ConfigError: there is none; the hint says what there is.
    """
    if encoding.lower() not in ENCODINGS:
        raise ConfigError(
            f"there is no serializer {encoding!r}",
            hint=did_you_mean(encoding.lower(), sorted(ENCODINGS)),
        )
    return encoding


# --- bytes -> payload ----------------------------------------------------------------------


def _json(data: bytes) -> Any:
    return _document("JSON", msgspec.json.decode, data, b"[{")


def _msgpack(data: bytes) -> Any:
    return _document("MessagePack", msgspec.msgpack.decode, data, b"")


def _document(name: str, decoder: Callable[[bytes], Any], data: bytes, openers: bytes) -> Any:
    if len(data) > MAX_DOCUMENT:
        raise PipelineError(f"{name} of {len(data)} bytes; at most {MAX_DOCUMENT} are decoded")
    try:
        value = decoder(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise PipelineError(f"{len(data)} bytes that are no {name}: {error}") from None
    if not openers or sum(data.count(opener) for opener in openers) > MAX_DEPTH:
        _check_depth(name, value)
    return value


def _check_depth(name: str, value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for container in level
            if isinstance(container, list | dict)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise PipelineError(f"{name} of more than {MAX_DEPTH} levels")


def _picture(data: bytes) -> bytes:
    picture_size(data)
    return data


def _base64(data: bytes) -> bytes:
    if data[:5] == b"data:":
        data = data.partition(b",")[2]
    try:
        return base64.b64decode(data.translate(None, b" \t\r\n"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PipelineError(f"{len(data)} bytes that are no base64: {error}") from None


def _bgr(data: bytes, metadata: Metadata) -> Array:
    shape = metadata.get("shape")
    if not isinstance(shape, list | tuple) or len(shape) not in (2, 3):
        raise PipelineError(
            "bytes of a bgr picture without its size",
            hint="put `shape: [height, width, 3]` into the message's metadata",
        )
    if not all(type(size) is int and 0 < size <= MAX_PIXELS for size in shape):
        raise PipelineError(f"{list(shape)} is no size of a picture")
    if shape[0] * shape[1] > MAX_PIXELS or math.prod(shape) != len(data):
        raise PipelineError(f"a picture of {list(shape)} does not have {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape(tuple(shape))


_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "json": _json,
    "jpeg": _picture,
    "jpg": _picture,
    "image/jpeg": _picture,
    "png": _picture,
    "image/png": _picture,
    "base64": _base64,
    "npz": decode_npz,
    "npy": decode_npy,
    "msgpack": _msgpack,
    "raw": bytes,
}

ENCODINGS = frozenset({*_DECODERS, "bgr"})
"""Names under which payloads can be decoded."""


# --- payload -> bytes ----------------------------------------------------------------------


def _encode_json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _encode_picture(kind: str) -> Callable[[Any], bytes]:
    return lambda value: value if isinstance(value, bytes) else encode_picture(value, kind)


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "json": _encode_json,
    "jpeg": _encode_picture("jpeg"),
    "jpg": _encode_picture("jpeg"),
    "image/jpeg": _encode_picture("jpeg"),
    "png": _encode_picture("png"),
    "image/png": _encode_picture("png"),
    "base64": base64.b64encode,
    "npz": encode_npz,
    "npy": encode_npy,
    "msgpack": msgspec.msgpack.encode,
    "bgr": lambda value: np.ascontiguousarray(value, np.uint8).tobytes(),
    "raw": bytes,
}
