"""Pictures from outside: their size is read and bounded before anything is decoded."""

from typing import Any, Literal

import msgspec
import numpy as np

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import Array

__all__ = [
    "MAX_PIXELS",
    "PictureSize",
    "as_picture",
    "decode_picture",
    "encode_picture",
    "picture_size",
]

MAX_PIXELS = 36_000_000
"""Largest picture that is decoded, 8K video and a bit; a caller may set a lower bound."""

MAX_SEGMENTS = 1000
MAX_SCANS = 200
"""Scans of a progressive JPEG: each costs a pass over the whole picture."""

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})


class PictureSize(msgspec.Struct, frozen=True):
    """What the header of a picture says."""

    kind: Literal["jpeg", "png"]
    width: int
    height: int


def picture_size(data: bytes | memoryview, *, max_pixels: int = MAX_PIXELS) -> PictureSize:
    """Return the size of a JPEG or PNG from its header; nothing is decoded.

    Raises:
        PipelineError: the bytes are neither, are cut off, or declare more than ``max_pixels``.
    """
    size = _png_size(data) if bytes(data[:8]) == _PNG else _jpeg_size(bytes(data))
    if size.width * size.height > max_pixels:
        raise PipelineError(
            f"a {size.kind.upper()} of {size.width} x {size.height} pixels is too large",
            hint=f"at most {max_pixels} pixels are decoded",
        )
    return size


def decode_picture(data: bytes | memoryview, *, max_pixels: int = MAX_PIXELS) -> Array:
    """Decode a JPEG or PNG.

    Returns:
        uint8 (height, width, 3), BGR; turned upright where the file says how it was held.

    Raises:
        PipelineError: as ``picture_size``, or the content is damaged.
    """
    import cv2

    size = picture_size(data, max_pixels=max_pixels)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PipelineError(f"a damaged {size.kind.upper()}: {error.err}") from None
    if picture is None:
        raise PipelineError(f"a damaged {size.kind.upper()} of {len(data)} bytes")
    return picture


def as_picture(payload: Any, *, max_pixels: int = MAX_PIXELS) -> Array:
    """Return a picture from encoded bytes or from an array.

    Args:
        payload: JPEG or PNG bytes; or uint8 (height, width, 3) BGR, (height, width, 4) BGRA, or
            (height, width) grey.
        max_pixels: bound of what is decoded.

    Returns:
        uint8 (height, width, 3), BGR; the array itself where it is one already.

    Raises:
        PipelineError: it is neither, or too large.
    """
    if isinstance(payload, bytes | bytearray | memoryview):
        return decode_picture(
            payload if isinstance(payload, bytes) else bytes(payload), max_pixels=max_pixels
        )
    if not isinstance(payload, np.ndarray):
        raise PipelineError(
            f"a picture was expected and {type(payload).__name__} came",
            hint="set `serializer: jpeg` on the route, or `bgr` with a shape in the metadata",
        )
    return _as_bgr(payload, max_pixels)


def encode_picture(picture: Array, kind: str = "jpeg", quality: int = 90) -> bytes:
    """Return a uint8 BGR or grey picture as JPEG or PNG.

    Raises:
        PipelineError: it has no such form.
    """
    import cv2

    name, flags = ".png", []
    if kind == "jpeg":
        name, flags = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.size == 0:
        raise PipelineError(f"{picture.dtype}{list(picture.shape)} is no picture")
    try:
        done, data = cv2.imencode(name, picture, flags)
    except cv2.error as error:
        raise PipelineError(f"the picture cannot be written as {kind}: {error.err}") from None
    if not done:
        raise PipelineError(f"the picture cannot be written as {kind}")
    return bytes(data.tobytes())


def _as_bgr(picture: Array, max_pixels: int) -> Array:
    shape = picture.shape
    fits = picture.ndim == 2 or (picture.ndim == 3 and shape[2] in (1, 3, 4))
    if picture.dtype != np.uint8 or not fits or 0 in shape:
        raise PipelineError(
            f"{picture.dtype}{list(shape)} is no picture",
            hint="a picture is uint8 (height, width, 3) in the order blue, green, red",
        )
    if shape[0] * shape[1] > max_pixels:
        raise PipelineError(f"a picture of {shape[1]} x {shape[0]} pixels is too large")
    if picture.ndim == 2 or shape[2] == 1:
        return np.repeat(picture.reshape(*shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(picture[:, :, :3])


def _png_size(data: bytes | memoryview) -> PictureSize:
    head = bytes(data[:33])
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise PipelineError("a PNG without its header")
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if not width or not height:
        raise PipelineError("a PNG without a size")
    return PictureSize("png", width, height)


def _jpeg_size(data: bytes) -> PictureSize:
    if data[:2] != _JPEG:
        raise PipelineError(f"{len(data)} bytes that are neither JPEG nor PNG")
    if data.rfind(_JPEG_END) < 0:
        raise PipelineError(f"a JPEG of {len(data)} bytes that is cut off")
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise PipelineError(f"a JPEG of more than {MAX_SCANS} scans")
    position = 2
    for _ in range(MAX_SEGMENTS):
        marker, body = _segment(data, position)
        if marker in _FRAME_MARKERS:
            height, width = (int.from_bytes(data[body + at : body + at + 2]) for at in (3, 5))
            if len(data) < body + 7 or not width or not height:
                raise PipelineError("a JPEG without a size")
            return PictureSize("jpeg", width, height)
        if marker in (0xD9, 0xDA):
            break
        length = 0 if marker in _BARE_MARKERS else int.from_bytes(data[body : body + 2])
        position = body + length
    raise PipelineError("a JPEG without a frame header")


def _segment(data: bytes, position: int) -> tuple[int, int]:
    """Return the marker at ``position`` and where its body begins."""
    if position >= len(data) or data[position] != 0xFF:
        raise PipelineError(f"a damaged JPEG: no marker at byte {position}")
    while position < len(data) and data[position] == 0xFF:
        position += 1
    if position >= len(data):
        raise PipelineError("a JPEG that is cut off")
    return data[position], position + 1
