"""From the outputs of detectors to labelled boxes in pixels of the picture."""

from typing import Any, Unpack

import numpy as np

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import Array, InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.boxes import Fit, corners
from edgeflow.pipelines.stages.class_names import class_names
from edgeflow.pipelines.stages.selection import (
    Activation,
    Choice,
    Unit,
    Wanted,
    above,
    are_logits,
    finish,
    misfit,
    sigmoid,
)

__all__ = ["nanodet", "yolo_nms", "yolov8"]

STRIDES = (8, 16, 32, 64)
SIDES = 4


def yolo_nms(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.25,
    iou: Unit = 0.45,
    activation: Activation = "auto",
    per_class: bool = False,
    **more: Unpack[Wanted],
) -> dict[str, Any]:
    """Decode YOLOv5: rows of centre x, y, width, height, objectness, one score per class.

    Args:
        response: its first output has them, (1, n, 5 + classes) or (n, 5 + classes).
        message: with what the preprocessor noted.
        conf: confidence, objectness times class score, has to be above it.
        iou: overlap above which the less confident box goes.
        activation: ``sigmoid`` for logits, ``none`` for probabilities; ``auto`` looks whether an
            objectness lies outside 0 to 1.
        per_class: boxes of different classes do not suppress each other.
        more: ``labels``, names of the classes: a list, ``coco``, or a file; ``only``, labels that
            are wanted, all of them if not given; ``max_detections``, the best ones.

    Returns:
        ``detections`` (empty where there is nothing) and ``image_hw``.

    Raises:
        PipelineError: the output has another shape.
    """
    rows = response.first
    rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim >= 2 else rows
    if rows.ndim != 2 or rows.shape[1] < 6:
        raise misfit(response, "(1, n, 5 + classes)")
    found = rows[:, 4].astype(np.float32)
    logits = are_logits(found, activation)
    found = sigmoid(found) if logits else found
    found, rows = above(conf, found, rows)
    scores = rows[:, 5:].astype(np.float32)
    classes = scores.argmax(axis=1)
    best = scores[np.arange(len(scores)), classes]
    best = found * (sigmoid(best) if logits else best)
    best, classes, boxes = above(conf, best, classes, corners(rows[:, :4]))
    return finish(boxes, best, classes, message, Choice(iou, per_class, **more))


def yolov8(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.25,
    iou: Unit = 0.45,
    activation: Activation = "none",
    per_class: bool = True,
    **more: Unpack[Wanted],
) -> dict[str, Any]:
    """Decode YOLOv8 and its kin: centre x, y, width, height, one score per class, no objectness.

    The first output is (1, 4 + classes, n) or (1, n, 4 + classes). The options are those of
    ``yolo_nms``.
    """
    table = response.first
    table = table[0] if table.ndim == 3 and len(table) == 1 else table
    if table.ndim != 2 or min(table.shape) < 5:
        raise misfit(response, "(1, 4 + classes, n)")
    table = table if table.shape[0] <= table.shape[1] else table.T
    scores = table[4:].astype(np.float32, copy=False)
    best = scores.max(axis=0)
    logits = are_logits(best, activation)
    best = sigmoid(best) if logits else best
    best, columns = above(conf, best, np.arange(table.shape[1]))
    classes, boxes = scores[:, columns].argmax(axis=0), corners(table[:4, columns].T)
    return finish(boxes, best, classes, message, Choice(iou, per_class, **more))


def nanodet(
    response: InferResponse,
    message: EdgeMessage,
    *,
    conf: Unit = 0.4,
    iou: Unit = 0.5,
    activation: Activation = "auto",
    per_class: bool = True,
    **more: Unpack[Wanted],
) -> dict[str, Any]:
    """Decode NanoDet: per level class scores, and per side of a box the odds of its distance.

    Per stride (8, 16, 32, 64) there is one output (1, n, classes) and one (1, n, 4 * bins), in any
    order, where n is the number of cells. The options are those of ``yolo_nms``.
    """
    choice = Choice(iou, per_class, **more)
    names = class_names(choice.labels)
    fit = Fit.of(message.metadata)
    parts = [
        _level((scores, bins), stride, fit, conf, activation)
        for stride, (scores, bins) in zip(STRIDES, _levels(response, len(names)), strict=False)
    ]
    boxes, best, classes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return finish(boxes, best, classes, message, choice)


def _levels(response: InferResponse, classes: int) -> list[tuple[Array, Array]]:
    """Return pairs of class scores and box bins, finest level first."""
    flat = [out[0] for out in response.outputs.values() if out.ndim == 3 and len(out) == 1]
    widths = {out.shape[1] for out in flat}
    if len(flat) != len(response.outputs) or len(widths) != 2 or len(flat) > 2 * len(STRIDES):
        raise misfit(response, "per stride (1, n, classes) and (1, n, 4 * bins)")
    width = classes if classes in widths else max(widths)
    scores = {len(out): out for out in flat if out.shape[1] == width}
    bins = {len(out): out for out in flat if out.shape[1] != width}
    if scores.keys() != bins.keys() or (sum(widths) - width) % SIDES:
        raise misfit(response, "per stride (1, n, classes) and (1, n, 4 * bins)")
    return [(scores[cells], bins[cells]) for cells in sorted(scores, reverse=True)]


def _level(
    level: tuple[Array, Array], stride: int, fit: Fit, conf: float, activation: Activation
) -> tuple[Array, Array, Array]:
    scores, bins = level
    columns = -(-fit.size[1] // stride)
    if columns * -(-fit.size[0] // stride) != len(scores):
        raise PipelineError(
            f"{len(scores)} cells of stride {stride} do not fit an input of {list(fit.size)}",
            hint="use vision.image_to_nanodet with the size of the model",
        )
    best = scores.max(axis=1).astype(np.float32)
    best = sigmoid(best) if are_logits(best, activation) else best
    best, cells = above(conf, best, np.arange(len(scores)))
    classes = scores[cells].argmax(axis=1)
    centre = (np.stack([cells % columns, cells // columns], axis=1) + 0.5) * stride
    sides = _expectation(bins[cells]) * stride
    boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1)
    return boxes.astype(np.float32), best, classes


def _expectation(bins: Array) -> Array:
    """Return (n, 4): per side the mean of 0, 1, 2... weighted with the softmax of its bins."""
    odds = bins.astype(np.float32).reshape(len(bins), SIDES, bins.shape[1] // SIDES)
    odds = np.exp(odds - odds.max(axis=2, keepdims=True))
    odds /= odds.sum(axis=2, keepdims=True)
    return np.asarray(odds @ np.arange(odds.shape[2], dtype=np.float32))
