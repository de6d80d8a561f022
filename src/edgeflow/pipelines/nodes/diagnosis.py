"""Says what does not fit when a model refuses its input: both shapes, model, pipeline, stage."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeflow.errors import EdgeFlowError
from edgeflow.inference.engines.base import TensorSpec
from edgeflow.inference.service import InferenceService
from edgeflow.pipelines.declaration import ModelStep, PipelinePlan
from edgeflow.pipelines.nodes.inferring import Work

__all__ = ["describe_misfit"]


def describe_misfit(
    plan: PipelinePlan,
    work: Work,
    steps: Sequence[ModelStep],
    service: InferenceService,
    error: EdgeFlowError,
) -> str:
    """Return one sentence per model whose inputs do not fit, or the error's own words."""
    found = []
    for step, inputs in zip(steps, work.inputs, strict=True):
        wanted = _wanted(service, step.model)
        if wanted is None:
            continue
        given = _given(inputs)
        fits = len(given) == len(wanted) and all(
            array.dtype == tensor.dtype and tensor.accepts(array.shape)
            for array, tensor in zip(given.values(), wanted, strict=True)
        )
        if not fits:
            stage = step.preprocess.path if step.preprocess else "the decoded payload"
            gave = ", ".join(_shape(name, array) for name, array in given.items()) or "no array"
            takes = ", ".join(str(tensor) for tensor in wanted)
            found.append(
                f"pipeline {plan.name!r}: {stage} gave {gave}, "
                f"but model {step.model!r} takes {takes}"
            )
    return "; ".join(found) or f"pipeline {plan.name!r}: {error.message}"


def _wanted(service: InferenceService, model: str) -> tuple[TensorSpec, ...] | None:
    try:
        return service.info(model).spec.inputs
    except Exception:  # noqa: BLE001 - an old server tells nothing of its models
        return None


def _given(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, np.ndarray):
        return {"": inputs}
    items: Iterable[tuple[Any, Any]] = inputs.items() if isinstance(inputs, Mapping) else ()
    if isinstance(inputs, list | tuple):
        items = ((f"#{index}", value) for index, value in enumerate(inputs))
    return {str(name): value for name, value in items if isinstance(value, np.ndarray)}


def _shape(name: str, array: Any) -> str:
    sizes = f"{array.dtype}{list(array.shape)}"
    return f"{name}: {sizes}" if name else sizes
