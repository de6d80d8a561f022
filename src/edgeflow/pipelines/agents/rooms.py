"""Alarms of rooms that are sensed: somebody came or left, fell, stopped to breathe, how many.

They read what connector ``csi`` or stage ``csi.vitals`` gives. A message that knows nothing (its
node is silent, too few frames) changes nothing.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

import msgspec
from pydantic import Field

from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.values import PerSensor, number_at
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["Apnea", "FallAlarm", "PersonCount", "PresenceChanged", "RoomEvent"]


class RoomEvent(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What is told of a room; the payload of the action has the same keys.

    Attributes:
        event: ``came``, ``left``, ``fall``, ``apnea``, ``breathing`` (it was an apnea before),
            ``persons``.
        sensor: of the message; ``node``: number of the node, ``name``: its name.
        time: Unix seconds of the message.
        confidence: 0 to 1; None where the node does not say.
        held_s: how long it was so when it was told.
        persons, before: how many there are, and were.
        breathing_bpm: the last that was read.
    """

    event: str
    sensor: str
    time: float
    node: int | None
    name: str
    confidence: float | None
    held_s: float | None = None
    persons: int | None = None
    before: int | None = None
    breathing_bpm: float | None = None


class RoomOptions(AgentOptions):
    """Keys that all agents of rooms have."""

    min_confidence: float = Field(
        default=0.0, ge=0, le=1, description="Less sure is ignored; who does not say is believed."
    )
    cooldown_s: float = Field(
        default=0.0, ge=0, description="Shortest time between two actions for one sensor."
    )


State = TypeVar("State")


class RoomAgent(Agent, Generic[State]):
    """Decides for each sensor on its own."""

    quick = True
    Options = RoomOptions
    options: RoomOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._states: PerSensor[State] = PerSensor(self.begin)
        self._last: PerSensor[list[float]] = PerSensor(list)

    @abstractmethod
    def begin(self) -> State:
        """Return what is remembered of a sensor that was never heard."""

    @abstractmethod
    def decide(self, state: State, said: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        """Return what differs in the event that is to be told, None for none."""

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Look at what one node says."""
        if not isinstance(payload.get("presence"), bool) or not _knows(payload):
            return []
        now = self.clock()
        told = self.decide(self._states[message.sensor_id], payload, now)
        if told is None or not self._may_fire(message.sensor_id, now):
            return []
        return [self._action(told, message, payload)]

    def is_sure(self, said: Mapping[str, Any], key: str = "confidence") -> bool:
        """Return whether a confidence is enough."""
        confidence = number_at(said, key)
        return confidence is None or confidence >= self.options.min_confidence

    def _may_fire(self, sensor: str, now: float) -> bool:
        last = self._last[sensor]
        if last and now - last[0] < self.options.cooldown_s:
            return False
        last[:] = [now]
        return True

    def _action(
        self, told: dict[str, Any], message: EdgeMessage, said: Mapping[str, Any]
    ) -> Action:
        text, level = told.pop("text"), told.pop("level")
        node = said.get("node")
        event = RoomEvent(
            sensor=message.sensor_id,
            time=message.timestamp,
            node=node if isinstance(node, int) else None,
            name=str(said.get("name") or message.sensor_id)[:200],
            confidence=told.pop("confidence", number_at(said, "confidence")),
            **told,
        )
        return Action(
            dispatcher=self.options.dispatcher,
            target=self.options.target,
            payload={"text": f"{text} ({event.name})", **msgspec.to_builtins(event)},
            metadata={"event": event.event, "text": f"{text} ({event.name})", "level": level},
        )


class PresenceOptions(RoomOptions):
    """Keys of an agent of type ``presence_changed``."""

    enter_s: float = Field(default=1.0, ge=0, description="How long somebody must be there.")
    leave_s: float = Field(default=10.0, ge=0, description="How long nobody must be there.")
    events: list[Literal["came", "left"]] = Field(
        default=["came", "left"], min_length=1, description="What to fire on."
    )


class _Presence(msgspec.Struct):
    present: bool = False
    since: float | None = None
    asked: float = 0.0


class PresenceChanged(RoomAgent[_Presence]):
    """Fires once when somebody comes, and once when everybody has left.

    A room is empty until somebody is seen in it, so a start in an empty room says nothing.
    """

    Options = PresenceOptions
    options: PresenceOptions

    def begin(self) -> _Presence:
        """A room is empty."""
        return _Presence()

    def decide(
        self, state: _Presence, said: Mapping[str, Any], now: float
    ) -> dict[str, Any] | None:
        """Follow presence, with hold times."""
        present = said["presence"]
        if present == state.present:
            state.since = None
            return None
        if not self.is_sure(said):
            return None
        state.since = now if state.since is None else state.since
        held = now - state.since
        if held < (self.options.enter_s if present else self.options.leave_s):
            return None
        state.present, state.since = present, None
        kind = "came" if present else "left"
        if kind not in self.options.events:
            return None
        text = "somebody came" if present else "everybody has left"
        return {"event": kind, "held_s": round(held, 3), "text": text, "level": "info"}


class FallOptions(RoomOptions):
    """Keys of an agent of type ``fall``."""

    cooldown_s: float = Field(
        default=10.0, ge=0, description="Shortest time between two actions for one sensor."
    )


class _Fall(msgspec.Struct):
    falling: bool = False


class FallAlarm(RoomAgent[_Fall]):
    """Fires when a node tells of a fall, once, however often it is repeated."""

    Options = FallOptions
    options: FallOptions

    def begin(self) -> _Fall:
        """Nobody has fallen."""
        return _Fall()

    def decide(self, state: _Fall, said: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        """Look whether a fall begins."""
        del now
        fell = said.get("fall") is True
        begins, state.falling = fell and not state.falling, fell
        if not begins or not self.is_sure(said):
            return None
        return {"event": "fall", "text": "somebody fell", "level": "error"}


class ApneaOptions(RoomOptions):
    """Keys of an agent of type ``apnea``."""

    breathing_s: float = Field(
        default=10.0, ge=0, description="How long a breath must have been read before."
    )
    hold_s: float = Field(default=30.0, ge=0, description="How long there must be none.")
    forget_s: float = Field(
        default=300.0, gt=0, description="A breath that was read longer ago says nothing."
    )
    tell_end: bool = Field(default=True, description="Fire when a breath is read again, too.")


class _Breath(msgspec.Struct):
    since: float | None = None
    read: float | None = None
    steady: bool = False
    bpm: float | None = None
    confidence: float | None = None
    alarm: bool = False


class Apnea(RoomAgent[_Breath]):
    """Fires when the breath of somebody still ends, or a node says so itself.

    Whoever leaves moves: motion after the last breath ends the watch. No motion and no breath is
    told, also when presence ends with the breath that it was known by.
    """

    Options = ApneaOptions
    options: ApneaOptions

    def begin(self) -> _Breath:
        """No breath was read yet."""
        return _Breath()

    def decide(self, state: _Breath, said: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        """Follow the breath."""
        bpm = number_at(said, "breathing_bpm")
        if said.get("apnea") is True:
            state.read = now if state.read is None else state.read
            return self._begins(state, now)
        if bpm is not None and self.is_sure(said, "breathing_confidence"):
            return self._reads(state, bpm, number_at(said, "breathing_confidence"), now)
        if said.get("event", "vitals") != "vitals" or state.alarm or state.read is None:
            return None
        state.since = None
        if _moves(said) or now - state.read > self.options.forget_s:
            state.read, state.steady = None, False
            return None
        if not state.steady or now - state.read < self.options.hold_s:
            return None
        return self._begins(state, now)

    def _begins(self, state: _Breath, now: float) -> dict[str, Any] | None:
        if state.alarm:
            return None
        state.alarm, state.since = True, None
        return {
            "event": "apnea",
            "held_s": round(now - (state.read if state.read is not None else now), 3),
            "breathing_bpm": state.bpm,
            "confidence": state.confidence,
            "text": "no breath is seen any more",
            "level": "error",
        }

    def _reads(
        self, state: _Breath, bpm: float, confidence: float | None, now: float
    ) -> dict[str, Any] | None:
        state.since = now if state.since is None else state.since
        state.read, state.bpm, state.confidence = now, bpm, confidence
        state.steady = state.steady or now - state.since >= self.options.breathing_s
        was, state.alarm = state.alarm, False
        if not was or not self.options.tell_end:
            return None
        return {
            "event": "breathing",
            "breathing_bpm": bpm,
            "confidence": confidence,
            "text": f"a breath is seen again, {bpm:.1f} per minute",
            "level": "info",
        }


class CountOptions(RoomOptions):
    """Keys of an agent of type ``person_count``."""

    hold_s: float = Field(default=10.0, ge=0, description="How long a new number must stay.")
    at_least: int | None = Field(
        default=None, ge=1, le=100, description="Fire only when this number is reached, or left."
    )


class _Count(msgspec.Struct):
    persons: int = 0
    wanted: int = 0
    since: float | None = None


class PersonCount(RoomAgent[_Count]):
    """Fires when the number of persons has changed for the hold time."""

    Options = CountOptions
    options: CountOptions

    def begin(self) -> _Count:
        """Nobody is there."""
        return _Count()

    def decide(self, state: _Count, said: Mapping[str, Any], now: float) -> dict[str, Any] | None:
        """Follow the number."""
        persons = said.get("persons")
        if isinstance(persons, bool) or not isinstance(persons, int) or not self.is_sure(said):
            return None
        if persons != state.wanted or state.since is None:
            state.wanted, state.since = persons, now
        held = now - state.since
        if persons == state.persons or held < self.options.hold_s:
            return None
        before, state.persons = state.persons, persons
        limit = self.options.at_least
        if limit is not None and (before >= limit) == (persons >= limit):
            return None
        return {
            "event": "persons",
            "persons": persons,
            "before": before,
            "held_s": round(held, 3),
            "text": f"{persons} persons, {before} before",
            "level": "info",
        }


def _knows(said: Mapping[str, Any]) -> bool:
    return said.get("degraded") is not True and said.get("event") != "silent"


def _moves(said: Mapping[str, Any]) -> bool:
    """Return whether there is motion; unknown is none."""
    if said.get("moving") is True:
        return True
    motion, threshold = number_at(said, "motion"), number_at(said, "threshold")
    return motion is not None and threshold is not None and motion > threshold
