"""A climate node that is only software: the firmware's core with a made-up room around it.

The sensor's pulses, what is sent and when, and the window's motor are the core's own; broker and
connection are real.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow._native.climate import NativeClimateNode, NodeCounters, read_dht22
from edgeflow.comms.mqtt import MqttClient, MqttOptions, Will
from edgeflow.errors import CommsError

__all__ = ["DRAIN", "ClimateNodeOptions", "Surroundings", "VirtualClimateNode", "dht22_pulses"]

_log = structlog.get_logger(__name__)

TICK = 0.05
"""Seconds between two looks of a node at its room, at least."""
PATIENCE = 60.0
"""Seconds for a broker's answer; the connection may break and come back meanwhile."""
RETRY = 1.0
GOODBYE, DRAIN = 0.5, 0.3
RATE = 16_000
HEARD: tuple[Literal["control", "override", "config"], ...] = ("control", "override", "config")
ZERO_US, ONE_US = 27, 70


class Surroundings(Protocol):
    """What a node feels. Units: degrees Celsius, per cent, seconds."""

    @property
    def temperature(self) -> float:
        """Of the air."""

    @property
    def humidity(self) -> float:
        """Of the air."""

    def advance(self, seconds: float, window: float) -> None:
        """Let time pass, with the window so far open."""

    def sound(self, rng: np.random.Generator, samples: int) -> npt.NDArray[np.int16]:
        """A stretch of sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateNodeOptions:
    """How a node is built.

    Attributes:
        motor: of its window. settings: numbers by key, as its configuration takes them.
        audio: seconds of sound in a message. noise: of the sensor, degrees and per cent.
        faults: how often pulses of the sensor come out wrong. speed: its seconds in one of ours.
        seed: of noise and faults. boot: its number; 0 for one by the seed.
        command_qos: of its subscriptions; nats-server keeps at most 1000 at QoS 1.
    """

    motor: Literal["servo", "stepper"] = "servo"
    settings: Mapping[str, float] = field(default_factory=dict)
    audio: float = 2.0
    noise: tuple[float, float] = (0.05, 0.3)
    faults: float = 0.005
    speed: float = 1.0
    seed: int = 0
    boot: int = 0
    command_qos: int = 1


class VirtualClimateNode:
    """One node: its core, its room, and its connection to a broker.

    Args:
        name: of the device. room: around it. broker: where it connects, with its own last will.
        options: of it. clock: seconds that never go back.

    Attributes:
        moves: commands taken.
    """

    def __init__(
        self,
        name: str,
        room: Surroundings,
        broker: MqttOptions,
        options: ClimateNodeOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        its = options or ClimateNodeOptions()
        self.name, self.room, self.options = name, room, its
        self._rng = np.random.default_rng(its.seed)
        self._clock, self._origin = clock, clock()
        boot = its.boot or int(self._rng.integers(1, 1 << 32))
        self._core = NativeClimateNode(name, boot, 0.0, motor=its.motor, settings=its.settings)
        if its.speed == 1.0:
            self._core.set_time(time.time(), self.now)
        self._lived = 0.0
        self.moves = 0
        self._awake = asyncio.Event()
        self._connects = 0
        will = Will(topic=self._core.topic("status"), payload=b"offline", qos=1, retain=True)
        self.client = MqttClient(replace(broker, will=will), name=name)

    @property
    def now(self) -> float:
        """Seconds of its own time."""
        return (self._clock() - self._origin) * self.options.speed

    @property
    def window(self) -> float:
        """Per cent open."""
        return self._core.position

    @property
    def counters(self) -> NodeCounters:
        """What its core has done."""
        return self._core.counters

    async def run(self) -> None:
        """Live until cancelled."""
        await self.client.start()
        try:
            for topic in HEARD:
                with contextlib.suppress(CommsError):  # it is asked for again
                    await self.client.subscribe(self._core.topic(topic), self.options.command_qos)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._live())
                tasks.create_task(self._hear())
                tasks.create_task(self._tell())
        finally:
            await self._say_goodbye()
            await self.client.stop(DRAIN)

    async def _say_goodbye(self) -> None:
        """Who leaves in peace has no last will."""
        topic = self._core.topic("status")
        with contextlib.suppress(CommsError):
            await self.client.publish(topic, b"offline", retain=True, timeout=GOODBYE)

    async def finish(self, timeout: float) -> None:
        """Wait until the broker has confirmed what waits, at most so many seconds."""
        deadline = self._clock() + timeout
        while self.counters.waiting and self._clock() < deadline:
            await asyncio.sleep(TICK)

    async def _live(self) -> None:
        while True:
            self.step()
            await asyncio.sleep(max(TICK, self._core.wait(self.now) / self.options.speed))

    def step(self) -> None:
        """Let the room and the motor catch up with the time, and read what is due."""
        now = self.now
        self.room.advance(now - self._lived, self._core.position)
        self._core.motor(now)
        if self._core.drive == "homing" and now > self._lived:
            self._core.end_switch()
        self._lived = now
        if self._core.wants_air(now):
            self._read(now)
        self._awake.set()

    def _read(self, now: float) -> None:
        warm, damp = self.options.noise
        temperature = self.room.temperature + self._rng.normal(0.0, warm)
        humidity = self.room.humidity + self._rng.normal(0.0, damp)
        pulses = dht22_pulses(temperature, humidity)
        if self._rng.random() < self.options.faults:
            pulses[int(self._rng.integers(len(pulses)))] ^= ZERO_US ^ ONE_US
        found = read_dht22(pulses)
        if found is None:
            self._core.air_failed(now)
        else:
            self._core.air(*found, now)

    async def _hear(self) -> None:
        async for message in self.client.messages():
            taken = self._core.take(message.topic, message.payload)
            self.moves += taken == "moves"
            _log.debug("command_taken", device=self.name, topic=message.topic, outcome=taken)
            self._awake.set()

    async def _tell(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            self._look_at_connection()
            await self._send_all()
            await self._send_sound()

    def _look_at_connection(self) -> None:
        connects = self.client.counters.connects
        if not self.client.is_connected:
            self._core.lost()
        elif connects != self._connects:
            self._connects = connects
            self._core.lost()
            self._core.connected()

    async def _send_all(self) -> None:
        while (message := self._core.next(self.now)) is not None:
            if not await self._publish(message.topic, message.payload, message.retain):
                return
            self._core.confirmed()

    async def _send_sound(self) -> None:
        now = self.now
        if not self._core.wants_audio(now):
            return
        samples = self.room.sound(self._rng, int(self.options.audio * RATE))
        message = self._core.audio(samples, RATE, now)
        if message is not None:
            await self._publish(self._core.topic("audio"), message, retain=False)

    async def _publish(self, topic: str, payload: bytes, retain: bool) -> bool:
        try:
            await self.client.publish(topic, payload, qos=1, retain=retain, timeout=PATIENCE)
        except CommsError as error:
            _log.warning("message_unconfirmed", device=self.name, topic=topic, error=str(error))
            self._core.lost()
            self._connects = 0
            await asyncio.sleep(RETRY)
            return False
        return True


def dht22_pulses(temperature: float, humidity: float) -> list[int]:
    """What a DHT22 says: how long its line is high for each of 40 bits, in microseconds."""
    tenths = round(min(80.0, max(-40.0, temperature)) * 10.0)
    damp = round(min(100.0, max(0.0, humidity)) * 10.0)
    size = abs(tenths) | (0x8000 if tenths < 0 else 0)
    data = [damp >> 8, damp & 0xFF, size >> 8, size & 0xFF]
    data.append(sum(data) & 0xFF)
    return [ONE_US if byte >> (7 - bit) & 1 else ZERO_US for byte in data for bit in range(8)]
