"""From pictures to the tensors of models: resized, ordered, scaled, in the model's own dtype."""

from functools import lru_cache
from typing import Annotated, Any, Literal, TypedDict, Unpack

import numpy as np
from pydantic import Field

from edgeflow.inference.requests import Array
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.base import Prepared
from edgeflow.pipelines.stages.boxes import Fit, fit_picture
from edgeflow.pipelines.stages.pictures import MAX_PIXELS, as_picture
from edgeflow.pipelines.stages.serializers import decode

__all__ = [
    "bgr_frame_to_yolov5",
    "image_to_nanodet",
    "image_to_tensor",
    "jpeg_to_nanodet",
    "jpeg_to_yolov5",
    "to_centernet",
    "to_classifier",
    "to_ssd",
]

Side = Annotated[int, Field(ge=8, le=4096)]
Size = Side | tuple[Side, Side]
"""A square's side, or height and width."""

Grey = Annotated[int, Field(ge=0, le=255)]
Pixels = Annotated[int, Field(ge=1, le=MAX_PIXELS)]
Float = Literal["fp16", "fp32"]
Layout = Literal["nchw", "nhwc"]
Triple = tuple[float, float, float]

NANODET_MEAN, NANODET_DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
IMAGENET_MEAN, IMAGENET_DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
ZERO, WHITE, HALF = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), (127.5, 127.5, 127.5)
IMAGENET_CROP = 224 / 256

_DTYPES: dict[str, Any] = {"fp16": np.float16, "fp32": np.float32}


class Bounds(TypedDict, total=False):
    """Options of every stage here; what they mean, ``image_to_tensor`` says."""

    max_pixels: Pixels


class Letterbox(Bounds, total=False):
    """Options of stages that add borders."""

    pad: Grey


def image_to_tensor(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size,
    dtype: Float = "fp32",
    colours: Literal["rgb", "bgr"] = "rgb",
    layout: Layout = "nchw",
    mean: Triple = ZERO,
    deviation: Triple = (1.0, 1.0, 1.0),
    pad: Grey = 114,
    stretch: bool = False,
    max_pixels: Pixels = MAX_PIXELS,
) -> Prepared:
    """Make the input of any model of pictures: ``(value - mean) / deviation`` per colour.

    Args:
        message: for raw BGR bytes, its metadata has their ``shape``.
        payload: JPEG or PNG bytes, or an array: uint8 (height, width, 3) BGR, or grey.
        size: of the tensor: a side, or height and width.
        dtype: ``fp16`` or ``fp32``.
        colours: order of the channels, and of ``mean`` and ``deviation``.
        layout: ``nchw`` or ``nhwc``.
        mean: of the brightness from 0 to 255.
        deviation: of it.
        pad: brightness of the borders.
        stretch: fill the tensor, and change the proportions, instead of adding borders.
        max_pixels: a larger picture is refused before it is decoded.

    Returns:
        The tensor, notes ``image_hw`` and ``letterbox``, and the picture.

    Raises:
        PipelineError: the payload is no picture.
    """
    picture = _picture(message, payload, max_pixels)
    height, width = (size, size) if isinstance(size, int) else size
    canvas, fit = fit_picture(picture, (height, width), pad=pad, stretch=stretch)
    tensor = _tensor(
        canvas, dtype=dtype, colours=colours, layout=layout, mean=mean, deviation=deviation
    )
    return _prepared(tensor, picture, fit)


def jpeg_to_yolov5(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size = 640,
    dtype: Float = "fp16",
    **more: Unpack[Letterbox],
) -> Prepared:
    """Make the input of YOLOv5 and YOLOv8: letterbox, RGB from 0 to 1, (1, 3, size, size).

    Takes decoded pictures too, as a camera gives them. Other options as ``image_to_tensor``.
    """
    return image_to_tensor(message, payload, size=size, dtype=dtype, deviation=WHITE, **more)


def bgr_frame_to_yolov5(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size = 640,
    dtype: Float = "fp16",
    **more: Unpack[Letterbox],
) -> Prepared:
    """Make the same tensor from raw BGR bytes, whose ``shape`` the metadata has, or an array."""
    picture = decode("bgr", payload, message.metadata)
    return jpeg_to_yolov5(message, picture, size=size, dtype=dtype, **more)


def image_to_nanodet(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size = 416,
    dtype: Float = "fp32",
    **more: Unpack[Letterbox],
) -> Prepared:
    """Make the input of NanoDet: letterbox, BGR, normalised, (1, 3, size, size)."""
    return image_to_tensor(
        message,
        payload,
        size=size,
        dtype=dtype,
        colours="bgr",
        mean=NANODET_MEAN,
        deviation=NANODET_DEVIATION,
        **more,
    )


jpeg_to_nanodet = image_to_nanodet


def to_classifier(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Side = 224,
    dtype: Float = "fp32",
    layout: Layout = "nchw",
    mean: Triple = IMAGENET_MEAN,
    deviation: Triple = IMAGENET_DEVIATION,
    max_pixels: Pixels = MAX_PIXELS,
) -> Prepared:
    """Make the input of an ImageNet classifier: the middle of the picture, RGB, normalised."""
    picture = _picture(message, payload, max_pixels)
    height, width = picture.shape[:2]
    side = max(1, round(min(height, width) * IMAGENET_CROP))
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(picture[top : top + side, left : left + side])
    canvas, fit = fit_picture(middle, (size, size))
    scale = fit.scale
    shifted = Fit(scale, (-left * scale[0], -top * scale[1]), fit.size)
    tensor = _tensor(
        canvas, dtype=dtype, colours="rgb", layout=layout, mean=mean, deviation=deviation
    )
    return _prepared(tensor, picture, shifted)


def to_ssd(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size = 300,
    dtype: Float = "fp32",
    layout: Layout = "nchw",
    **more: Unpack[Bounds],
) -> Prepared:
    """Make the input of an SSD: stretched, RGB from -1 to 1, (1, 3, size, size)."""
    return image_to_tensor(
        message,
        payload,
        size=size,
        dtype=dtype,
        layout=layout,
        mean=HALF,
        deviation=HALF,
        stretch=True,
        **more,
    )


def to_centernet(
    message: EdgeMessage,
    payload: Any,
    *,
    size: Size = 512,
    dtype: Float = "fp32",
    layout: Layout = "nhwc",
    **more: Unpack[Bounds],
) -> Prepared:
    """Make the input of CenterNet: letterbox, RGB from 0 to 255, (1, size, size, 3).

    With ``layout: nchw`` and a size divisible by 32 it is that of CenterFace.
    """
    return image_to_tensor(message, payload, size=size, dtype=dtype, layout=layout, pad=0, **more)


def _picture(message: EdgeMessage, payload: Any, max_pixels: int) -> Array:
    raw = isinstance(payload, bytes | bytearray | memoryview) and message.encoding == "bgr"
    picture = decode("bgr", payload, message.metadata) if raw else payload
    return as_picture(picture, max_pixels=max_pixels)


def _prepared(tensor: Array, picture: Array, fit: Fit) -> Prepared:
    notes = {"image_hw": list(picture.shape[:2]), "letterbox": fit.notes()}
    return Prepared(tensor, notes, picture)


def _tensor(
    canvas: Array, *, dtype: str, colours: str, layout: str, mean: Triple, deviation: Triple
) -> Array:
    import cv2

    height, width = canvas.shape[:2]
    planes = cv2.split(canvas)
    if colours == "rgb":
        planes = planes[::-1]
    by_plane = np.empty((3, height, width), _DTYPES[dtype])
    for plane, target, m, d in zip(planes, by_plane, mean, deviation, strict=True):
        target[...] = cv2.LUT(plane, _table(dtype, m, d))
    if layout == "nhwc":
        return np.ascontiguousarray(by_plane.transpose(1, 2, 0))[None]
    return by_plane[None]


@lru_cache(maxsize=64)
def _table(dtype: str, mean: float, deviation: float) -> Array:
    """Return the tensor's value of each brightness: a look-up is exact and the quickest way."""
    values = (np.arange(256, dtype=np.float64) - mean) / deviation
    return values.astype(_DTYPES[dtype])
