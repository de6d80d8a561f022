"""Payloads as bytes: arrays (raw, JPEG or LZ4), bytes, strings and JSON."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from edgeflow.config import settings
from edgeflow.errors import FrameDecodeError, MissingExtraError, PayloadError
from edgeflow.protocols import lz4_frames

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Buffer",
    "WireInfo",
    "decode_payload",
    "encode_payload",
    "jpeg_size",
    "parse_codec",
    "plain",
    "require_codec",
]

Buffer = bytes | bytearray | memoryview

MAX_DIMENSIONS = 16
WORTH_LZ4 = 7 / 8
"""An array that does not get that small travels raw, and costs its receiver nothing."""
_DTYPE_KINDS = "biufc"
_JPEG_SIZE = struct.Struct(">HH")
_JPEG_START = b"\xff\xd8"
_json = msgspec.json.Encoder()


class WireInfo(msgspec.Struct, omit_defaults=True):
    """The ``_ef`` object. ``k`` is the payload kind: a(rray), b(ytes), s(tring) or j(son)."""

    v: int
    k: str = "b"
    dtype: str = ""
    shape: list[int] = []
    codec: str = "raw"
    id: int = 0
    src: str = ""
    topic: str = ""
    seq: int = 0
    epoch: int = 0
    re: bool = False
    trace: list[tuple[str, str, int, int]] = []


def parse_codec(codec: str) -> tuple[str, int]:
    """Split ``raw``, ``lz4`` or ``jpeg[:QUALITY]`` into name and quality (1-100; else 0).

    Raises:
        PayloadError: unknown codec or quality out of range.
    """
    name, _, argument = codec.partition(":")
    if codec in ("raw", "lz4"):
        return codec, 0
    if name == "jpeg":
        quality = int(argument) if argument.isdigit() else (0 if argument else 85)
        if 1 <= quality <= 100:
            return "jpeg", quality
    raise PayloadError(
        f"unknown codec {codec!r}", hint="use 'raw', 'lz4' or 'jpeg:QUALITY' (1-100)"
    )


def require_codec(codec: str) -> None:
    """Make sure that a codec can be used here.

    Raises:
        PayloadError: unknown codec or quality out of range.
        MissingExtraError: its package is not installed.
    """
    if parse_codec(codec)[0] == "lz4":
        lz4_frames.package()


def encode_payload(data: Any, info: WireInfo, codec: str) -> Buffer:
    """Return the bytes of a payload and say in ``info`` what they are.

    Raises:
        PayloadError: it cannot travel.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    if isinstance(data, str):
        info.k = "s"
        return data.encode()
    if isinstance(data, dict | list):
        info.k = "j"
        try:
            return _json.encode(data)
        except (TypeError, ValueError, OverflowError):
            return _json.encode(plain(data, "payload", 0))
    if _is_array(data):
        return _encode_array(data, info, codec)
    raise PayloadError(
        f"a value of type {type(data).__name__} cannot travel",
        hint="send an ndarray, bytes, str, dict or list",
    )


def _is_array(data: Any) -> bool:
    import numpy as np

    return isinstance(data, np.ndarray)


def _encode_array(data: "np.ndarray[Any, Any]", info: WireInfo, codec: str) -> Buffer:
    import numpy as np

    if data.dtype.kind not in _DTYPE_KINDS:
        raise PayloadError(
            f"an array of dtype {data.dtype} cannot travel",
            hint="use a boolean, integer, float or complex dtype",
        )
    info.k = "a"
    info.dtype = data.dtype.str
    info.shape = list(data.shape)
    name, quality = parse_codec(codec)
    if name == "jpeg" and data.dtype == np.uint8 and _is_image(data.shape):
        import cv2

        done, encoded = cv2.imencode(".jpg", data, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise PayloadError(f"an image of shape {data.shape} cannot be encoded as JPEG")
        info.codec = "jpeg"
        return encoded.data.cast("B")
    if not data.size:
        return b""
    contiguous = data if data.flags.c_contiguous else np.ascontiguousarray(data)
    raw = contiguous.reshape(-1).view(np.uint8).data
    if name == "lz4":
        packed = lz4_frames.compress(raw)
        if len(packed) <= WORTH_LZ4 * len(raw):
            info.codec = "lz4"
            return packed
    return raw


def _is_image(shape: Sequence[int]) -> bool:
    return (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))) and min(shape) > 0


def decode_payload(body: memoryview, info: WireInfo, offset: int, images: bool) -> Any:
    """Return the payload in ``body``, which begins at ``offset`` of its message.

    Raises:
        FrameDecodeError: ``body`` is not what ``info`` says.
    """
    try:
        if info.k == "a":
            return _decode_array(body, info, images)
        if info.k == "s":
            return str(body, "utf-8")
        if info.k == "j":
            return msgspec.json.decode(body)
        if info.k == "b":
            return bytes(body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FrameDecodeError(f"offset {offset}: payload is not valid: {error}") from None
    except MissingExtraError as error:  # a peer's choice: it must not end whoever receives
        raise FrameDecodeError(f"offset {offset}: {error.message}", hint=error.hint) from None
    raise FrameDecodeError(f"offset {offset}: unknown payload kind {info.k!r}")


def _decode_array(body: memoryview, info: WireInfo, images: bool) -> Any:
    import numpy as np

    dtype = np.dtype(info.dtype)
    if dtype.kind not in _DTYPE_KINDS or dtype.hasobject:
        raise ValueError(f"dtype {info.dtype!r} is not accepted")
    if len(info.shape) > MAX_DIMENSIONS or any(size < 0 for size in info.shape):
        raise ValueError(f"shape {info.shape} is not accepted")
    if info.codec == "jpeg":
        _check_jpeg(body, info)
        return _decode_jpeg(body, info) if images else bytes(body)
    count = 1
    for size in info.shape:
        count *= size
    if info.codec == "lz4":
        body = memoryview(_unpacked(body, count * dtype.itemsize))
    elif info.codec != "raw":
        raise ValueError(f"unknown codec {info.codec!r}")
    if count * dtype.itemsize != len(body):
        raise ValueError(
            f"dtype {dtype} and shape {info.shape} need {count * dtype.itemsize} bytes, "
            f"there are {len(body)}"
        )
    if not count:
        empty = np.empty(info.shape, dtype)
        empty.flags.writeable = False
        return empty
    return np.frombuffer(body, dtype).reshape(info.shape)


def _unpacked(body: memoryview, size: int) -> bytes:
    if size > settings.MAX_FRAME_BYTES:
        raise ValueError(f"{size} bytes are more than EDGEFLOW_MAX_FRAME_BYTES")
    return lz4_frames.decompress(body, size)


def _check_jpeg(body: memoryview, info: WireInfo) -> None:
    if not _is_image(info.shape) or jpeg_size(body) != tuple(info.shape[:2]):
        raise ValueError(f"the JPEG data is no image of shape {info.shape}")
    if info.shape[0] * info.shape[1] * 3 > settings.MAX_FRAME_BYTES:
        raise ValueError(f"an image of shape {info.shape} takes more than EDGEFLOW_MAX_FRAME_BYTES")


def _decode_jpeg(body: memoryview, info: WireInfo) -> Any:
    import cv2
    import numpy as np

    flag = cv2.IMREAD_GRAYSCALE if len(info.shape) == 2 or info.shape[2] == 1 else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), flag)
    except cv2.error as error:
        raise ValueError(f"the JPEG data cannot be decoded: {error}") from None
    if image is None:
        raise ValueError("the JPEG data cannot be decoded")
    image = image.reshape(info.shape)
    image.flags.writeable = False
    return image


def jpeg_size(body: Buffer) -> tuple[int, int] | None:
    """Return height and width from a frame header (ITU-T T.81, B.2.2), so that a small message
    cannot ask for a large image; None when there is none.
    """
    offset = 2 if body[:2] == _JPEG_START else len(body)
    while offset + 9 <= len(body) and body[offset] == 0xFF:
        marker = body[offset + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _JPEG_SIZE.unpack_from(body, offset + 5)
            return height, width
        offset += 2 + int.from_bytes(body[offset + 2 : offset + 4], "big")
    return None


def plain(value: Any, where: str, depth: int) -> Any:
    """Return ``value`` with numpy scalars and arrays turned into plain numbers and lists.

    Args:
        value: dicts, lists, tuples, sets and what JSON has.
        where: names its place in errors.
        depth: levels above it.

    Raises:
        PayloadError: it is nested too deep, or something in it has no JSON form.
    """
    import numpy as np

    if depth > 32:
        raise PayloadError(f"{where} is nested deeper than 32 levels")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where, depth + 1)
    if isinstance(value, dict):
        return {str(k): plain(v, f"{where}.{k}", depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise PayloadError(
        f"{where} holds a value of type {type(value).__name__}, which has no JSON form",
        hint="convert it to a number, string, list or dict",
    )
