"""Stages around models of sensor values, as the YAML names them: ``env.vector_to_tensor``..."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgeflow.errors import PipelineError, did_you_mean
from edgeflow.inference.requests import Array, InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.base import Classification, Prepared
from edgeflow.pipelines.stages.class_names import Labels, class_names, name_of

__all__ = ["softmax_topk", "vector_to_tensor"]

MAX_VALUES = 65536

Range = tuple[float, float]


def vector_to_tensor(
    message: EdgeMessage,  # noqa: ARG001 - part of the contract
    payload: Any,
    *,
    keys: list[str] | None = None,
    defaults: dict[str, float] | None = None,
    ranges: dict[str, Range] | None = None,
    out_of_range: Literal["error", "clip"] = "error",
    scale: bool = False,
    dtype: Literal["fp16", "fp32"] = "fp32",
) -> Prepared:
    """Make a row of numbers.

    Args:
        message: not looked at.
        payload: a dict, a list of numbers, or an array of one row.
        keys: which values of a dict, in the order of the model's columns; ``a.b`` looks into a
            dict. Without them all numbers in the order of their keys; texts and booleans are no
            numbers.
        defaults: for values that are missing or null; without one they are an error.
        ranges: smallest and largest value by key.
        out_of_range: refuse the message, or ``clip`` the value.
        scale: map each range to 0 to 1.
        dtype: of the tensor.

    Returns:
        The tensor (1, n); the notes ``vector``: the values by name, before scaling, and
        ``tensor``: what the model gets.

    Raises:
        PipelineError: a value is missing, no finite number, or out of its range; the message
            names it.
    """
    if isinstance(payload, Mapping):
        values = _chosen(payload, keys, defaults or {})
    else:
        values = _listed(payload, keys)
    if not values:
        raise PipelineError("the payload has no number in it", hint="name the values in `keys`")
    checked = {
        name: _in_range(name, value, (ranges or {}).get(name), clip=out_of_range == "clip")
        for name, value in values.items()
    }
    scaled = _scaled(checked, ranges or {}) if scale else list(checked.values())
    tensor = np.array([scaled], np.float16 if dtype == "fp16" else np.float32)
    return Prepared(tensor, {"vector": checked, "tensor": tensor[0].tolist()})


def softmax_topk(
    response: InferResponse,
    message: EdgeMessage,  # noqa: ARG001 - part of the contract
    *,
    k: Annotated[int, Field(ge=1, le=1000)] = 3,
    labels: Labels = None,
    activation: Literal["softmax", "sigmoid", "none"] = "softmax",
) -> dict[str, Any]:
    """Return the likeliest classes.

    Args:
        response: its first output has one number per class, (1, n) or (n,).
        message: not looked at.
        k: how many.
        labels: names of the classes: a list, ``air_quality``, or a file.
        activation: ``softmax`` or ``sigmoid`` for logits, ``none`` for probabilities.

    Returns:
        ``classes``: index, label and confidence of each, the likeliest first; ``label`` and
        ``confidence``: those of the first.

    Raises:
        PipelineError: there is no output, or it has NaN in it.
    """
    logits = response.first.astype(np.float32).reshape(-1)
    if not logits.size or math.isnan(logits.max()):  # the largest of numbers with NaN is NaN
        raise PipelineError(f"model {response.model!r} gave no usable scores")
    odds = _ACTIVATIONS[activation](logits)
    names = class_names(labels)
    best = (-odds).argsort(kind="stable")[:k].tolist()
    classes = [Classification(i, name_of(names, i), round(float(odds[i]), 6)) for i in best]
    return {
        "classes": [each.to_dict() for each in classes],
        "label": classes[0].label,
        "confidence": classes[0].confidence,
    }


def _softmax(logits: Array) -> Array:
    top = logits.max()
    if not math.isfinite(top):
        logits = np.nan_to_num(logits)
        top = logits.max()
    odds = np.exp(logits - top)
    return np.asarray(odds / odds.sum())


_ACTIVATIONS: dict[str, Any] = {
    "softmax": _softmax,
    "sigmoid": lambda logits: 1 / (1 + np.exp(-np.clip(logits, -80, 80))),
    "none": lambda logits: logits,
}


def _chosen(
    payload: Mapping[str, Any], keys: Sequence[str] | None, defaults: Mapping[str, float]
) -> dict[str, float]:
    if keys is None:
        known = {**defaults, **{k: v for k, v in payload.items() if v is not None}}
        names = sorted((name for name in known if _is_number(known[name])), key=str)
        return {str(name): _number(str(name), known[name]) for name in names[:MAX_VALUES]}
    return {key: _wanted(payload, key, defaults) for key in keys}


def _wanted(payload: Mapping[str, Any], key: str, defaults: Mapping[str, float]) -> float:
    value: Any = payload.get(key)
    if value is None and "." in key:
        value = payload
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        value = defaults.get(key)
    if value is None:
        known = [str(name) for name in payload][:100]
        raise PipelineError(f"the value {key!r} is missing", hint=did_you_mean(key, known))
    return _number(key, value)


def _listed(payload: Any, keys: Sequence[str] | None) -> dict[str, float]:
    if isinstance(payload, np.ndarray) and payload.dtype.kind in "iuf":
        payload = payload.reshape(-1).tolist()
    if not isinstance(payload, list | tuple):
        raise PipelineError(
            f"values were expected and {type(payload).__name__} came",
            hint="set `serializer: json` on the route",
        )
    if len(payload) > MAX_VALUES or (keys is not None and len(keys) != len(payload)):
        wanted = f"{len(keys)}" if keys is not None else f"at most {MAX_VALUES}"
        raise PipelineError(f"{len(payload)} values came, {wanted} were expected")
    names = keys if keys is not None else [str(i) for i in range(len(payload))]
    return {name: _number(name, value) for name, value in zip(names, payload, strict=True)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(name: str, value: Any) -> float:
    if not _is_number(value):
        raise PipelineError(f"the value {name!r} is {value!r:.40} and no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PipelineError(f"the value {name!r} is not finite")
    return number


def _in_range(name: str, value: float, bounds: Range | None, *, clip: bool) -> float:
    if bounds is None or bounds[0] <= value <= bounds[1]:
        return value
    if clip:
        return min(max(value, bounds[0]), bounds[1])
    raise PipelineError(f"the value {name!r} is {value}, outside {bounds[0]} to {bounds[1]}")


def _scaled(values: Mapping[str, float], ranges: Mapping[str, Range]) -> list[float]:
    def each() -> Iterator[float]:
        for name, value in values.items():
            low, high = ranges.get(name, (0.0, 1.0))
            yield (value - low) / (high - low) if high > low else 0.0

    return list(each())
