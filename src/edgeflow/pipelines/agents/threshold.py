"""An alarm when a value reaches a limit."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pydantic import Field

from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.values import PerSensor, number_at
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["Threshold", "ThresholdOptions"]


class ThresholdOptions(AgentOptions):
    """Keys of an agent of type ``threshold``.

    As it stands, the agent fires with every message at or beyond the threshold.
    """

    metric: str = Field(
        default="value", min_length=1, description="Path of the value, such as `classes.0.index`."
    )
    threshold: float = Field(default=0.5, allow_inf_nan=False, description="The limit.")
    direction: Literal["above", "below"] = Field(
        default="above", description="Fire at or `above` the threshold, or at or `below` it."
    )
    hysteresis: float = Field(
        default=0.0, ge=0, description="How far back the value must go for the alarm to end."
    )
    hold_s: float = Field(
        default=0.0, ge=0, description="How long the limit must be reached before it is an alarm."
    )
    once: bool = Field(
        default=False, description="Fire when the alarm begins, not with every message."
    )
    cooldown_s: float = Field(
        default=0.0, ge=0, description="Shortest time between two actions for one sensor."
    )
    tell_end: bool = Field(default=False, description="Fire when the alarm ends, too.")


class _State(msgspec.Struct):
    since: float | None = None
    alarm: bool = False
    told: bool = False
    last: float | None = None


class Threshold(Agent):
    """Fires while a value is at or beyond a threshold, for each sensor on its own."""

    quick = True
    Options = ThresholdOptions
    options: ThresholdOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._states: PerSensor[_State] = PerSensor(_State)
        self._warned = False

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Compare the metric of one result."""
        value = number_at(payload, self.options.metric)
        if value is None:
            self._warn(message)
            return []
        state, now = self._states[message.sensor_id], self.clock()
        was = state.alarm
        beyond = self._follow(state, value, now)
        if state.alarm and beyond and self._may_fire(state, now):
            state.last, state.told = now, True
            return [self._action("alarm", value, message)]
        if was and not state.alarm:
            told, state.told = state.told, False
            if told and self.options.tell_end:
                return [self._action("cleared", value, message)]
        return []

    def _follow(self, state: _State, value: float, now: float) -> bool:
        """Keep track of the alarm; return whether the value is at or beyond the threshold."""
        options = self.options
        sign = 1.0 if options.direction == "above" else -1.0
        beyond = sign * (value - options.threshold)
        if beyond >= 0:
            state.since = now if state.since is None else state.since
            state.alarm = state.alarm or now - state.since >= options.hold_s
        elif not state.alarm or beyond < -options.hysteresis:
            state.since, state.alarm = None, False
        return beyond >= 0

    def _may_fire(self, state: _State, now: float) -> bool:
        if self.options.once and state.told:
            return False
        return state.last is None or now - state.last >= self.options.cooldown_s

    def _action(self, event: str, value: float, message: EdgeMessage) -> Action:
        options = self.options
        detail = {
            "event": event,
            "metric": options.metric,
            "value": value,
            "threshold": options.threshold,
            "direction": options.direction,
        }
        relation = "at or above" if options.direction == "above" else "at or below"
        if event == "cleared":
            relation = "no longer " + relation
        text = f"{options.metric} {value:g} is {relation} {options.threshold:g}"
        return Action(
            dispatcher=options.dispatcher,
            target=options.target,
            payload={**detail, "sensor": message.sensor_id, "time": message.timestamp},
            metadata={
                **detail,
                "text": f"{text} ({message.sensor_id})",
                "level": "info" if event == "cleared" else "warning",
            },
        )

    def _warn(self, message: EdgeMessage) -> None:
        if not self._warned:
            self._warned = True
            self.log.warning("metric_missing", metric=self.options.metric, sensor=message.sensor_id)
