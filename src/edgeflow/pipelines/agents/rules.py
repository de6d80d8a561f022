"""An alarm when conditions on several sensors hold together."""

import operator
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.conditions import (
    MAX_READINGS,
    WEEKDAYS,
    AllOf,
    AnyOf,
    Condition,
    During,
    Not,
    Reading,
    readings,
)
from edgeflow.pipelines.agents.values import MISSING, find
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["Rules", "RulesOptions"]

MAX_SENSORS = 1024
MAX_TOLD = 20


class RulesOptions(AgentOptions):
    """Keys of an agent of type ``rules``.

    An alarm begins when the condition holds, and fires once; it ends when it holds no longer.
    """

    when: Condition = Field(description="A reading, `all`, `any`, `not`, or a time of day.")
    text: str = Field(default="", max_length=500, description="What to tell people.")
    hold_s: float = Field(
        default=0.0, ge=0, description="How long it must hold before it is an alarm."
    )
    once: bool = Field(
        default=True, description="Fire when the alarm begins, else with every message."
    )
    cooldown_s: float = Field(default=0.0, ge=0, description="Shortest time between two actions.")
    tell_end: bool = Field(default=False, description="Fire when the alarm ends, too.")

    @field_validator("when")
    @classmethod
    def _is_bounded(cls, when: Condition) -> Condition:
        count = sum(1 for _ in readings(when))
        if count > MAX_READINGS:
            raise ValueError(f"{count} readings; at most {MAX_READINGS} are allowed")
        return when


class _Latest:
    """The latest value of one reading for each sensor that matches it."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._values: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def note(self, sensor: str, payload: Mapping[str, Any], now: float) -> bool:
        """Take a result in; return whether it has to do with this reading."""
        if not fnmatchcase(sensor, self.reading.sensor):
            return False
        value = find(payload, self.reading.metric)
        if value is MISSING:
            return False
        self._values[sensor] = (now, value)
        self._values.move_to_end(sensor)
        if len(self._values) > MAX_SENSORS:
            self._values.popitem(last=False)
        return True

    def fresh(self, now: float) -> dict[str, Any]:
        """Return the values that are not too old."""
        oldest = now - self.reading.max_age_s
        while self._values and next(iter(self._values.values()))[0] < oldest:
            self._values.popitem(last=False)
        return {sensor: value for sensor, (_, value) in self._values.items()}


class Rules(Agent):
    """Fires when its condition, on the latest values of any number of sensors, begins to hold.

    It looks whenever a result comes: for something that must happen without one (a sensor that
    has gone silent), let any other sensor's results lead here too.
    """

    quick = True
    Options = RulesOptions
    options: RulesOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._latest = {id(each): _Latest(each) for each in readings(self.options.when)}
        self._since: float | None = None
        self._alarm = False
        self._told = False
        self._last: float | None = None

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Take one result in and look whether the condition holds."""
        now = self.clock()
        for latest in self._latest.values():
            latest.note(message.sensor_id, payload, now)
        was, holds = self._alarm, self._holds(self.options.when, message, now)
        self._follow(now, holds=holds)
        if self._alarm and self._may_fire(now):
            self._last, self._told = now, True
            return [self._action("alarm", message, now)]
        if was and not self._alarm:
            told, self._told = self._told, False
            if told and self.options.tell_end:
                return [self._action("cleared", message, now)]
        return []

    def _follow(self, now: float, *, holds: bool) -> None:
        if not holds:
            self._since, self._alarm = None, False
            return
        self._since = now if self._since is None else self._since
        self._alarm = self._alarm or now - self._since >= self.options.hold_s

    def _may_fire(self, now: float) -> bool:
        if self.options.once and self._told:
            return False
        return self._last is None or now - self._last >= self.options.cooldown_s

    def _holds(self, condition: Condition, message: EdgeMessage, now: float) -> bool:
        if isinstance(condition, AllOf):
            return all(self._holds(each, message, now) for each in condition.all)
        if isinstance(condition, AnyOf):
            return any(self._holds(each, message, now) for each in condition.any)
        if isinstance(condition, Not):
            return not self._holds(condition.negated, message, now)
        if isinstance(condition, During):
            return _is_during(condition, message.timestamp)
        values = self._latest[id(condition)].fresh(now)
        if not values:
            return condition.exists is False
        fits = (_fits(condition, value) for value in values.values())
        return all(fits) if condition.every else any(fits)

    def _action(self, event: str, message: EdgeMessage, now: float) -> Action:
        values = {
            latest.reading.metric: dict(list(latest.fresh(now).items())[-MAX_TOLD:])
            for latest in self._latest.values()
        }
        text = self.options.text or f"the rule {self.name} holds"
        if event == "cleared":
            text += ": no longer"
        return Action(
            dispatcher=self.options.dispatcher,
            target=self.options.target,
            payload={
                "event": event,
                "rule": self.name,
                "text": text,
                "values": values,
                "sensor": message.sensor_id,
                "time": message.timestamp,
            },
            metadata={
                "event": event,
                "values": values,
                "text": text,
                "level": "info" if event == "cleared" else "warning",
            },
        )


def _fits(reading: Reading, value: Any) -> bool:
    if reading.exists is False:
        return False
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    for wanted, test in (
        (reading.at_least, operator.ge),
        (reading.at_most, operator.le),
        (reading.above, operator.gt),
        (reading.below, operator.lt),
    ):
        if wanted is not None and (number is None or not test(number, wanted)):
            return False
    return (
        (reading.equals is None or _same(value, reading.equals))
        and (reading.differs is None or not _same(value, reading.differs))
        and (reading.one_of is None or any(_same(value, each) for each in reading.one_of))
        and (reading.contains is None or _has(value, reading.contains))
    )


def _same(value: Any, wanted: Any) -> bool:
    """Compare; unlike in Python, True is not 1."""
    if not isinstance(value, bool | int | float | str):
        return False
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _has(value: Any, wanted: Any) -> bool:
    return isinstance(value, list | tuple) and any(_same(each, wanted) for each in value)


def _is_during(during: During, timestamp: float) -> bool:
    try:
        moment = datetime.fromtimestamp(timestamp, UTC).astimezone(ZoneInfo(during.timezone))
    except (ValueError, OverflowError, OSError):
        return False
    weekday = moment.weekday()
    if during.between is None:
        return WEEKDAYS[weekday] in during.days
    start, end = during.between
    now = moment.time()
    if start <= end:
        return start <= now < end and WEEKDAYS[weekday] in during.days
    if now < end:  # the night belongs to the day on which it began
        return WEEKDAYS[weekday - 1] in during.days
    return now >= start and WEEKDAYS[weekday] in during.days
