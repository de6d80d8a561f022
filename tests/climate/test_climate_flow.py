"""The climate system over a real broker: from a reading to a row, a decision and a window."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import mqtt_brokers
from edgeflow.climate.backend import ClimateBackend
from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.labels import Labels
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.service import LearningService
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.learning.workplace import Workplace
from edgeflow.climate.triggers import ThresholdTrigger
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import WindowControl, decode_control
from edgeflow.store.catalogue import TABLES
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.sqlite_tables import SqliteTables

SECONDS = 20.0


@pytest.fixture(scope="module")
def model() -> Model:
    return first_model(0.0, count=200)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[mqtt_brokers.Broker]:
    made = mqtt_brokers.make("nats", tmp_path / "broker")
    made.start()
    yield made
    made.stop()


class Home:
    """Store, writer and both services beside a broker."""

    def __init__(self, folder: Path, url: str, model: Model) -> None:
        self.url = url
        self.store = SqliteTables(str(folder / "climate.db"))
        self.store.create(list(TABLES.values()))
        self.writer = SpooledWriter(self.store, Spool(folder / "spool", sync=False))
        self.decider = WindowDecider(model)
        self.versions = Versions(folder / "models")
        self.backend: ClimateBackend | None = None
        self.service: LearningService | None = None
        self.stopped_at: float | None = None

    def now(self) -> float:
        """The backend's clock, which a test may stop."""
        return time.time() if self.stopped_at is None else self.stopped_at

    @asynccontextmanager
    async def serving(self, come: asyncio.Event | None = None) -> AsyncIterator[MqttClient]:
        """Run, and give a client that can be a device; the service waits for ``come``."""
        options = MqttOptions.from_url(self.url)
        kept = MqttOptions.from_url(
            self.url, client_id="backend", clean_session=False, manual_ack=True, inbox=5000
        )
        async with (
            MqttClient(kept) as first,
            MqttClient(options) as second,
            MqttClient(options) as device,
        ):
            self.backend = ClimateBackend(
                first,
                self.writer,
                ThresholdTrigger(interval=0.2),
                devices=self.store.latest("device_registry"),
                now=self.now,
            )
            service = self.service = LearningService(
                second, Workplace(self.versions, Labels()), self.decider
            )

            async def serve() -> None:
                if come is not None:
                    await come.wait()
                await service.run()

            tasks = [asyncio.create_task(each) for each in (self.backend.run(), serve())]
            try:
                for client in (first, second, device):
                    await client.wait_connected(SECONDS)
                await until(lambda: not first.unheard and not second.unheard)
                yield device
            finally:
                for task in tasks:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                await self.backend.finish()

    def close(self) -> None:
        """Stop what runs in threads."""
        self.writer.close()
        self.store.close()


@pytest.fixture
def home(tmp_path: Path, broker: mqtt_brokers.Broker, model: Model) -> Iterator[Home]:
    made = Home(tmp_path, broker.url, model)
    yield made
    made.close()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def heard(device: MqttClient, topic: str) -> bytes:
    """The payload of the next message on a topic."""
    async with asyncio.timeout(SECONDS):
        async for message in device.messages():
            if message.topic == topic:
                return message.payload
    raise AssertionError


async def control_for(device: MqttClient) -> WindowControl:
    """The next thing the window in the attic is told."""
    return decode_control(await heard(device, "window/attic/control"))


async def speak(device: MqttClient, name: str, temperature: float) -> None:
    """All sensors of a room."""
    sound = b'{"data":"AAAAAAAA"}'
    await device.publish(f"sensor/{name}/humidity", b"50", qos=1)
    await device.publish(f"sensor/{name}/audio", sound, qos=1)
    await device.publish(f"sensor/{name}/temperature", f"{temperature}", qos=1)


def test_a_reading_becomes_a_row_a_decision_and_a_window(home: Home) -> None:
    async def live() -> WindowControl:
        async with home.serving() as device:
            await device.subscribe("window/+/control", qos=1)
            began = time.monotonic()
            await speak(device, "attic", 27.0)
            control = await control_for(device)
            assert time.monotonic() - began < 5.0
            backend = home.backend
            assert backend is not None
            await until(lambda: backend.stats.answers == 1)
            return control

    control = asyncio.run(live())
    assert home.writer.flush(SECONDS)
    assert control.device_id == "attic"
    assert 0 <= control.position <= 100
    assert control.features_used.temperature == 27.0
    assert control.model_version == "v1"
    (action,) = home.store.rows("window_actions")
    (prediction,) = home.store.rows("ml_predictions")
    (asked,) = home.store.rows("inference_history")
    assert action["correlation_id"] == control.correlation_id == asked["correlation_id"]
    assert prediction["inference_time_ms"] > 0
    assert asked["trigger_reason"] == "first_inference"
    assert [row["value"] for row in home.store.rows("sensor_temperature")] == [27.0]
    (device,) = home.store.latest("device_registry")
    assert (device["device_id"], device["is_active"]) == ("attic", True)


def test_bad_messages_are_kept_apart_and_stop_nothing(home: Home) -> None:
    async def live() -> None:
        async with home.serving() as device:
            for payload in (b"NaN", b"warm", b"", b"999", b"\xff" * 5000):
                await device.publish("sensor/attic/temperature", payload, qos=1)
            await device.publish("window/attic/control", b"{}", qos=1)
            await device.publish("window/attic/override", b"lots", qos=1)
            await device.publish("sensor/attic/temperature", b"21", qos=1)
            backend = home.backend
            assert backend is not None
            await until(lambda: backend.intake.stats.accepted == 1)

    asyncio.run(live())
    assert home.writer.flush(SECONDS)
    assert len(home.store.rows("dead_letters")) == 7
    assert len(home.store.rows("sensor_temperature")) == 1


def test_an_override_moves_the_window_and_teaches(home: Home) -> None:
    async def live() -> None:
        async with home.serving() as device:
            await device.subscribe("window/+/control", qos=1)
            await speak(device, "attic", 27.0)
            await control_for(device)
            await device.publish("window/attic/override", b'{"position":10,"person":"ann"}', qos=1)
            service, backend = home.service, home.backend
            assert service is not None
            assert backend is not None
            await until(lambda: service.stats.labels == backend.stats.overrides == 1)

    asyncio.run(live())
    assert home.writer.flush(SECONDS)
    (row,) = home.store.rows("window_overrides")
    assert (row["position"], row["person"], row["temperature"]) == (10.0, "ann", 27.0)


def test_nothing_is_lost_when_the_broker_is_killed(home: Home, broker: mqtt_brokers.Broker) -> None:
    async def live() -> None:
        async with home.serving() as device:
            for number in range(200):
                payload = f'{{"value":20,"sequence":{number},"boot":1}}'
                device.post("sensor/attic/temperature", payload, qos=1)
                if number == 100:
                    broker.kill()
                    broker.start()
                await asyncio.sleep(0.002)
            backend = home.backend
            assert backend is not None
            await until(lambda: backend.intake.stats.accepted == 200)
            await until(lambda: device.outbox == 0)

    asyncio.run(live())
    assert home.writer.flush(SECONDS)
    sequences = [row["sequence"] for row in home.store.rows("sensor_temperature")]
    assert sorted(sequences) == list(range(200))


def test_what_came_while_the_backend_was_away_waits_for_it(
    home: Home, broker: mqtt_brokers.Broker
) -> None:
    async def away() -> None:
        async with MqttClient(MqttOptions.from_url(broker.url)) as device:
            for number in range(50):
                payload = f'{{"value":20,"sequence":{number},"boot":1}}'
                await device.publish("sensor/attic/temperature", payload, qos=1)

    async def live() -> None:
        async with home.serving():
            backend = home.backend
            assert backend is not None
            await until(lambda: backend.intake.stats.accepted == 50)

    async def introduce() -> None:
        async with home.serving():
            pass

    asyncio.run(introduce())
    asyncio.run(away())
    asyncio.run(live())
    assert home.writer.flush(SECONDS)
    assert len(home.store.rows("sensor_temperature")) == 50


def test_who_asked_while_the_service_was_away_is_answered_when_it_is_back(home: Home) -> None:
    home.stopped_at = asked_at = time.time()

    async def live() -> WindowControl:
        come = asyncio.Event()
        async with home.serving(come) as device:
            service = home.service
            assert service is not None
            await device.subscribe("window/+/control", qos=1)
            await device.subscribe("ml/inference/request/+", qos=1)
            await speak(device, "attic", 27.0)
            await heard(device, "ml/inference/request/attic")
            come.set()
            async with asyncio.timeout(SECONDS):
                while not service.stats.refused:  # until it hears
                    await device.publish("window/attic/override", b"10", qos=1)
                    await asyncio.sleep(0.02)
            assert service.stats.decided == 0, "it was away when it was asked"
            home.stopped_at = asked_at + 15.0
            return await control_for(device)

    control = asyncio.run(live())
    assert home.writer.flush(SECONDS)
    (asked,) = home.store.rows("inference_history")
    assert control.correlation_id == asked["correlation_id"]


def test_a_will_makes_a_device_offline_at_once(home: Home) -> None:
    async def live() -> None:
        async with home.serving() as device:
            backend = home.backend
            assert backend is not None
            await device.publish("sensor/attic/temperature", b"20", qos=1)
            await until(lambda: len(backend.registry) == 1)  # of two topics neither need be first
            await device.publish("device/attic/status", b"offline", qos=1)
            await until(lambda: not backend.registry.get("attic").online)

    asyncio.run(live())
    assert home.writer.flush(SECONDS)
    kinds = [row["kind"] for row in home.store.rows("events")]
    assert kinds == ["device_registered", "device_offline"]
