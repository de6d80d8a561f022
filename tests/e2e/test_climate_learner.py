"""Learning in the running system is a process of its own, and only its result matters."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from structlog.testing import capture_logs

import mqtt_brokers
from edgeflow.climate.learning.labels import LABELS, Label
from edgeflow.climate.learning.service import LearningService
from edgeflow.climate.learning.versions import Versions
from edgeflow.climate.simulate.people import Person
from edgeflow.climate.simulate.weather import situation
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import Features, Override, WindowControl, decode_control, encode
from edgeflow.systems.climate import ClimateOptions, ClimateSystem

SECONDS = 90.0
SPEED = 7200.0
"""Evidence counts by the hour, of which two pass in a second."""
PERSON = Person()


class House:
    """A system that runs in this process, and a client that speaks for all of its rooms."""

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        self._options = ClimateOptions(
            broker=url, store=f"sqlite:///{folder}/climate.db", folder=folder, speed=SPEED
        )
        self.models = folder / "models"
        self._rooms = 0

    async def __aenter__(self) -> "House":
        async with AsyncExitStack() as undone:
            client = MqttClient(MqttOptions.from_url(self._url))
            self._client = await undone.enter_async_context(client)
            await client.wait_connected(SECONDS)
            await client.subscribe("window/+/control", qos=1)
            running = ClimateSystem.running(self._options)
            self._system = await undone.enter_async_context(running)
            self._undone = undone.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> float:
        """End the system; return how many seconds that took."""
        began = time.monotonic()
        await self._undone.aclose()
        return time.monotonic() - began

    @property
    def service(self) -> LearningService:
        assert self._system.service is not None
        return self._system.service

    async def ask(self) -> WindowControl:
        """A room that nobody knew yet speaks, and is answered."""
        self._rooms += 1
        name = f"room-{time.monotonic_ns()}"
        felt = situation(self._rooms * 5000.0, np.random.default_rng(self._rooms))
        for kind, value in (("temperature", felt.temperature), ("humidity", felt.humidity)):
            await self._client.publish(f"sensor/{name}/{kind}", repr(value), qos=1)
        sound = json.dumps({"data": "AAAA"})
        await self._client.publish(f"sensor/{name}/audio", sound, qos=1)
        async with asyncio.timeout(SECONDS):
            async for message in self._client.messages():
                control = decode_control(message.payload)
                if control.device_id == name:
                    return control
        raise AssertionError("no answer")

    async def correct(self, control: WindowControl) -> None:
        """Somebody moves that window."""
        said = Override(position=PERSON.wants(control.features_used), person="ann")
        await self._client.publish(f"window/{control.device_id}/override", encode(said), qos=1)


def learners() -> list[psutil.Process]:
    """Processes that learn for this one."""
    found = []
    for child in psutil.Process().children():
        try:
            found += [child] if "own_process_child" in " ".join(child.cmdline()) else []
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


async def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def in_silence(felt: Features) -> Features:
    return Features(felt.temperature, felt.humidity, -80.0)


def say_much(models: Path) -> None:
    """Leave enough labels to learn at once, newer than any model."""
    rng, later = np.random.default_rng(5), time.time() + 3600.0
    seen = [in_silence(situation(number * 900.0, rng)) for number in range(400)]
    labels = [
        Label(later + 900.0 * at, f"room-{at % 4}", each, PERSON.wants(each))
        for at, each in enumerate(seen)
    ]
    models.mkdir(parents=True)
    (models / LABELS).write_bytes(msgspec.json.Encoder().encode_lines(labels))


async def lose_a_learner(house: House) -> None:
    """Kill it: that is told, and windows are decided as before."""
    with capture_logs() as told:
        async with house:
            await house.ask()
            await until(learners)
            learners()[0].kill()
            await until(lambda: any(each["event"] == "learning_failed" for each in told))
            assert (await house.ask()).model_version == "v1"
            assert house.service.stats.candidates == 0


async def stop_meanwhile(house: House) -> None:
    async with house:
        await house.ask()
        await until(learners)
        assert await house.stop() < 3.0
        assert learners() == []


async def learn_to_the_end(house: House) -> None:
    """A candidate that is better in a comparison, and then for people, takes over."""
    async with house:
        await house.ask()
        await until(lambda: house.service.stats.candidates)
        await until(lambda: not learners())
        found = house.service.stats.last_comparison
        assert found is not None
        assert found.better
        for _ in range(10):
            await house.correct(await house.ask())
            await asyncio.sleep(3600.0 / SPEED)
        await house.ask()
        await until(lambda: house.service.stats.promotions)
        assert (await house.ask()).model_version == "v2"


@pytest.mark.timeout(400)
def test_learning_is_a_process_that_may_fail_be_stopped_and_come_to_its_end(
    tmp_path: Path,
) -> None:
    with mqtt_brokers.make("nats", tmp_path / "broker") as broker:
        house = House(tmp_path / "climate", broker.url)
        say_much(house.models)
        asyncio.run(lose_a_learner(house))
        asyncio.run(stop_meanwhile(house))
        asyncio.run(learn_to_the_end(house))
    versions = Versions(house.models)
    assert versions.current == "v2"
    assert versions.metadata("v2").parent == "v1"
    assert (house.models / "v2" / "model.pt2").is_file(), "what it learnt is exported, too"
