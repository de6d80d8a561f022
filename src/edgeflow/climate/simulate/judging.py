"""Watching from outside: what windows are told, beside what the person wants and never says."""

import time
from collections.abc import Callable

import msgspec
import numpy as np

from edgeflow.climate.learning.labels import values_of
from edgeflow.climate.learning.versions import Model
from edgeflow.climate.simulate.people import Person
from edgeflow.comms.mqtt import MqttClient
from edgeflow.errors import ProtocolError
from edgeflow.protocols.climate import WindowControl, decode_control
from edgeflow.protocols.climate_topics import control_topic, override_topic, parse_topic

__all__ = ["Hour", "Judge"]

MAX_HOURS = 24 * 31


class Hour(msgspec.Struct):
    """One hour of the rooms.

    Attributes:
        hour: since the beginning. decisions, overrides: counts. version: that decided last.
        points: sum of the distances from what was wanted. unlearnt: that of the first model.
    """

    hour: int
    decisions: int = 0
    overrides: int = 0
    points: float = 0.0
    unlearnt: float = 0.0
    version: str = ""

    @property
    def error(self) -> float:
        """Mean distance in points; 0 without decisions."""
        return self.points / max(1, self.decisions)

    @property
    def unlearnt_error(self) -> float:
        """The same for the model that never learns."""
        return self.unlearnt / max(1, self.decisions)


class Judge:
    """Reads what goes to windows, hour by hour of the rooms.

    Args:
        client: of the broker, for this alone. person: who lives in all the rooms.
        beginning: the model that knows nothing yet. speed: of the rooms.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        client: MqttClient,
        person: Person,
        beginning: Model,
        *,
        speed: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._person, self._beginning = client, person, beginning
        self._speed, self._clock, self._began = speed, clock, clock()
        self._hours: list[Hour] = []

    async def run(self) -> None:
        """Watch until cancelled."""
        self._began = self._clock()
        for topic in (control_topic("+"), override_topic("+")):
            await self._client.subscribe(topic, qos=1)
        async for message in self._client.messages():
            if message.retain:
                continue
            try:
                if parse_topic(message.topic).role == "override":
                    self._now().overrides += 1
                else:
                    self._judge(decode_control(message.payload))
            except ProtocolError:
                continue  # not ours, and the backend counts it

    def hours(self) -> list[Hour]:
        """What was seen, oldest first."""
        return list(self._hours)

    def _judge(self, control: WindowControl) -> None:
        wanted = self._person.wants(control.features_used)
        first = self._beginning.decide(np.asarray(values_of(control.features_used)[None]))[0]
        hour = self._now()
        hour.decisions += 1
        hour.points += abs(control.position - wanted)
        hour.unlearnt += abs(float(first[0]) - wanted)
        hour.version = control.model_version

    def _now(self) -> Hour:
        number = int((self._clock() - self._began) * self._speed / 3600.0)
        if not self._hours or self._hours[-1].hour < number:
            self._hours = [*self._hours[-(MAX_HOURS - 1) :], Hour(number)]
        return self._hours[-1]
