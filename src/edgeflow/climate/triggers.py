"""When a device's readings are worth a decision."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

__all__ = ["FEATURES", "MAX_DEVICES", "Decision", "ThresholdTrigger", "Trigger", "feature_of"]

FEATURES = ("temperature", "humidity", "sound_volume")
"""What a decision is made from, in the order of ``Features``."""
_FEATURE_OF = {"temperature": "temperature", "humidity": "humidity", "audio": "sound_volume"}
MAX_DEVICES = 100_000


def feature_of(kind: str) -> str | None:
    """The feature that a kind of sensor feeds, or None."""
    return _FEATURE_OF.get(kind)


@dataclass(frozen=True, slots=True)
class Decision:
    """A device for which a position should be found now.

    Attributes:
        reason: why; several are joined by commas.
        z_scores: of the features, where the policy has them.
        degraded: features that are old, or stand in for a sensor that never spoke.
    """

    device: str
    time: float
    features: Features
    reason: str
    z_scores: tuple[float, float, float] = (0.0, 0.0, 0.0)
    degraded: tuple[str, ...] = ()


class Trigger(ABC):
    """A policy. Times are seconds since the Unix epoch, and never go back by much."""

    @abstractmethod
    def take(self, device: str, feature: str, value: float, now: float) -> Decision | None:
        """Take a reading in, and say whether it asks for a decision at once."""

    @abstractmethod
    def due(self, now: float) -> list[Decision]:
        """Decisions that time alone has made due."""


@dataclass(slots=True)
class _Device:
    """What is known of one device."""

    since: float
    values: dict[str, float] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    inferred: dict[str, float] = field(default_factory=dict)
    decided: float | None = None
    waiting: set[str] = field(default_factory=set)


class ThresholdTrigger(Trigger):
    """Decides on change: of half a degree, two per cent, or with any new volume.

    The first decision waits until all features are known. Later ones compare with the values that
    were last decided on, so that a slow drift counts. At most one comes per interval, and a change
    within it is decided on when it ends. A sensor that stays silent does not block: after
    ``patience`` a stand-in takes its place, and the decision says so.

    Args:
        steps: least change by feature; 0 means every new value.
        interval: seconds between decisions of one device.
        patience: seconds until a decision is made without a sensor, or with its old value.
        stand_in: what stands for a sensor that never spoke.

    Raises:
        ConfigError: a number is negative.
    """

    def __init__(
        self,
        *,
        steps: Features | None = None,
        interval: float = 5.0,
        patience: float = 60.0,
        stand_in: Features | None = None,
    ) -> None:
        chosen = steps or Features(0.5, 2.0, 0.0)
        self._steps = {name: float(getattr(chosen, name)) for name in FEATURES}
        self._stand_in = stand_in or Features(22.0, 50.0, -60.0)
        self._interval, self._patience = interval, patience
        if min(*self._steps.values(), interval, patience) < 0:
            raise ConfigError("trigger: a step or a time is negative", hint="0 or more")
        self._devices: dict[str, _Device] = {}
        self._waiting: dict[str, None] = {}

    def take(self, device: str, feature: str, value: float, now: float) -> Decision | None:
        """Take a reading in, and say whether it asks for a decision at once."""
        own = self._device(device, now)
        own.values[feature] = value
        own.heard[feature] = now
        if self._asks(own, feature, value):
            own.waiting.add(feature)
            self._waiting[device] = None
        elif own.decided is None:
            self._waiting[device] = None
        return self._decide(device, own, now)

    def due(self, now: float) -> list[Decision]:
        """What waited for its interval, or for a sensor that stayed silent."""
        found = [self._decide(name, self._devices[name], now) for name in list(self._waiting)]
        return [decision for decision in found if decision is not None]

    def _device(self, name: str, now: float) -> _Device:
        own = self._devices.get(name)
        if own is None:
            if len(self._devices) >= MAX_DEVICES:
                oldest = next(iter(self._devices))
                del self._devices[oldest]
                self._waiting.pop(oldest, None)
            own = self._devices[name] = _Device(now)
        return own

    def _asks(self, own: _Device, feature: str, value: float) -> bool:
        if own.decided is None:
            return False
        before = own.inferred.get(feature)
        return before is None or abs(value - before) >= self._steps[feature]

    def _decide(self, name: str, own: _Device, now: float) -> Decision | None:
        first = own.decided is None
        if first and len(own.values) < len(FEATURES) and now - own.since < self._patience:
            return None
        if own.decided is not None and (not own.waiting or now - own.decided < self._interval):
            return None
        reason = "first_inference" if first else ",".join(sorted(own.waiting))
        self._waiting.pop(name, None)
        own.decided, own.waiting = now, set()
        known = {each: own.values.get(each, getattr(self._stand_in, each)) for each in FEATURES}
        own.inferred = dict(own.values)
        old = now - self._patience
        degraded = tuple(each for each in FEATURES if own.heard.get(each, float("-inf")) < old)
        return Decision(name, now, Features(**known), reason, degraded=degraded)
