"""How unusual values are: against what a sensor has sent so far, or against a model of it."""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["reconstruction", "zscore"]

MAX_SENSORS = 1024
MAX_VALUES = 256

Positive = Annotated[float, Field(gt=0)]


class Baseline:
    """Mean and spread of one value, the older the less it counts.

    Args:
        half_life: after how many values one counts half.
    """

    def __init__(self, half_life: float) -> None:
        self._weight = 1 - 0.5 ** (1 / half_life)
        self.count = 0
        self.mean = 0.0
        self.variance = 0.0

    def score(self, value: float, smallest: float) -> float:
        """Return by how many spreads ``value`` lies off, 0 while there are fewer than 2 values.

        Args:
            value: to look at.
            smallest: spread that is assumed at least.
        """
        if self.count < 2:
            return 0.0
        return abs(value - self.mean) / max(math.sqrt(self.variance), smallest)

    def learn(self, value: float) -> None:
        """Take ``value`` in."""
        self.count += 1
        weight = max(self._weight, 1 / self.count)
        off = value - self.mean
        self.mean += weight * off
        self.variance = (1 - weight) * (self.variance + weight * off * off)


class zscore:  # noqa: N801 - the YAML names it as a stage
    """Scores values against the running baseline of their sensor.

    One object per use in the YAML: baselines are not shared. Values are those of the model's
    outputs, or, in a pipeline without a model, those of the message.

    Args:
        keys: values of the message's dict to score; all its numbers if not given.
        threshold: score from which a message is an anomaly.
        half_life: after how many messages one counts half in the baseline.
        warm_up: messages of a sensor before anything is an anomaly.
        smallest: spread that is assumed at least.
        learn_anomalies: let anomalies move the baseline.
    """

    needs_model: ClassVar = False

    def __init__(
        self,
        *,
        keys: list[str] | None = None,
        threshold: Positive = 4.0,
        half_life: Positive = 100.0,
        warm_up: Annotated[int, Field(ge=2)] = 30,
        smallest: Positive = 1e-6,
        learn_anomalies: bool = False,
    ) -> None:
        self._keys = keys
        self._threshold = threshold
        self._half_life = half_life
        self._warm_up = warm_up
        self._smallest = smallest
        self._learn_anomalies = learn_anomalies
        self._lock = threading.Lock()
        self._sensors: OrderedDict[str, dict[str, Baseline]] = OrderedDict()

    def __call__(self, response: InferResponse, message: EdgeMessage) -> dict[str, Any]:
        """Return the score of a message.

        Returns:
            ``score``: the largest of its values; ``anomaly``; ``scores``: those of all values;
            ``most_unusual``: whose is the largest.

        Raises:
            PipelineError: there is no number to score.
        """
        values = dict(_values(response, message, self._keys))
        if not values:
            raise PipelineError("there is no number to score", hint="name the values in `keys`")
        with self._lock:
            return self._judge(values, self._baselines(message.sensor_id))

    def _judge(self, values: Mapping[str, float], baselines: dict[str, Baseline]) -> dict[str, Any]:
        scores, warm = {}, True
        for name, value in values.items():
            baseline = baselines.get(name)
            if baseline is None:
                baseline = baselines[name] = Baseline(self._half_life)
            scores[name] = round(baseline.score(value, self._smallest), 4)
            is_warm = baseline.count >= self._warm_up
            warm &= is_warm
            if self._learn_anomalies or not is_warm or scores[name] < self._threshold:
                baseline.learn(value)
        worst = max(scores, key=lambda name: scores[name])
        return {
            "score": scores[worst],
            "anomaly": warm and scores[worst] >= self._threshold,
            "scores": scores,
            "most_unusual": worst,
        }

    def _baselines(self, sensor: str) -> dict[str, Baseline]:
        found = self._sensors.setdefault(sensor, {})
        self._sensors.move_to_end(sensor)
        if len(self._sensors) > MAX_SENSORS:
            self._sensors.popitem(last=False)
        return found


def reconstruction(
    response: InferResponse,
    message: EdgeMessage,
    *,
    threshold: Positive = 1.0,
) -> dict[str, Any]:
    """Score how badly an autoencoder gives back what ``env.vector_to_tensor`` gave it.

    Args:
        response: its first output has as many numbers as the input.
        message: with the note ``tensor`` of the preprocessor.
        threshold: mean squared error from which a message is an anomaly.

    Returns:
        ``score``: the mean squared error; ``anomaly``; ``errors``: squared error by value.

    Raises:
        PipelineError: input or output are missing, or differ in size.
    """
    names = list(message.metadata.get("vector") or ())
    given = np.asarray(message.metadata.get("tensor") or (), np.float64)
    got = response.first.astype(np.float64).reshape(-1)
    if not given.size or given.size != got.size:
        raise PipelineError(
            f"model {response.model!r} gave {got.size} numbers for {given.size} inputs",
            hint="use it after env.vector_to_tensor and an autoencoder",
        )
    errors = (got - given) ** 2
    score = float(errors.mean())
    return {
        "score": score,
        "anomaly": not score < threshold,
        "errors": dict(zip(names, errors.tolist(), strict=True)),
    }


def _values(
    response: InferResponse, message: EdgeMessage, keys: list[str] | None
) -> Iterator[tuple[str, float]]:
    payload = message.payload
    if response.model or not isinstance(payload, Mapping):
        source: Mapping[str, Any] = {
            f"{name}.{i}" if out.size > 1 else name: value
            for name, out in response.outputs.items()
            for i, value in enumerate(out.reshape(-1)[:MAX_VALUES].tolist())
        }
    else:
        source = payload
    for name in list(source)[:MAX_VALUES] if keys is None else keys:
        value = source.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                yield str(name), float(value)
        elif keys is not None:
            raise PipelineError(f"the value {name!r} is missing or no number")
