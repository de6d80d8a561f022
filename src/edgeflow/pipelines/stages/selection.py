"""What decoders of detectors share: which boxes stay, and as what they are told."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import numpy as np
from pydantic import Field

from edgeflow.errors import PipelineError, did_you_mean
from edgeflow.inference.requests import Array, InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.boxes import as_detections, suppress
from edgeflow.pipelines.stages.class_names import Labels, class_names

__all__ = [
    "Activation",
    "Choice",
    "Count",
    "Unit",
    "Wanted",
    "above",
    "are_logits",
    "finish",
    "misfit",
    "sigmoid",
]

Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1000)]
Activation = Literal["auto", "none", "sigmoid"]


class Choice(msgspec.Struct, frozen=True):
    """Which boxes stay.

    Attributes:
        iou: overlap above which the less confident box goes; None keeps all.
        per_class: boxes of different classes do not suppress each other.
        labels: names of the classes.
        only: names that are wanted; all if None.
        max_detections: how many stay.
    """

    iou: float | None
    per_class: bool
    labels: Labels = "coco"
    only: Sequence[str] | None = None
    max_detections: int = 100


class Wanted(TypedDict, total=False):
    """Options of every detector, with the defaults of ``Choice``."""

    labels: Labels
    only: list[str] | None
    max_detections: Count


def finish(
    boxes: Array, scores: Array, classes: Array, message: EdgeMessage, choice: Choice
) -> dict[str, Any]:
    """Return the result: overlaps suppressed, boxes in pixels of the picture, classes by name.

    Args:
        boxes: (n, 4), x1, y1, x2, y2 in pixels of the model's input; not finite ones are dropped.
        scores: (n,), from 0 to 1.
        classes: (n,), numbers.
        message: with what the preprocessor noted.
        choice: which stay.

    Raises:
        PipelineError: a wanted label is none of the names.
    """
    names = class_names(choice.labels)
    usable = np.isfinite(boxes).all(axis=1)
    if choice.only is not None:
        usable &= np.isin(classes, [_number(name, names) for name in choice.only])
    boxes, scores, classes = boxes[usable], scores[usable], classes[usable]
    groups = classes if choice.per_class else None
    iou = 1.0 if choice.iou is None else choice.iou
    kept = suppress(boxes, scores, iou, choice.max_detections, groups)
    return as_detections(
        boxes[kept], scores[kept], classes[kept], names=names, metadata=message.metadata
    )


def above(conf: float, scores: Array, *others: Array) -> tuple[Array, ...]:
    """Return the scores above ``conf`` and what belongs to them; NaN is never above."""
    kept = scores > conf
    return (scores[kept], *(other[kept] for other in others))


def are_logits(values: Array, activation: Activation) -> bool:
    """True when a sigmoid has to be applied: ``auto`` looks for a value outside 0 to 1."""
    if activation == "auto":
        return bool(((values < 0) | (values > 1)).any())
    return activation == "sigmoid"


def sigmoid(values: Array) -> Array:
    """Return probabilities of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))))


def misfit(response: InferResponse, wanted: str) -> PipelineError:
    """Return the error for outputs of another model."""
    shapes: Mapping[str, Array] = response.outputs
    got = ", ".join(f"{name} {list(out.shape)}" for name, out in shapes.items()) or "no output"
    return PipelineError(
        f"model {response.model!r} gave {got}; {wanted} was expected",
        hint="name the postprocessor that belongs to this model",
    )


def _number(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise PipelineError(
            f"`only` names {name!r}, which is no label", hint=did_you_mean(name, list(names))
        )
    return list(names).index(name)
