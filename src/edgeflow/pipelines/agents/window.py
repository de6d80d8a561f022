"""Where a window shall be, by the air, what is forecast of it, and whether somebody is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import Field, field_validator

from edgeflow.climate.learning.rules import SafetyRules
from edgeflow.errors import ProtocolError
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.values import MISSING, find, number_at
from edgeflow.pipelines.message import Action, EdgeMessage
from edgeflow.protocols.climate import Features, WindowControl, iso_time
from edgeflow.protocols.climate_topics import check_device, control_topic

__all__ = ["WindowKeeper", "WindowOptions"]

FULL = 100.0
FORECAST_SECONDS = 60.0
"""A forecast that is older is none."""
DEFAULTS = Features(22.0, 50.0, -60.0)


class WindowOptions(AgentOptions):
    """Keys of an agent of type ``window_control``."""

    device: str = Field(description="Node whose window it is.")
    presence: list[str] = Field(
        default=["camera.people", "csi.presence"],
        min_length=1,
        max_length=16,
        description="Paths of what tells whether somebody is there; one that says so is enough.",
    )
    temperature: str = Field(default="air.temperature", description="Path of degrees Celsius.")
    humidity: str = Field(default="air.humidity", description="Path of per cent.")
    noise: str = Field(default="air.sound_volume", description="Path of dBFS.")
    forecast: str = Field(
        default="forecast.values", description="Path of the temperatures that are to come."
    )
    comfort: float = Field(default=22.5, description="Degrees from which it opens for somebody.")
    economy: float = Field(default=20.0, description="Degrees below which nobody needs fresh air.")
    damp: float = Field(default=65.0, description="Per cent from which it opens for somebody.")
    loud: float = Field(default=-38.0, description="dBFS from which it closes for somebody.")
    quiet_s: float = Field(
        default=20.0, ge=0, description="How long it stays so after the last noise."
    )
    airing: float = Field(
        default=80.0, ge=0, le=100, description="Position while nobody is there and it is warm."
    )
    settle_s: float = Field(
        default=3.0, ge=0, description="How long presence must have changed to count."
    )
    step: float = Field(default=8.0, ge=1, le=100, description="Smaller moves are not worth it.")
    every_s: float = Field(default=4.0, ge=0, description="Shortest time between two moves.")

    @field_validator("device")
    @classmethod
    def _named(cls, device: str) -> str:
        try:
            return check_device(device)
        except ProtocolError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Wish:
    """A position in per cent, and why."""

    position: float
    reason: str


class WindowKeeper(Agent):
    """Moves a window when the air and who breathes it want it moved.

    For somebody it opens by warmth (half of what is forecast included) and damp, and closes by
    noise. For nobody noise does not matter: it airs the room while that is warm. While nothing
    tells whether somebody is there, and without a temperature, it does nothing. Limits of the
    climate system (frost, rain, steps) hold whatever it wants.
    """

    quick = True
    Options = WindowOptions
    options: WindowOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._rules = SafetyRules()
        self._present: bool | None = None
        self._changing: float | None = None
        self._loud: float | None = None
        self._forecast: tuple[float, float] | None = None
        self._sent: tuple[float, float, bool] | None = None

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Look at what is known of a moment."""
        its, now = self.options, self.clock()
        self._note_forecast(payload, now)
        self._note_presence(payload, now)
        warm = number_at(payload, its.temperature)
        if warm is None or self._present is None:
            return []
        damp, noise = number_at(payload, its.humidity), number_at(payload, its.noise)
        air = Features(
            warm,
            DEFAULTS.humidity if damp is None else damp,
            DEFAULTS.sound_volume if noise is None else noise,
        )
        wish = self._for_somebody(air, now) if self._present else self._for_nobody(air)
        if not self._is_worth_it(wish.position, now):
            return []
        return [self._move(wish, air, message, now, degraded=damp is None or noise is None)]

    # --- what is known ---------------------------------------------------------------------

    def _note_presence(self, payload: Mapping[str, Any], now: float) -> None:
        said = [_somebody(find(payload, path)) for path in self.options.presence]
        known = [each for each in said if each is not None]
        if not known or any(known) == self._present:
            self._changing = None
            return
        self._changing = now if self._changing is None else self._changing
        if self._present is None or now - self._changing >= self.options.settle_s:
            self._present, self._changing = any(known), None

    def _note_forecast(self, payload: Mapping[str, Any], now: float) -> None:
        values = find(payload, self.options.forecast)
        if isinstance(values, list) and values:
            last = number_at(values, str(len(values) - 1))
            if last is not None:
                self._forecast = (now, last)

    # --- what is wanted --------------------------------------------------------------------

    def _for_somebody(self, air: Features, now: float) -> Wish:
        its, warm = self.options, air.temperature
        coming = self._coming(now)
        felt = warm if coming is None else warm + 0.5 * (coming - warm)
        by_warmth = 90.0 * _ramp(felt, its.comfort, its.comfort + 3.0)
        by_damp = 60.0 * _ramp(air.humidity, its.damp, its.damp + 15.0)
        wanted = max(by_warmth, by_damp)
        text = f"somebody is there, {warm:.1f} °C"
        text += "" if coming is None else f", {coming:.1f} °C to come"
        if by_damp > by_warmth:
            text += f", damp ({air.humidity:.0f} %)"
        if air.sound_volume > its.loud:
            self._loud = now
        if self._loud is not None and now - self._loud < its.quiet_s:
            return Wish(min(wanted, 15.0), f"{text}: closed against noise")
        return Wish(wanted, f"{text}: {_words(wanted)}")

    def _for_nobody(self, air: Features) -> Wish:
        its = self.options
        if air.temperature > its.economy:
            return Wish(its.airing, f"nobody is there, {air.temperature:.1f} °C: airing the room")
        return Wish(0.0, f"nobody is there, {air.temperature:.1f} °C: keeping it warm")

    def _coming(self, now: float) -> float | None:
        if self._forecast is None or now - self._forecast[0] > FORECAST_SECONDS:
            return None
        return self._forecast[1]

    # --- what is done ----------------------------------------------------------------------

    def _is_worth_it(self, position: float, now: float) -> bool:
        if self._sent is None:
            return True
        before, at, present = self._sent
        if now - at < self.options.every_s:
            return False
        closes = position == 0.0 and before > 0.0
        return abs(position - before) >= self.options.step or closes or present != self._present

    def _move(
        self, wish: Wish, air: Features, message: EdgeMessage, now: float, *, degraded: bool
    ) -> Action:
        device = self.options.device
        limited = self._rules.apply(
            device, wish.position, confidence=1.0, features=air, degraded=degraded, now=now
        )
        position = round(limited.position, 1)
        self._sent = (position, now, bool(self._present))
        text = f"window to {position:.0f} %: {wish.reason}"
        text += f" (limited by {limited.rule})" if limited.rule else ""
        control = WindowControl(
            device_id=device,
            timestamp=iso_time(message.timestamp),
            position=position,
            confidence=1.0,
            features_used=air,
            rule=limited.rule,
        )
        noted = {"position": position, "reason": wish.reason, "somebody": bool(self._present)}
        return Action(
            dispatcher=self.options.dispatcher,
            target=self.options.target or control_topic(device),
            payload={**msgspec.to_builtins(control), **noted},
            metadata={"event": "window", "text": text, "level": "info", **noted},
        )


def _somebody(value: Any) -> bool | None:
    """Return whether a value says that somebody is there; None for what says nothing."""
    if value is MISSING or not isinstance(value, bool | int | float):
        return None
    return value > 0


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _words(position: float) -> str:
    if position < 1.0:
        return "closed"
    return "open a little" if position < 30.0 else "half open" if position < 75.0 else "wide open"
