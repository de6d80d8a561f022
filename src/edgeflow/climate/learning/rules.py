"""What a window must not do, whatever a model says."""

from dataclasses import dataclass

from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

__all__ = ["Limited", "Limits", "SafetyRules"]

MAX_DEVICES = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules' numbers.

    Attributes:
        step: points that a window may move at once. rate: points per minute after that.
        frost, frost_position: below so many degrees it is open no further.
        damp, damp_position: above so many per cent (rain, steam).
        loud, loud_position: above so many dBFS.
        doubt: below such a confidence the window stays where it is.
        degraded_step: points at once while a sensor is silent.
        hold: seconds for which a window stays where a person set it.

    Raises:
        ConfigError: a position is not from 0 to 100, or a step is not above 0.
    """

    step: float = 40.0
    rate: float = 60.0
    frost: float = 5.0
    frost_position: float = 10.0
    damp: float = 95.0
    damp_position: float = 20.0
    loud: float = -10.0
    loud_position: float = 20.0
    doubt: float = 0.2
    degraded_step: float = 10.0
    hold: float = 1800.0

    def __post_init__(self) -> None:
        positions = (self.frost_position, self.damp_position, self.loud_position)
        if not all(0 <= position <= 100 for position in positions):
            raise ConfigError("safety: a position is not from 0 to 100")
        if min(self.step, self.rate, self.degraded_step) <= 0:
            raise ConfigError("safety: a step is not above 0")
        if self.hold < 0:
            raise ConfigError("safety: hold is below 0")


@dataclass(frozen=True, slots=True)
class Limited:
    """A position that is allowed, and the rules that made it so, joined by commas."""

    position: float
    rule: str


class SafetyRules:
    """Remembers where each window was sent. Not thread-safe."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._sent: dict[str, tuple[float, float]] = {}
        self._held: dict[str, tuple[float, float]] = {}

    def apply(
        self,
        device: str,
        wanted: float,
        *,
        confidence: float,
        features: Features,
        degraded: bool,
        now: float,
    ) -> Limited:
        """Limit a position. Caps by weather and noise hold at once, whatever the step."""
        limits = self._limits
        before = self._sent.pop(device, None)
        position, rule = min(100.0, max(0.0, wanted)), ""
        held = self._held_at(device, now)
        if held is not None:
            position, rule = held, "held"
        elif before is not None and confidence < limits.doubt:
            position, rule = before[0], "doubt"
        elif before is not None:
            reachable = self._reachable(position, before, degraded, now)
            if reachable != position:
                position, rule = reachable, "degraded" if degraded else "step"
        rules = [rule] if rule else []
        for name, applies, cap in (
            ("frost", features.temperature < limits.frost, limits.frost_position),
            ("damp", features.humidity > limits.damp, limits.damp_position),
            ("loud", features.sound_volume > limits.loud, limits.loud_position),
        ):
            if applies and position > cap:
                position = cap
                rules.append(name)
        self._remember(device, position, now)
        return Limited(position, ",".join(rules))

    def moved(self, device: str, position: float, now: float) -> None:
        """Somebody moved the window by hand; the last time counts, in whatever order it is told."""
        if now < self._held.get(device, (0.0, now))[1]:
            return
        self._sent.pop(device, None)
        self._held.pop(device, None)
        self._remember(device, position, now)
        self._held[device] = (position, now)

    def _held_at(self, device: str, now: float) -> float | None:
        position, since = self._held.get(device, (0.0, 0.0))
        if device in self._held and 0 <= now - since < self._limits.hold:
            return position
        self._held.pop(device, None)
        return None

    def _reachable(
        self, position: float, before: tuple[float, float], degraded: bool, now: float
    ) -> float:
        most = max(self._limits.step, self._limits.rate * max(0.0, now - before[1]) / 60.0)
        most = min(most, self._limits.degraded_step) if degraded else most
        return min(before[0] + most, max(before[0] - most, position))

    def _remember(self, device: str, position: float, now: float) -> None:
        if len(self._sent) >= MAX_DEVICES:
            oldest = next(iter(self._sent))
            del self._sent[oldest]
            self._held.pop(oldest, None)
        self._sent[device] = (position, now)
