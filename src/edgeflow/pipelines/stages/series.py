"""Stages of time series: ``series.window``, ``series.ahead``, ``series.history``."""

import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.agents.values import MISSING, find
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.base import Prepared

__all__ = ["ahead", "history", "window"]

MAX_SENSORS = 1024
MAX_STEPS = 4096
PER_STEP = 8
"""Values kept per step; who sends more often is thinned out."""


class window:  # noqa: N801 - the YAML names it as a stage
    """Makes a window of the last values of a sensor, at even times whatever its own rate.

    Each row holds the values that were known at its time; rows before the first repeat it. True
    counts as 1. The notes ``window_filled`` (which part was heard, 0 to 1) and ``window_last``
    (the newest values by key) go to the postprocessor.

    Args:
        keys: paths of the values, in the order of the model's features.
        steps: rows.
        step_s: seconds between two rows.
        relative: keys that are told as the difference to their newest value.
        scale: by key: what its values are divided by.
    """

    def __init__(
        self,
        *,
        keys: Annotated[list[str], Field(min_length=1, max_length=256)],
        steps: Annotated[int, Field(ge=1, le=MAX_STEPS)],
        step_s: Annotated[float, Field(gt=0, le=86400)] = 1.0,
        relative: list[str] | None = None,
        scale: dict[str, Annotated[float, Field(gt=0)]] | None = None,
    ) -> None:
        for name in (*(relative or ()), *(scale or ())):
            if name not in keys:
                raise PipelineError(f"{name!r} is none of the keys", hint=", ".join(keys))
        self._keys, self._steps, self._step = keys, steps, step_s
        self._relative = [key in (relative or ()) for key in keys]
        self._scale = np.array([(scale or {}).get(key, 1.0) for key in keys], np.float64)
        self._lock = threading.Lock()
        self._sensors: OrderedDict[str, deque[tuple[float, list[float]]]] = OrderedDict()

    def __call__(self, message: EdgeMessage, payload: Any) -> Prepared | None:
        """Return the window float32 (1, steps, keys) that ends with this message.

        None while a value was never heard. A message that is older than the last one is passed
        over.
        """
        with self._lock:
            kept = self._kept(message.sensor_id)
            before = kept[-1] if kept else None
            row = _row(payload, self._keys, before[1] if before else None)
            if row is None or (before is not None and message.timestamp < before[0]):
                return None
            if len(kept) > 1 and message.timestamp - kept[-2][0] < self._step / PER_STEP:
                kept.pop()
            kept.append((message.timestamp, row))
            heard = list(kept)
        times = [at for at, _ in heard]
        wanted = [times[-1] - self._step * back for back in range(self._steps - 1, -1, -1)]
        chosen = [max(0, bisect_right(times, at) - 1) for at in wanted]
        values = np.array([heard[index][1] for index in chosen], np.float64)
        last = values[-1].copy()
        values -= np.where(self._relative, last, 0.0)
        notes = {
            "window_filled": round(sum(at >= times[0] for at in wanted) / self._steps, 4),
            "window_last": dict(zip(self._keys, last.tolist(), strict=True)),
        }
        return Prepared((values / self._scale).astype(np.float32)[None], notes)

    def _kept(self, sensor: str) -> deque[tuple[float, list[float]]]:
        kept = self._sensors.setdefault(sensor, deque(maxlen=PER_STEP * (self._steps + 1)))
        self._sensors.move_to_end(sensor)
        if len(self._sensors) > MAX_SENSORS:
            self._sensors.popitem(last=False)
        return kept


def ahead(
    response: InferResponse,
    message: EdgeMessage,
    *,
    key: str,
    step_s: Annotated[float, Field(gt=0, le=86400)] = 1.0,
    scale: Annotated[float, Field(gt=0)] = 1.0,
) -> dict[str, Any]:
    """Turn what a model says of the next steps into values with times.

    Args:
        response: its first output holds the differences to the newest value.
        message: with the notes of ``series.window``.
        key: whose future it is.
        step_s: seconds between two values.
        scale: what they are multiplied by.

    Returns:
        ``forecast``: ``values``, ``times`` (Unix seconds), ``key``, and ``filled`` (which part of
        the window was heard, 0 to 1).

    Raises:
        PipelineError: ``series.window`` did not come before, or without this key.
    """
    last = find(message.metadata.get("window_last"), key)
    if last is MISSING:
        raise PipelineError(f"there is no newest {key!r}", hint="use it after series.window")
    steps = np.asarray(response.first, np.float64).reshape(-1)
    return {
        "forecast": {
            "key": key,
            "values": (last + scale * steps).round(4).tolist(),
            "times": [message.timestamp + step_s * (n + 1) for n in range(len(steps))],
            "filled": message.metadata.get("window_filled", 1.0),
        }
    }


def _row(payload: Any, keys: list[str], before: list[float] | None) -> list[float] | None:
    """Return the values of a message; what it does not tell is as before."""
    if not isinstance(payload, Mapping):
        return None
    row = []
    for index, key in enumerate(keys):
        value = find(payload, key)
        if isinstance(value, bool | int | float) and np.isfinite(value):
            row.append(float(value))
        elif before is not None:
            row.append(before[index])
        else:
            return None
    return row


class history:  # noqa: N801 - the YAML names it as a stage
    """Keeps the last values of a sensor, for pages that show how they went.

    A postprocessor of a pipeline without a model: one result in so many messages.

    Args:
        keys: paths of the values; true counts as 1, what is no number is null.
        points: values of each key that are kept.
        every: messages between two results.
    """

    needs_model: ClassVar = False

    def __init__(
        self,
        *,
        keys: Annotated[list[str], Field(min_length=1, max_length=64)],
        points: Annotated[int, Field(ge=2, le=MAX_STEPS)] = 300,
        every: Annotated[int, Field(ge=1, le=1000)] = 1,
    ) -> None:
        self._keys, self._points, self._every = keys, points, every
        self._lock = threading.Lock()
        self._sensors: OrderedDict[str, deque[tuple[float, list[float | None]]]] = OrderedDict()
        self._count = 0

    def __call__(self, response: InferResponse, message: EdgeMessage) -> dict[str, Any] | None:
        """Take a message in.

        Returns:
            ``history``: ``times`` (Unix seconds), and ``values``: a list for each key.
        """
        del response
        row = [_number(find(message.payload, key)) for key in self._keys]
        with self._lock:
            kept = self._sensors.setdefault(message.sensor_id, deque(maxlen=self._points))
            self._sensors.move_to_end(message.sensor_id)
            if len(self._sensors) > MAX_SENSORS:
                self._sensors.popitem(last=False)
            if not kept or message.timestamp > kept[-1][0]:
                kept.append((message.timestamp, row))
            self._count += 1
            if self._count % self._every:
                return None
            heard = list(kept)
        values = {key: [row[n] for _, row in heard] for n, key in enumerate(self._keys)}
        return {"history": {"times": [at for at, _ in heard], "values": values}}


def _number(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, bool | int | float) and np.isfinite(value):
        return round(float(value), 4)
    return None
