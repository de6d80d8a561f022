"""What of a frame can be shown, and how it becomes a JPEG.

OpenCV's own thread pool is process-wide and belongs to the app, so its size is left alone here;
``imencode`` uses one thread, and the encoder bounds how many run at once.
"""

from collections.abc import Mapping
from typing import Any

from edgeflow.config import settings
from edgeflow.protocols.payloads import jpeg_size
from edgeflow.web.overlay import draw

__all__ = ["JPEG_MAGIC", "encode_jpeg", "is_image", "jpeg_bytes", "jpeg_shape"]

JPEG_MAGIC = b"\xff\xd8\xff"
MAX_SIDE = 65_500
"""Largest width or height of a baseline JPEG (libjpeg's JPEG_MAX_DIMENSION)."""
MIN_MAP_SIDE = 8
"""Smallest side of a uint16 or float array that counts as a map and not as a table of numbers."""


def jpeg_bytes(data: Any, meta: dict[str, Any]) -> bytes | None:
    """Return ``data`` when it is an encoded JPEG already, else None."""
    if not isinstance(data, bytes | bytearray | memoryview):
        return None
    if meta.get("content_type") == "image/jpeg" or bytes(data[:3]) == JPEG_MAGIC:
        return bytes(data)
    return None


def is_image(data: Any, meta: dict[str, Any]) -> bool:
    """Tell whether a payload can be shown.

    Shown are JPEG bytes; uint8 arrays HxW, HxWx1, HxWx3 (BGR) and HxWx4 (BGRA); bool masks HxW;
    uint16 and float maps HxW with sides of at least 8.
    """
    if jpeg_bytes(data, meta) is not None:
        return True
    shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
    if shape is None or dtype is None or len(shape) not in (2, 3):
        return False
    if not all(1 <= side <= MAX_SIDE for side in shape[:2]):
        return False
    channels = shape[2] if len(shape) == 3 else 1
    if dtype.kind == "u" and dtype.itemsize == 1:
        return channels in (1, 3, 4)
    if dtype.kind == "b":
        return bool(channels == 1)
    is_map = dtype.kind == "f" or (dtype.kind == "u" and dtype.itemsize == 2)
    return is_map and channels == 1 and min(shape[:2]) >= MIN_MAP_SIDE


def encode_jpeg(
    array: Any, quality: int, width: int | None, overlay: Mapping[str, Any] | None = None
) -> bytes:
    """Return an array that ``is_image`` accepts, or JPEG bytes, as JPEG.

    Args:
        array: the picture; not changed.
        quality: 1 to 100.
        width: pixels to shrink to, keeping the aspect ratio; never enlarges.
        overlay: meta whose detections and zones are drawn over a copy; None for none.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    import cv2

    rows, full = jpeg_shape(array) if isinstance(array, bytes) else array.shape[:2]
    if isinstance(array, bytes):
        array = _decoded(array, min(rows, full), width)
        if (array.shape[0] < array.shape[1]) is not (rows < full):
            rows, full = full, rows  # turned, as its EXIF says
    picture = _displayable(array)
    if width is not None and width < full:
        height = max(1, round(rows * width / full))
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if overlay is not None:
        picture = _coloured_copy(picture)
        draw(picture, overlay, scale=picture.shape[1] / full)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"OpenCV cannot encode {array.dtype}{list(array.shape)} as JPEG")
    return bytes(encoded.data)


def jpeg_shape(jpeg: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG, from its header.

    Raises:
        ValueError: it is damaged, or would take more than ``settings.MAX_FRAME_BYTES``.
    """
    size = jpeg_size(jpeg)
    if size is None or min(size) < 1:
        raise ValueError("the JPEG is damaged")
    if 3 * size[0] * size[1] > settings.MAX_FRAME_BYTES:
        raise ValueError(f"a JPEG of {size[1]}x{size[0]} takes more than EDGEFLOW_MAX_FRAME_BYTES")
    return size


def _decoded(jpeg: bytes, side: int, width: int | None) -> Any:
    """Return a picture as BGR, smaller by a whole factor if both sides stay at least ``width``."""
    import cv2
    import numpy as np

    flag = cv2.IMREAD_COLOR
    for factor in (2, 4, 8) if width is not None else ():
        if side // factor >= (width or 0):
            flag = getattr(cv2, f"IMREAD_REDUCED_COLOR_{factor}")
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    if picture is None:
        raise ValueError("the JPEG is damaged")
    return picture


def _coloured_copy(picture: Any) -> Any:
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture.copy()


def _displayable(picture: Any) -> Any:
    """Return uint8 HxW or HxWx3."""
    import numpy as np

    if picture.ndim == 3:
        picture = picture[:, :, 0] if picture.shape[2] == 1 else picture[:, :, :3]
    if picture.dtype.kind == "b":
        return picture.astype(np.uint8) * np.uint8(255)
    if picture.dtype != np.uint8:
        return _spread(picture)
    return np.ascontiguousarray(picture)


def _spread(values: Any) -> Any:
    """Return a map stretched to 0..255 between its smallest and largest finite value."""
    import numpy as np

    # Halved, so that the distance of the extremes is a number of the same type.
    values = values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32) * 0.5
    finite = np.isfinite(values)
    low = values.min(initial=np.inf, where=finite)
    high = values.max(initial=-np.inf, where=finite)
    if not low < high:
        return np.zeros(values.shape, np.uint8)
    return ((np.where(finite, values, low) - low) / (high - low) * 255).astype(np.uint8)
