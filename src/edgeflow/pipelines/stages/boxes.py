"""Geometry of detections: fitting a picture into a model's input, and boxes back out of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, TypeVar

import msgspec
import numpy as np

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import Array
from edgeflow.pipelines.stages.base import Detection
from edgeflow.pipelines.stages.class_names import name_of

__all__ = ["Fit", "as_detections", "corners", "fit_picture", "suppress"]

T = TypeVar("T")
Positive = Annotated[int, msgspec.Meta(gt=0, lt=1_000_000)]

MAX_CANDIDATES = 2000
"""Boxes that suppression looks at, the best ones: it costs kept times looked at."""


class Fit(msgspec.Struct, frozen=True):
    """How a picture lies in a model's input: ``input = picture * scale + offset``, in pixels.

    Attributes:
        scale: along x and y.
        offset: left and top border.
        size: height and width of the input.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    size: tuple[int, int] = (0, 0)

    def notes(self) -> dict[str, Any]:
        """Return what goes into a message's metadata under ``letterbox``."""
        return {"scale": list(self.scale), "offset": list(self.offset), "size": list(self.size)}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self:
        """Return what a preprocessor has noted, or no change at all.

        Raises:
            PipelineError: the note is none that a preprocessor makes.
        """
        fit = _noted(metadata.get("letterbox") or {}, cls, "letterbox")
        usable = all(1e-6 < each < 1e6 for each in fit.scale)
        if not usable or not all(-1e6 < each < 1e6 for each in (*fit.offset, *fit.size)):
            raise PipelineError(f"the note `letterbox` of the message is out of range: {fit}")
        return fit

    def back(self, boxes: Array) -> Array:
        """Return boxes (n, 4) of the input as boxes of the picture."""
        return (boxes - _float32(self.offset * 2)) / _float32(self.scale * 2)


def fit_picture(
    picture: Array, size: tuple[int, int], *, pad: int = 114, stretch: bool = False
) -> tuple[Array, Fit]:
    """Resize a picture into ``size`` (height, width).

    Args:
        picture: uint8 (height, width, 3).
        size: of the result.
        pad: brightness of the borders.
        stretch: fill it, without borders, and change the proportions.

    Returns:
        uint8 (height, width, 3), and how the picture lies in it.
    """
    import cv2

    (height, width), (old_height, old_width) = size, picture.shape[:2]
    ratio = min(height / old_height, width / old_width)
    new_height, new_width = max(1, round(old_height * ratio)), max(1, round(old_width * ratio))
    if stretch:
        new_height, new_width = size
    left, top = (width - new_width) // 2, (height - new_height) // 2
    scale = (new_width / old_width, new_height / old_height)
    fit = Fit(scale, (float(left), float(top)), size)
    if (new_height, new_width) != (old_height, old_width):
        picture = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    if (new_height, new_width) == size:
        return picture, fit
    canvas = np.full((height, width, 3), pad, np.uint8)
    canvas[top : top + new_height, left : left + new_width] = picture
    return canvas, fit


def corners(boxes: Array) -> Array:
    """Return (n, 4) of centre x, y, width, height as float32 x1, y1, x2, y2."""
    boxes = boxes.astype(np.float32)
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def suppress(
    boxes: Array, scores: Array, iou: float, limit: int, groups: Array | None = None
) -> Array:
    """Return which boxes stay when of two that overlap only the better one does (NMS).

    Args:
        boxes: (n, 4), x1, y1, x2, y2.
        scores: (n,).
        iou: overlap (intersection over union) above which the lesser one goes.
        limit: how many may stay.
        groups: (n,); boxes of different groups never suppress each other.

    Returns:
        Indices, best first.
    """
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    kept: list[int] = []
    while order.size and len(kept) < limit:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        stays = shared <= iou * (area[best] + area[rest] - shared)
        if groups is not None:
            stays |= groups[rest] != groups[best]
        order = rest[stays]
    return np.array(kept, np.intp)


def as_detections(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    names: Sequence[str],
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Return boxes of the model's input as the result of a pipeline.

    Args:
        boxes: (n, 4), x1, y1, x2, y2 in pixels of the model's input.
        scores: (n,), from 0 to 1.
        classes: (n,), numbers.
        names: of the classes.
        metadata: of the message, with what the preprocessor noted about the picture.

    Returns:
        ``detections``, with boxes in pixels of the picture and inside it, and ``image_hw``.
    """
    boxes = Fit.of(metadata).back(boxes.astype(np.float32))
    noted = metadata.get("image_hw")
    size = _noted(noted, tuple[Positive, Positive], "image_hw") if noted else None
    if size:
        boxes = np.clip(boxes, 0, _float32([size[1], size[0]] * 2))
    boxes = np.round(boxes.astype(np.float64), 1)
    result: dict[str, Any] = {
        "detections": [
            Detection(name_of(names, c), c, round(s, 4), (x1, y1, x2, y2)).to_dict()
            for (x1, y1, x2, y2), s, c in zip(
                boxes.tolist(), scores.tolist(), classes.tolist(), strict=True
            )
        ]
    }
    return {**result, "image_hw": list(size)} if size else result


def _noted(value: Any, kind: type[T], name: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise PipelineError(f"the note `{name}` of the message is damaged: {error}") from None


def _float32(values: Sequence[float]) -> Array:
    return np.asarray(values, np.float32)
