"""What a pipeline's outputs look like to agents and to the dashboard."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeflow.inference.requests import InferResponse

__all__ = ["merged", "plain", "raw_result"]

SHOWN_VALUES = 1024
MAX_DEPTH = 8
SCALARS = frozenset((str, bool, int, float, type(None)))


def raw_result(response: InferResponse) -> dict[str, Any]:
    """Return the result of a model without postprocessor: small outputs as lists."""
    return {"outputs": {name: plain(array) for name, array in response.outputs.items()}}


def merged(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of several models as one.

    Lists under the same key follow each other; of other values the later model's wins. ``models``
    holds each result by model.
    """
    together: dict[str, Any] = {}
    for result in results.values():
        for key, value in result.items():
            before = together.get(key)
            if isinstance(before, list) and isinstance(value, list):
                value = [*before, *value]  # noqa: PLW2901 - lists are joined
            together[key] = value
    together["models"] = {name: dict(result) for name, result in results.items()}
    return together


def plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one per kind of value
    """Return ``value`` as JSON-like data: arrays as lists, what is large or bytes by its size."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is dict and depth < MAX_DEPTH:
        return {
            key if type(key) is str else str(key): plain(inner, depth + 1)
            for key, inner in value.items()
        }
    if kind is list and depth < MAX_DEPTH:
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, np.ndarray):
        if value.size <= SHOWN_VALUES:
            return value.tolist()
        return {"dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str | bool | int | float | None):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value)}
    if depth >= MAX_DEPTH:
        return repr(value)[:200]
    if isinstance(value, Mapping):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(inner, depth + 1) for inner in value]
    return repr(value)[:200]
