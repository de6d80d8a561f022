"""Devices of the climate system over a real broker: settings pushed and answered, alerts raised."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import mqtt_brokers
from edgeflow.climate.backend import ClimateBackend
from edgeflow.climate.desk import KnownDevices
from edgeflow.climate.simulate.homes import room_of
from edgeflow.climate.triggers import ThresholdTrigger
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.devices.registry import DeviceRegistry
from edgeflow.devices.virtual.climate_node import ClimateNodeOptions, VirtualClimateNode
from edgeflow.store.catalogue import TABLES
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.sqlite_tables import SqliteTables

SECONDS = 30.0


class Clock:
    """Real time, and what is added to it."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mqtt_brokers.Broker]:
    made = mqtt_brokers.make("nats", tmp_path_factory.mktemp("broker"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteTables]:
    made = SqliteTables(str(tmp_path / "home.db"))
    made.create(list(TABLES.values()))
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, store: SqliteTables) -> Iterator[SpooledWriter]:
    made = SpooledWriter(store, Spool(tmp_path / "spool", sync=False))
    yield made
    made.close()


@asynccontextmanager
async def backend(
    url: str, writer: SpooledWriter, store: SqliteTables, clock: Clock
) -> AsyncIterator[ClimateBackend]:
    options = MqttOptions.from_url(url, manual_ack=True, inbox=5000)
    async with MqttClient(options) as client:
        made = ClimateBackend(
            client, writer, ThresholdTrigger(), known=KnownDevices.of(store), now=clock
        )
        work = (made.run(), made.desk.follow(store, clock(), clock))
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await client.wait_connected(SECONDS)
            yield made
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await made.finish()


@asynccontextmanager
async def node(url: str, name: str) -> AsyncIterator[VirtualClimateNode]:
    """A device that runs the firmware's core."""
    options = ClimateNodeOptions(settings={"audio_seconds": 0, "temperature_change": 0})
    made = VirtualClimateNode(name, room_of(1, 1), MqttOptions.from_url(url), options)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def state(of: ClimateBackend, device: str) -> str:
    known = {each.device_id: each for each in of.registry.devices()}
    return known[device].configuration.state if device in known else ""


def test_a_configuration_reaches_the_device_and_its_answer_comes_back(
    broker: mqtt_brokers.Broker, store: SqliteTables, writer: SpooledWriter, clock: Clock
) -> None:
    async def live() -> None:
        async with (
            backend(broker.url, writer, store, clock) as home,
            node(broker.url, "attic"),
        ):
            await until(lambda: len(home.registry) == 1)
            asked = home.registry.configure("attic", {"report_seconds": 30}, clock())
            assert asked.state == "pending"
            await until(lambda: state(home, "attic") == "applied")
            held = home.registry.configuration("attic")
            assert held.reported["report_seconds"] == 30
            assert held.version == 1

            home.registry.configure("attic", {"read_seconds": 0.5}, clock())
            await until(lambda: state(home, "attic") == "refused")
            held = home.registry.configuration("attic")
            assert held.reason == "the device refused read_seconds"
            assert held.reported["report_seconds"] == 30

            home.registry.configure(
                "attic", {"read_seconds": None, "brightness": 3, "speed": 20}, clock()
            )
            await until(lambda: home.registry.configuration("attic").answered > 0)
            held = home.registry.configuration("attic")
            assert held.reason == "the device knows no brightness"
            assert held.reported["speed"] == 20

    asyncio.run(live())
    assert writer.flush(SECONDS)
    rows = store.rows("device_configurations")
    assert [(row["version"], row["state"]) for row in rows] == [
        (1, "pending"),
        (1, "applied"),
        (2, "pending"),
        (2, "refused"),
        (3, "pending"),
        (3, "refused"),
    ]
    alerts = [row for row in store.rows("device_alerts") if row["kind"] == "refused"]
    assert [row["state"] for row in alerts] == ["raised", "raised"]


def test_a_device_that_was_away_takes_its_configuration_when_it_comes(
    broker: mqtt_brokers.Broker, store: SqliteTables, writer: SpooledWriter, clock: Clock
) -> None:
    """Another program writes the settings; the backend takes them over and pushes them."""
    other = DeviceRegistry(store.insert)
    other.seen("cellar", clock())

    async def live() -> None:
        async with backend(broker.url, writer, store, clock) as home:
            other.set("cellar", clock(), name="Cellar")
            other.configure("cellar", {"speed": 25}, clock())
            await until(lambda: state(home, "cellar") == "pending")
            async with node(broker.url, "cellar") as device:
                await until(lambda: state(home, "cellar") == "applied")
                assert device.counters.refused == 0
            assert home.registry.get("cellar").name == "Cellar"

    asyncio.run(live())


def test_a_death_and_a_silence_are_told_and_a_living_device_is_not(
    broker: mqtt_brokers.Broker,
    store: SqliteTables,
    writer: SpooledWriter,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEFLOW_ALERT_CALM", "0")
    heard: list[dict[str, Any]] = []

    async def listen(client: MqttClient) -> None:
        async for message in client.messages():
            heard.append(json.loads(message.payload))

    def alerts(device: str) -> list[tuple[str, str]]:
        return [(each["kind"], each["state"]) for each in heard if each["device_id"] == device]

    async def live() -> None:
        async with (
            MqttClient(MqttOptions.from_url(broker.url)) as client,
            backend(broker.url, writer, store, clock) as home,
        ):
            await client.subscribe("device/+/alert", qos=1)
            listening = asyncio.create_task(listen(client))
            for topic in ("lamp/co2", "lamp/lux"):
                await client.publish(f"sensor/{topic}", b"5", qos=1)
            await until(lambda: len(home.registry) >= 1)
            await until(lambda: set(home.registry.get("lamp").sensors) == {"co2", "lux"})
            home.registry.set("lamp", clock(), config={"sensor_silence": {"lux": 10}})
            async with node(broker.url, "porch") as device:
                await until(lambda: "temperature" in _sensors(home, "porch"))
                clock.ahead += 60
                await client.publish("sensor/lamp/co2", b"6", qos=1)
                await until(lambda: alerts("lamp") == [("silent", "raised")])
                await client.publish("sensor/lamp/lux", b"6", qos=1)
                await until(lambda: alerts("lamp")[1:] == [("silent", "ended")])
                await client.publish("sensor/lamp/window_stalled", b"1", qos=1)
                await until(lambda: alerts("lamp")[2:] == [("failed", "raised")])
                assert home.registry.get("lamp").failure == "the window is stalled"
                assert alerts("porch") == []
                assert device.counters.confirmed > 0
            await until(lambda: alerts("porch") == [("offline", "raised")])
            clock.ahead += 400
            await until(lambda: not home.registry.get("lamp").online)
            assert home.desk.alerts.counts == {"silent": 1, "failed": 1, "offline": 2}
            listening.cancel()

    asyncio.run(live())
    assert writer.flush(SECONDS)
    kept = [(row["device_id"], row["kind"], row["state"]) for row in store.rows("device_alerts")]
    assert ("porch", "offline", "raised") in kept
    assert ("lamp", "silent", "ended") in kept


def _sensors(home: ClimateBackend, device: str) -> dict[str, float]:
    known = {each.device_id: each.sensors for each in home.registry.devices()}
    return known.get(device, {})


def test_a_service_that_fails_is_an_alert_until_it_works(
    broker: mqtt_brokers.Broker, store: SqliteTables, writer: SpooledWriter, clock: Clock
) -> None:
    async def live() -> None:
        async with backend(broker.url, writer, store, clock) as home:
            for problem in ("", "away", "away, still", "", ""):
                home.desk.take_service("store", problem, clock())
            home.desk.check(clock() + 31)
            assert home.desk.alerts.counts == {"failed": 1}

    asyncio.run(live())
    assert writer.flush(SECONDS)
    rows = [(row["device_id"], row["kind"], row["state"]) for row in store.rows("device_alerts")]
    assert rows == [("store", "failed", "raised"), ("store", "failed", "ended")]


def test_a_broker_keeps_nothing_of_a_removed_device(
    broker: mqtt_brokers.Broker, store: SqliteTables, writer: SpooledWriter, clock: Clock
) -> None:
    async def live() -> None:
        async with (
            MqttClient(MqttOptions.from_url(broker.url)) as client,
            backend(broker.url, writer, store, clock) as home,
        ):
            await client.publish("device/shed/status", b"online", qos=1, retain=True)
            await until(lambda: len(home.registry) == 1)
            home.registry.configure("shed", {"read_seconds": 5}, clock())
            home.desk.push()
            home.registry.remove("shed", clock())
            async with MqttClient(MqttOptions.from_url(broker.url)) as late:
                await late.wait_connected(SECONDS)
                kept: list[str] = []
                await until(lambda: not home.registry.removals._uncleared)
                await client.publish("sensor/fence/lux", b"5", qos=1)
                await until(lambda: "lux" in _sensors(home, "fence"))
                await late.subscribe("device/shed/#", qos=1)
                await late.subscribe("marker", qos=1)
                await client.publish("marker", b"", qos=1)
                async for message in late.messages():
                    if message.topic == "marker":
                        break
                    kept.append(message.topic)
                assert kept == []
            assert [each.device_id for each in home.registry.devices()] == ["fence"]

    asyncio.run(live())


def test_devices_of_other_programs_are_known_and_left_alone(
    broker: mqtt_brokers.Broker, store: SqliteTables, writer: SpooledWriter, clock: Clock
) -> None:
    other = DeviceRegistry(store.insert, owner="csi")

    async def live() -> None:
        async with backend(broker.url, writer, store, clock) as home:
            other.seen("node-7", clock(), kind="csi")
            await until(lambda: len(home.registry) == 1)
            assert home.registry.get("node-7").kind == "csi"
            clock.ahead += 3600
            assert home.registry.check(clock()) == []
            assert home.registry.devices(owned=True) == []

    asyncio.run(live())
    assert [row["owner"] for row in store.latest("device_registry")] == ["csi"]
