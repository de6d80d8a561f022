"""Detectors whose graph gives boxes itself, or that need no suppression of many classes."""

from typing import Any, Literal, Unpack

import numpy as np

from edgeflow.inference.requests import Array, InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.boxes import Fit
from edgeflow.pipelines.stages.class_names import Labels
from edgeflow.pipelines.stages.selection import Choice, Count, Unit, Wanted, above, finish, misfit

__all__ = ["centerface", "centernet", "ssd"]

FACE_STRIDE = 4
LONGEST_LOG = 10.0


def ssd(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.5,
    iou: Unit | None = None,
    order: Literal["yxyx", "xyxy"] = "yxyx",
    pixels: bool = False,
    labels: Labels = "coco91",
    only: list[str] | None = None,
    max_detections: Count = 100,
) -> dict[str, Any]:
    """Decode an SSD, whose graph has suppressed overlaps already.

    Args:
        response: one output (1, 1, n, 7) with rows of picture, class, score, x1, y1, x2, y2; or
            separate ones: boxes (1, n, 4), and scores and classes (1, n), told apart by name.
        message: with what the preprocessor noted.
        conf: confidence that a box has to exceed.
        iou: suppress once more, above this overlap.
        order: of the coordinates in separate boxes.
        pixels: coordinates are pixels of the input, not shares of it.
        labels: names of the classes; ``coco91`` counts the background as 0.
        only: labels that are wanted; all of them if not given.
        max_detections: how many at most.

    Raises:
        PipelineError: the outputs have other shapes.
    """
    rows = response.first
    if rows.ndim >= 2 and rows.shape[-1] == 7:
        rows = rows.reshape(-1, 7).astype(np.float32)
        boxes, scores, classes = rows[:, 3:], rows[:, 2], rows[:, 1]
    else:
        boxes, scores, classes = _separate(response)
        boxes = boxes[:, [1, 0, 3, 2]] if order == "yxyx" else boxes
    scores, boxes, classes = above(conf, scores, boxes, classes)
    if not pixels:
        height, width = Fit.of(message.metadata).size
        boxes = boxes * np.asarray([width, height, width, height], np.float32)
    choice = Choice(iou, True, labels, only, max_detections)
    return finish(boxes, scores, _whole(classes), message, choice)


def centernet(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.3,
    iou: Unit | None = 0.6,
    **more: Unpack[Wanted],
) -> dict[str, Any]:
    """Decode CenterNet: (1, n, 6) with rows of x1, y1, x2, y2, score, class in input pixels.

    The options are those of ``ssd``.
    """
    rows = response.first
    if rows.ndim < 2 or rows.shape[-1] != 6:
        raise misfit(response, "(1, n, 6)")
    rows = rows.reshape(-1, 6).astype(np.float32)
    scores, rows = above(conf, rows[:, 4], rows)
    choice = Choice(iou, True, **more)
    return finish(rows[:, :4], scores, _whole(rows[:, 5]), message, choice)


def centerface(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.5,
    iou: Unit = 0.3,
    max_detections: Count = 100,
) -> dict[str, Any]:
    """Decode CenterFace: heat, log size and offset of faces in cells of 4 pixels.

    The outputs are (1, 1, h, w), then sizes and offsets (1, 2, h, w), y before x; landmarks are
    not read. The options are those of ``ssd``.
    """
    maps = list(response.outputs.values())[:3]
    if len(maps) < 3 or [m.shape[:2] for m in maps] != [(1, 1), (1, 2), (1, 2)]:
        raise misfit(response, "(1, 1, h, w), (1, 2, h, w), (1, 2, h, w)")
    heat, size, offset = (m[0].astype(np.float32) for m in maps)
    rows, columns = np.nonzero(heat[0] > conf)
    cells = np.stack([rows, columns])
    half = np.exp(np.minimum(size[:, rows, columns], LONGEST_LOG)) * FACE_STRIDE / 2
    centre = (cells + offset[:, rows, columns] + 0.5) * FACE_STRIDE
    boxes = np.stack([*(centre - half)[::-1], *(centre + half)[::-1]], axis=1)
    choice = Choice(iou, False, ["face"], None, max_detections)
    return finish(boxes, heat[0, rows, columns], np.zeros(len(rows), int), message, choice)


def _separate(response: InferResponse) -> tuple[Array, Array, Array]:
    found: dict[str, Array] = {}
    for name, out in response.outputs.items():
        flat = out.reshape(-1, 4) if out.ndim >= 2 and out.shape[-1] == 4 else out.reshape(-1)
        words = name.lower()
        kind = "boxes" if flat.ndim == 2 else "scores" if "score" in words else ""
        kind = kind or ("classes" if "class" in words or "label" in words else "")
        if kind:
            found.setdefault(kind, flat.astype(np.float32))
    sizes = {len(each) for each in found.values()}
    if len(found) != 3 or len(sizes) != 1:
        raise misfit(response, "(1, 1, n, 7), or boxes (1, n, 4) with scores and classes")
    return found["boxes"], found["scores"], found["classes"]


def _whole(classes: Array) -> Array:
    """Return float class numbers as integers; what is none becomes -1."""
    return np.where((classes >= 0) & (classes < 1e6), classes, -1).astype(np.int64)
