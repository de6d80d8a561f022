"""Virtual climate nodes on a real broker: readings, wills, commands, and brokers that die."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import mqtt_brokers
from edgeflow.climate.simulate.homes import HomesOptions, SimulatedHomes
from edgeflow.climate.simulate.rooms import Room
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.devices.virtual.climate_node import ClimateNodeOptions, VirtualClimateNode
from edgeflow.protocols.climate import decode_reading
from edgeflow.protocols.sound import decode_sound

SECONDS = 30.0
QUICK = {"temperature_change": 0.0, "humidity_change": 0.0}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[mqtt_brokers.Broker]:
    made = mqtt_brokers.make("nats", tmp_path / "broker")
    made.start()
    yield made
    made.stop()


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


class Listener:
    """All messages that came, by topic."""

    def __init__(self) -> None:
        self.heard: dict[str, list[bytes]] = {}

    async def listen(self, client: MqttClient) -> None:
        async for message in client.messages():
            self.heard.setdefault(message.topic, []).append(message.payload)

    def sequences(self, topic: str) -> set[int]:
        return {decode_reading(each).sequence for each in self.heard.get(topic, [])}

    def last(self, topic: str) -> bytes | None:
        return self.heard.get(topic, [None])[-1]


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[tuple[MqttClient, Listener]]:
    listener = Listener()
    options = MqttOptions.from_url(url, inbox=5000, client_id="listener", clean_session=False)
    async with MqttClient(options) as client:
        await client.wait_connected(SECONDS)
        for pattern in ("sensor/+/+", "device/+/status", "device/+/config/ack"):
            await client.subscribe(pattern, qos=1)
        task = asyncio.create_task(listener.listen(client))
        try:
            yield client, listener
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def running(node: VirtualClimateNode) -> AsyncIterator[None]:
    task = asyncio.create_task(node.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def made(url: str, speed: float = 20.0, **settings: float) -> VirtualClimateNode:
    options = ClimateNodeOptions(
        speed=speed, settings={**QUICK, **settings}, audio=0.1, faults=0.0, seed=3
    )
    return VirtualClimateNode("attic", Room(), MqttOptions.from_url(url), options)


def test_a_node_tells_hears_and_moves(broker: mqtt_brokers.Broker) -> None:
    async def live() -> None:
        async with listening(broker.url) as (client, listener):
            node = made(broker.url)
            async with running(node):
                await until(lambda: "sensor/attic/audio" in listener.heard)
                await until(lambda: len(listener.heard.get("sensor/attic/humidity", [])) > 2)
                await until(lambda: listener.last("device/attic/status") == b"online")
                await client.publish("window/attic/control", b'{"position": 35}', qos=1)
                await until(lambda: node.window == 35.0)
                await client.publish("window/attic/override", b"50", qos=1)
                await until(lambda: node.window == 50.0)
                await client.publish("device/attic/config", b'{"highest": 20}', qos=1)
                await until(lambda: node.window == 20.0)
                await until(
                    lambda: b'"highest":20.0' in (listener.last("device/attic/config/ack") or b"")
                )
                await until(
                    lambda: b"20.00" in (listener.last("sensor/attic/window_position") or b"")
                )
            values = [decode_reading(each) for each in listener.heard["sensor/attic/temperature"]]
            assert {each.sequence for each in values} == set(range(len(values)))
            assert all(abs(each.value - 21.0) < 3.0 for each in values)
            sound = decode_sound(listener.heard["sensor/attic/audio"][0])
            assert sound.duration == pytest.approx(0.1)
            assert -70.0 < sound.volume < -30.0

    asyncio.run(live())


def test_nothing_is_lost_when_the_broker_dies(
    broker: mqtt_brokers.Broker,
) -> None:
    async def live() -> None:
        node = made(broker.url, speed=50.0, audio_seconds=0.0)
        async with listening(broker.url) as (_, listener), running(node):
            await until(lambda: node.counters.confirmed > 10)
            await asyncio.to_thread(broker.kill)
            await until(lambda: node.counters.waiting > 20)
            await asyncio.to_thread(broker.start)
            await until(lambda: node.counters.waiting == 0)
            topic = "sensor/attic/temperature"
            await until(lambda: len(listener.sequences(topic)) > 20)
            told = max(listener.sequences(topic))
            await until(lambda: listener.sequences(topic) >= set(range(told + 1)))
            assert node.counters.dropped == 0

    asyncio.run(live())


def test_a_node_that_vanishes_is_told_offline(broker: mqtt_brokers.Broker) -> None:
    async def live() -> None:
        async with listening(broker.url) as (_, listener):
            node = made(broker.url)
            async with running(node):
                await until(lambda: listener.last("device/attic/status") == b"online")
                node.client._session.drop()
                await until(lambda: b"offline" in listener.heard["device/attic/status"])
                await until(lambda: listener.last("device/attic/status") == b"online")
            await until(lambda: listener.last("device/attic/status") == b"offline")

    asyncio.run(live())


def test_a_day_of_homes_in_seconds(broker: mqtt_brokers.Broker) -> None:
    async def live() -> None:
        options = HomesOptions(
            devices=4,
            broker=MqttOptions.from_url(broker.url),
            speed=20_000.0,
            seconds=4.0,
            audio=0.05,
        )
        homes = SimulatedHomes(options)
        summary = await homes.run()
        assert summary.connected == summary.devices == 4
        assert summary.confirmed == summary.sent > 20
        assert summary.sounds > 4
        assert summary.overrides > 0
        assert all(isinstance(node.room, Room) and node.room.time > 60_000 for node in homes.nodes)

    asyncio.run(live())
