"""A week in a home that is only software, lived through the service itself, as fast as it goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.labels import Labels
from edgeflow.climate.learning.service import LearningService
from edgeflow.climate.learning.versions import Versions
from edgeflow.climate.learning.workplace import Workplace
from edgeflow.climate.simulate.household import Home
from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.protocols import climate
from edgeflow.protocols import climate_topics as topics
from edgeflow.protocols.climate import Features, InferenceRequest, Override

__all__ = ["BEGIN", "Lived", "Practice"]

BEGIN = 1_750_000_000.0
"""When a simulated week begins, seconds since the Unix epoch."""
STEP = 450.0
ASKED_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Lived:
    """A decision, beside what was wanted.

    Attributes:
        time: seconds since the beginning. room: its name. lived_in: somebody was there.
        position, confidence, version: of the decision. wanted: by the person, never told.
    """

    time: float
    room: str
    features: Features
    position: float
    confidence: float
    version: str
    wanted: float
    lived_in: bool


class Practice:
    """A home, and a learning service that decides for it over a line in memory.

    Args:
        home: whose windows are moved. versions: of the model; it learns on from the current.

    Attributes:
        now: seconds since the Unix epoch, as the service sees them.
        overrides: how often the person spoke. decisions: all of them.
    """

    def __init__(self, home: Home, versions: Versions, *, labels: Labels | None = None) -> None:
        self.home, self.now = home, BEGIN
        self.overrides = 0
        self.decisions: list[Lived] = []
        self._line = _MemoryLine()
        decider = WindowDecider(versions.load_or_begin(), now=lambda: self.now)
        place = Workplace(versions, labels if labels is not None else Labels())
        self.service = LearningService(self._line, place, decider, now=lambda: self.now)

    async def live(self, seconds: float) -> None:
        """Let so many seconds of the home pass, and the model learn from what is said."""
        self._line.open()
        running = asyncio.create_task(self.service.run())
        try:
            for number in range(round(seconds / STEP)):
                await self._step(speaks=number % round(ASKED_SECONDS / STEP) == 0)
                if running.done():
                    break
        finally:
            await self.service.settled()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _step(self, *, speaks: bool) -> None:
        home = self.home
        home.advance(STEP)
        self.now += STEP
        for name in home.names:
            await self._decide(name)
            if speaks and (said := home.said(name)) is not None:
                self.overrides += 1
                home.move(name, said)
                override = Override(position=said, person="resident")
                await self._say(topics.override_topic(name), climate.encode(override))

    async def _decide(self, name: str) -> None:
        felt = self.home.sensed(name)
        request = InferenceRequest(
            device_id=name,
            timestamp=climate.iso_time(self.now),
            temperature=felt.temperature,
            humidity=felt.humidity,
            sound_volume=felt.sound_volume,
        )
        await self._say(topics.request_topic(name), climate.encode(request))
        for payload in self._line.taken():
            control = climate.decode_control(payload)
            self._note(name, control)
            self.home.move(name, control.position)

    def _note(self, name: str, control: climate.WindowControl) -> None:
        self.decisions.append(
            Lived(
                time=self.now - BEGIN,
                room=name,
                features=control.features_used,
                position=control.position,
                confidence=control.confidence,
                version=control.model_version,
                wanted=self.home.wanted(name),
                lived_in=self.home.is_lived_in(name),
            )
        )

    async def _say(self, topic: str, payload: bytes) -> None:
        await self._line.say(Incoming(topic=topic, payload=payload, qos=1))
        await self.service.settled()


class _MemoryLine:
    """Messages to a service one at a time, and its answers."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[Incoming]
        self._answers: list[bytes] = []

    def open(self) -> None:
        """Begin on the event loop that runs now."""
        self._inbox = asyncio.Queue(1)

    def want(self, patterns: Iterable[str], qos: int = 0) -> None:
        """Every message comes anyway."""

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield what is said."""
        while True:
            message = await self._inbox.get()
            yield message
            self._inbox.task_done()

    def post(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Take an answer."""
        self._answers.append(payload)

    async def say(self, message: Incoming) -> None:
        """Wait until the service has done with a message."""
        await self._inbox.put(message)
        await self._inbox.join()

    def taken(self) -> list[bytes]:
        """The answers since the last time."""
        found, self._answers = self._answers, []
        return found
