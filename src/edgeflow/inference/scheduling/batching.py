"""Requests of one shape as one call, and back."""

from collections.abc import Sequence

import numpy as np

from edgeflow.errors import EngineError
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.requests import Array
from edgeflow.inference.scheduling.job import Job

__all__ = ["can_batch", "join", "split"]


def can_batch(spec: EngineSpec) -> bool:
    """True when the first axis of every tensor is free."""
    tensors = (*spec.inputs, *spec.outputs)
    return bool(spec.inputs) and all(each.shape and each.shape[0] is None for each in tensors)


def join(jobs: Sequence[Job]) -> dict[str, Array]:
    """Return the inputs of all jobs, one after the other on the first axis."""
    return {
        name: np.concatenate([job.inputs[name] for job in jobs], axis=0) for name in jobs[0].inputs
    }


def split(outputs: dict[str, Array], jobs: Sequence[Job]) -> list[dict[str, Array]]:
    """Return for each job its rows of the outputs (views).

    Raises:
        EngineError: an output has another number of rows than the inputs had.
    """
    ends = np.cumsum([job.rows() for job in jobs]).tolist()
    for name, value in outputs.items():
        if not value.ndim or value.shape[0] != ends[-1]:
            raise EngineError(
                f"output {name!r} has the shape {list(value.shape)} for {ends[-1]} rows of input",
                hint="the model mixes rows: set max_batch to 1",
            )
    starts = [0, *ends[:-1]]
    return [
        {name: value[start:end] for name, value in outputs.items()}
        for start, end in zip(starts, ends, strict=True)
    ]
