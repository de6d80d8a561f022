"""Pictures of ROS 2 as arrays, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeflow.errors import PayloadError, ProtocolError, did_you_mean

__all__ = ["ENCODINGS", "array_of", "compressed_fields", "compressed_format", "image_fields"]

MAX_SIDE = 16384

ENCODINGS: dict[str, tuple[str, int]] = {
    "bgr8": ("u1", 3),
    "rgb8": ("u1", 3),
    "bgra8": ("u1", 4),
    "rgba8": ("u1", 4),
    "mono8": ("u1", 1),
    "8UC1": ("u1", 1),
    "8UC3": ("u1", 3),
    "mono16": ("u2", 1),
    "16UC1": ("u2", 1),
    "32FC1": ("f4", 1),
}
"""Dtype and channels by the name of an encoding."""

_TO_BGR = {"rgb8": [2, 1, 0], "rgba8": [2, 1, 0], "bgra8": [0, 1, 2]}
_OF_DTYPE = {"uint8": "mono8", "uint16": "16UC1", "float32": "32FC1"}


def array_of(image: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return the picture in the fields of a ``sensor_msgs/Image``.

    Returns:
        uint8 (height, width, 3), BGR, for colours and for ``mono8``; (height, width) of their own
        dtype for ``8UC1``, 16 bits and floats (depth). ``bgr8`` and depth are views of the message.

    Raises:
        ProtocolError: the encoding is not known, or the data does not fit the size.
    """
    encoding = image["encoding"]
    if encoding not in ENCODINGS:
        raise ProtocolError(
            f"a picture in the encoding {encoding[:32]!r} is not read",
            hint=did_you_mean(encoding[:32], list(ENCODINGS)),
        )
    rows = _rows(image, *ENCODINGS[encoding])
    if encoding == "mono8":
        return np.repeat(rows, 3, axis=2)
    if rows.shape[2] == 1:
        return rows[..., 0]
    return rows[..., _TO_BGR[encoding]] if encoding in _TO_BGR else rows


def image_fields(
    picture: Any, header: Mapping[str, Any] | None = None, encoding: str | None = None
) -> dict[str, Any]:
    """Return the fields of a ``sensor_msgs/Image``.

    Args:
        picture: (height, width, 3) or (height, width, 4) uint8 in the order that ``encoding``
            says, else BGR and BGRA; (height, width) uint8, uint16 or float32.
        header: of the message.
        encoding: its name, if another than that.

    Raises:
        PayloadError: the array is no such picture, or does not fit the encoding.
    """
    array = np.asarray(picture)
    channels = array.shape[2] if array.ndim == 3 else 1
    chosen = encoding or _natural(array, channels)
    dtype, wanted = ENCODINGS.get(chosen, ("", 0))
    if (
        array.ndim not in (2, 3)
        or not array.size
        or (array.dtype.str[1:], channels)
        != (
            dtype,
            wanted,
        )
    ):
        raise PayloadError(f"{array.dtype}{list(array.shape)} is no picture of {chosen!r}")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return {
        "header": header or {},
        "height": array.shape[0],
        "width": array.shape[1],
        "encoding": chosen,
        "is_bigendian": 0,
        "step": array.shape[1] * channels * array.itemsize,
        "data": little.view(np.uint8),
    }


def compressed_fields(picture: bytes, header: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields of a ``sensor_msgs/CompressedImage`` of a JPEG or PNG."""
    known = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return {"header": header or {}, "format": known, "data": picture}


def compressed_format(image: Mapping[str, Any]) -> str:
    """Return ``jpeg`` or ``png``: what the bytes of a ``sensor_msgs/CompressedImage`` begin with.

    Raises:
        ProtocolError: they are neither.
    """
    start = bytes(image["data"][:8])
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n"):
        return "png"
    raise ProtocolError(f"a compressed picture of the format {image['format'][:32]!r} is not read")


def _rows(image: Mapping[str, Any], dtype: str, channels: int) -> np.ndarray[Any, Any]:
    height, width, step = image["height"], image["width"], image["step"]
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise ProtocolError(
            f"a picture of {width}x{height} pixels; 1 to {MAX_SIDE} a side are read"
        )
    kind = np.dtype(dtype).newbyteorder(">" if image["is_bigendian"] else "<")
    line = width * channels * kind.itemsize
    data = np.frombuffer(image["data"], np.uint8)
    if step < line or data.size < step * (height - 1) + line:
        raise ProtocolError(
            f"{data.size} bytes in steps of {step} are no {image['encoding']} picture of "
            f"{width}x{height}"
        )
    strides = (step, channels * kind.itemsize, kind.itemsize)
    rows = np.ndarray((height, width, channels), kind, data, strides=strides)
    native = rows if kind.isnative else rows.astype(kind.newbyteorder("="))
    native.flags.writeable = False
    return native


def _natural(array: Any, channels: int) -> str:
    if channels == 1:
        return _OF_DTYPE.get(array.dtype.name, "")
    return {3: "bgr8", 4: "bgra8"}.get(channels, "")
