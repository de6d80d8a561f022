"""Homes that are only software: rooms with their nodes, and people who say what they want."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import numpy as np
import structlog

from edgeflow.climate.simulate.outside import Weather
from edgeflow.climate.simulate.people import Person
from edgeflow.climate.simulate.rooms import Room, RoomOptions
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.devices.virtual.climate_node import (
    DRAIN,
    ClimateNodeOptions,
    VirtualClimateNode,
)
from edgeflow.errors import CommsError
from edgeflow.protocols.climate import Override, encode
from edgeflow.protocols.climate_topics import override_topic

__all__ = ["HomesOptions", "HomesSummary", "SimulatedHomes"]

_log = structlog.get_logger(__name__)

START_HOUR = 15.0
ASKED_SECONDS = 900.0
"""How often somebody thinks of the window, in seconds of the room."""
CONNECT_SECONDS, FINISH_SECONDS = 10.0, 10.0
MOST_AT_QOS_1 = 300
"""Nodes that a broker keeps commands for; more of them hear what comes while they are connected."""
START_SPREAD = 0.005
"""Seconds between the starts of two nodes, so that a broker is not overrun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomesOptions:
    """What is simulated.

    Attributes:
        devices: nodes, one in each room. prefix: of their names. broker: where they connect.
        speed: seconds of the rooms in one of ours. seconds: of ours, until the end.
        people: rooms have somebody who corrects the window. person: the same one in all rooms, as
            in one home; None for another one in each. audio: seconds of sound in a message.
        settings: of the nodes, by key; what is not named is slower in fast rooms, so that about as
            much is sent in one of our seconds.
        seed: of weather, rooms, sensors and people.
    """

    devices: int = 3
    prefix: str = "room"
    broker: MqttOptions = field(default_factory=MqttOptions)
    speed: float = 1.0
    seconds: float = 60.0
    people: bool = True
    person: Person | None = None
    audio: float = 2.0
    settings: dict[str, float] = field(default_factory=dict)
    seed: int = 1

    def name_of(self, number: int) -> str:
        """What a node is called, counted from 0."""
        return f"{self.prefix}-{number + 1}"


@dataclass(frozen=True, slots=True)
class HomesSummary:
    """What came of it.

    Attributes:
        devices, connected: nodes, and those that have a connection at the end.
        sent: readings measured and kept for sending. confirmed: those that the broker has.
        waiting: those it has not. dropped: those that gave way to newer ones.
        sounds: stretches of sound told. failures: of sensors.
        moves: commands that a window took. overrides: those that people said.
    """

    devices: int
    connected: int
    sent: int
    confirmed: int
    waiting: int
    dropped: int
    sounds: int
    moves: int
    overrides: int
    failures: int


class SimulatedHomes:
    """Rooms, nodes and people, all on one event loop."""

    def __init__(self, options: HomesOptions) -> None:
        self.options = options
        self._overrides = 0
        self.nodes = [self._node(number) for number in range(options.devices)]
        self._people = [
            options.person or _person(options.seed, number) for number in range(options.devices)
        ]

    def _node(self, number: int) -> VirtualClimateNode:
        its = self.options
        seed = its.seed * 100_003 + number
        settings = {**_paced(its.speed), **its.settings}
        node = ClimateNodeOptions(
            speed=its.speed,
            seed=seed,
            settings=settings,
            audio=its.audio,
            command_qos=1 if its.devices <= MOST_AT_QOS_1 else 0,
        )
        return VirtualClimateNode(its.name_of(number), room_of(its.seed, number), its.broker, node)

    async def run(self, stop: asyncio.Event | None = None) -> HomesSummary:
        """Live for the time that was asked for, or until ``stop`` is set.

        Raises:
            UnreachableError: there is no broker.
        """
        async with MqttClient(self.options.broker, name="people") as people:
            await people.wait_connected(min(CONNECT_SECONDS, max(1.0, self.options.seconds)))
            tasks = [asyncio.create_task(self._start(number)) for number in range(len(self.nodes))]
            if self.options.people:
                tasks.append(asyncio.create_task(self._speak(people)))
            try:
                await self._wait(stop or asyncio.Event())
                return self.summary
            finally:
                for task in tasks:
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                await people.stop(DRAIN)
                for each in found:
                    if isinstance(each, Exception):
                        raise each

    async def _wait(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=self.options.seconds)
        if stop.is_set():
            return
        clock = asyncio.get_running_loop().time
        deadline = clock() + FINISH_SECONDS
        for node in self.nodes:
            await node.finish(max(0.0, deadline - clock()))

    async def _start(self, number: int) -> None:
        await asyncio.sleep(number * START_SPREAD)
        await self.nodes[number].run()

    async def _speak(self, client: MqttClient) -> None:
        """People look at their windows one after the other."""
        rng = np.random.default_rng((self.options.seed, 7))
        pause = ASKED_SECONDS / self.options.speed / len(self.nodes)
        while True:
            for node, person in zip(self.nodes, self._people, strict=True):
                await asyncio.sleep(pause)
                await self._ask(client, node, person, rng)

    async def _ask(
        self,
        client: MqttClient,
        node: VirtualClimateNode,
        person: Person,
        rng: np.random.Generator,
    ) -> None:
        room = node.room
        if not isinstance(room, Room) or not room.is_lived_in:
            return
        said = person.says(room.features, node.window, rng)
        if said is None:
            return
        override = Override(position=round(said, 1), person=f"{node.name}'s")
        try:
            await client.publish(override_topic(node.name), encode(override), qos=1)
            self._overrides += 1
        except CommsError as error:
            _log.warning("override_unheard", device=node.name, error=str(error))

    @property
    def summary(self) -> HomesSummary:
        """Counts up to now."""
        counts = [node.counters for node in self.nodes]
        confirmed, waiting = (
            sum(each.confirmed for each in counts),
            sum(each.waiting for each in counts),
        )
        dropped = sum(each.dropped for each in counts)
        return HomesSummary(
            devices=len(self.nodes),
            connected=sum(node.client.is_connected for node in self.nodes),
            sent=confirmed + waiting + dropped,
            confirmed=confirmed,
            waiting=waiting,
            dropped=dropped,
            sounds=sum(each.audio for each in counts),
            moves=sum(node.moves for node in self.nodes),
            overrides=self._overrides,
            failures=sum(each.failures for each in counts),
        )


def room_of(seed: int, number: int) -> Room:
    """A room of its own: size, walls, people and street differ, the weather does not."""
    rng = np.random.default_rng((seed, number))
    options = RoomOptions(
        volume=float(rng.uniform(25.0, 80.0)),
        loss=float(rng.uniform(15.0, 40.0)),
        sun=float(rng.uniform(50.0, 600.0)),
        people=int(rng.integers(1, 4)),
        quiet=float(rng.uniform(-68.0, -58.0)),
    )
    weather = Weather(seed=seed, noise=float(rng.uniform(-45.0, -25.0)))
    start = START_HOUR * 3600.0
    return Room(options, weather, time=start, temperature=float(rng.uniform(20.0, 24.0)))


def _paced(speed: float) -> dict[str, float]:
    """Intervals of a node whose day is short; 1800 s is often enough for any window."""
    usual = {"read_seconds": 2.0, "report_seconds": 60.0, "audio_seconds": 30.0}
    return {name: min(1800.0, seconds * max(1.0, speed / 10.0)) for name, seconds in usual.items()}


def _person(seed: int, number: int) -> Person:
    rng = np.random.default_rng((seed, number, 1))
    return Person(
        comfortable=float(rng.uniform(21.0, 25.0)),
        damp=float(rng.uniform(55.0, 70.0)),
        quiet=float(rng.uniform(-45.0, -30.0)),
    )
