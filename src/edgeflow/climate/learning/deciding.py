"""From a request to where a window shall be: checks, model, confidence, safety."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from edgeflow.climate.learning.drift import DriftDetector
from edgeflow.climate.learning.labels import Labels, values_of
from edgeflow.climate.learning.rules import Limits, SafetyRules
from edgeflow.climate.learning.versions import Model
from edgeflow.errors import ProtocolError
from edgeflow.protocols.climate import InferenceRequest, WindowControl, iso_time

__all__ = ["RANGES", "WindowDecider"]

RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (-50.0, 60.0),
    "humidity": (0.0, 100.0),
    "sound_volume": (-80.0, 0.0),
}
"""What a feature may be: degrees Celsius, per cent, dBFS."""


HELD = 0.9
"""Confidence in a window that a person set within the last half hour: the air may have changed."""


class WindowDecider:
    """Decides with a model that may be exchanged between two requests. Not thread-safe.

    Args:
        model: decides. limits: of the safety rules.
        now: seconds since the Unix epoch.
    """

    def __init__(
        self, model: Model, *, limits: Limits | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._limits = limits or Limits()
        self._rules = SafetyRules(self._limits)
        self._model, self._drift = model, DriftDetector(model.edges)
        self._said = 0.0

    @property
    def said(self) -> float:
        """What the model said to the last request, before the rules."""
        return self._said

    @property
    def model(self) -> Model:
        """What decides now."""
        return self._model

    @property
    def drift(self) -> DriftDetector:
        """Whether the requests are still of the kind that the model learnt from."""
        return self._drift

    def use(self, model: Model) -> None:
        """Decide with another model from the next request on."""
        if model.metadata.version != self._model.metadata.version:
            self._drift = DriftDetector(model.edges)
        self._model = model

    def decide(self, request: InferenceRequest) -> WindowControl:
        """Where the window shall be.

        Raises:
            ProtocolError: a feature is out of its range.
        """
        for name, (low, high) in RANGES.items():
            value = getattr(request, name)
            if not low <= value <= high:
                raise ProtocolError(
                    f"inference request of {request.device_id[:80]}: {name} is {value:g}",
                    hint=f"from {low:g} to {high:g}",
                )
        began = time.perf_counter()
        features = request.features
        values = values_of(features)
        positions, confidences = self._model.decide(np.asarray(values[None]))
        self._drift.see(values)
        now = self._now()
        confidence, self._said = float(confidences[0]), float(positions[0])
        limited = self._rules.apply(
            request.device_id,
            self._said,
            confidence=confidence,
            features=features,
            degraded=bool(request.degraded),
            now=now,
        )
        confidence = HELD if "held" in limited.rule else confidence
        return WindowControl(
            device_id=request.device_id,
            timestamp=iso_time(now),
            position=round(limited.position, 2),
            confidence=round(confidence, 4),
            features_used=features,
            correlation_id=request.correlation_id,
            model_version=self._model.metadata.version,
            inference_time_ms=round(1000.0 * (time.perf_counter() - began), 3),
            rule=limited.rule,
        )

    def moved(self, device: str, position: float, since: float | None = None) -> None:
        """Somebody moved the window by hand, now or at a time that is not too long ago."""
        now = self._now()
        time = now if since is None else min(since, now)
        if now - time < self._limits.hold or since is None:
            self._rules.moved(device, position, time)

    def recall(self, labels: Labels) -> None:
        """Hold windows that people set before this process began."""
        now = self._now()
        for label in labels.newest(now - self._limits.hold):
            if label.time <= now:
                self._rules.moved(label.device, label.position, label.time)
