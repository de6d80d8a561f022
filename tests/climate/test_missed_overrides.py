"""Overrides that were sent while the learning service was away."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

import mqtt_brokers
from climate_processes import Served
from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.labels import Label, Labels
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.missed import Heard, OverrideRows
from edgeflow.climate.learning.service import LearningService
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.learning.workplace import Workplace
from edgeflow.comms.mqtt import Incoming, MqttClient, MqttOptions
from edgeflow.protocols.climate import Features, InferenceRequest, encode, iso_time
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables

NOW = 1_750_000_000.0
SITUATION = Features(temperature=21.0, humidity=45.0, sound_volume=-60.0)
SECONDS = 60.0


@pytest.fixture(scope="module")
def beginning() -> Model:
    return first_model(0.0, count=200)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteTables]:
    made = SqliteTables(str(tmp_path / "home.db"))
    made.create(list(TABLES.values()))
    yield made
    made.close()


class Silence:
    """A line on which nothing comes until it is cut; what is said goes to ``said``."""

    def __init__(self, *messages: Incoming) -> None:
        self.came, self.said = list(messages), list[tuple[str, bytes]]()

    def want(self, patterns: Iterable[str], qos: int = 0) -> None:
        pass

    def post(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        self.said.append((topic, payload))

    async def messages(self) -> AsyncIterator[Incoming]:
        for message in self.came:
            yield message


def kept(store: SqliteTables, device: str, position: float, seconds: float, known: bool) -> None:
    """The backend keeps an override that came so many seconds ago."""
    row = {"device_id": device, "timestamp": NOW - seconds, "position": position, "person": "ann"}
    if known:
        row |= {"temperature": 21.0, "humidity": 45.0, "sound_volume": -60.0}
    store.insert("window_overrides", [row])


def live(folder: Path, store: SqliteTables, model: Model, *messages: Incoming) -> LearningService:
    """The service from its start until all messages are taken."""
    versions = Versions(folder / "models")
    labels = Labels(folder / "labels.jsonl")
    service = LearningService(
        Silence(*messages),
        Workplace(versions, labels),
        WindowDecider(model, now=lambda: NOW),
        kept=OverrideRows("sqlite:///unused", store),
        now=lambda: NOW,
    )
    asyncio.run(service.run())
    return service


def decided(service: LearningService, device: str) -> tuple[float, str]:
    own = InferenceRequest(
        device_id=device,
        timestamp=iso_time(NOW),
        temperature=21.0,
        humidity=45.0,
        sound_volume=-60.0,
        correlation_id="c",
        trigger="t",
    )
    control = service._decider.decide(own)
    return control.position, control.rule


def test_they_teach_once_and_hold_from_when_they_were_sent(
    tmp_path: Path, store: SqliteTables, beginning: Model
) -> None:
    kept(store, "a", 12.0, 60, known=True)
    kept(store, "a", 18.0, 30, known=True)
    kept(store, "b", 33.0, 1801, known=True)
    kept(store, "c", 44.0, 20, known=False)
    for _ in range(3):
        service = live(tmp_path, store, beginning)
        assert decided(service, "a") == (18.0, "held")
        assert "held" not in decided(service, "b")[1], "half an hour is over"
        assert decided(service, "c") == (44.0, "held"), "it teaches nothing, and moves the window"
        said = [(one.device, one.position) for one in service.labels.newest(0.0)]
        assert sorted(said) == [("a", 12.0), ("a", 18.0), ("b", 33.0)]


def test_what_was_heard_is_not_taken_again_from_its_row(
    tmp_path: Path, store: SqliteTables, beginning: Model
) -> None:
    request = InferenceRequest(
        device_id="a",
        timestamp=iso_time(NOW),
        temperature=21.0,
        humidity=45.0,
        sound_volume=-60.0,
        correlation_id="c",
        trigger="t",
    )
    came = (
        Incoming(topic="ml/inference/request/a", payload=encode(request)),
        Incoming(topic="window/a/override", payload=b'{"position": 20, "person": "ann"}'),
    )
    assert len(live(tmp_path, store, beginning, *came).labels) == 1
    kept(store, "a", 20.0, -2, known=True)
    service = live(tmp_path, store, beginning)
    assert (len(service.labels), service.stats.recovered) == (1, 0)


def test_a_poisoned_one_is_doubted_however_often_the_service_starts(
    tmp_path: Path, store: SqliteTables, beginning: Model
) -> None:
    truth = Labels(tmp_path / "labels.jsonl")
    for number in range(5):
        truth.add(Label(NOW - 8 * 86_400.0 + number, "a", SITUATION, 20.0))
    kept(store, "a", 95.0, 60, known=True)
    for _ in range(3):
        service = live(tmp_path, store, beginning)
        assert (len(service.labels), service.labels.waiting) == (5, 1)
        assert service.stats.doubted == 1
        assert decided(service, "a") == (95.0, "held")
    kept(store, "a", 91.0, 40, known=True)
    assert len(live(tmp_path, store, beginning).labels) == 7, "it was said twice"


@pytest.mark.parametrize("position", [-1.0, 101.0, float("inf"), float("nan")])
def test_a_row_that_no_window_can_follow_is_left_out(
    tmp_path: Path, store: SqliteTables, beginning: Model, position: float
) -> None:
    kept(store, "a", position, 60, known=True)
    service = live(tmp_path, store, beginning)
    assert len(service.labels) == 0
    assert "held" not in decided(service, "a")[1]


def test_without_a_store_the_service_decides_all_the_same(tmp_path: Path, beginning: Model) -> None:
    place = Workplace(Versions(tmp_path / "models"), Labels())
    rows = OverrideRows.of(f"sqlite:///{tmp_path}/none.db", None)
    assert OverrideRows.of("chdb:///x", None) is None
    service = LearningService(Silence(), place, WindowDecider(beginning), kept=rows)
    asyncio.run(service.run())
    assert not (tmp_path / "none.db").exists()


def test_the_oldest_that_was_heard_gives_way() -> None:
    heard = Heard()
    for number in range(30_000):
        heard.note(Label(NOW + 1000.0 * number, "a", SITUATION, float(number % 3)))
    assert heard.knows(Label(NOW + 1000.0 * 29_999, "a", SITUATION, 2.0))
    assert not heard.knows(Label(NOW, "a", SITUATION, 0.0))
    assert len(heard._order) == 20_000


def test_a_service_that_was_killed_learns_what_was_said_meanwhile(tmp_path: Path) -> None:
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    broker.start()
    store, folder = f"sqlite:///{tmp_path}/home.db", tmp_path / "climate"
    system = Served(broker.url, store, folder, "backend")
    service = Served(broker.url, store, folder, "ml")
    try:
        system.start()
        service.start()
        asyncio.run(asyncio.wait_for(said_while_it_is_dead(broker.url, service), 4 * SECONDS))
        lines = (folder / "models" / "labels.jsonl").read_text().splitlines()
        said = [(each["device"], each["position"]) for each in map(json.loads, lines)]
        assert sorted(said) == [("room-0", 10.0), ("room-1", 20.0), ("room-2", 30.0)]
    finally:
        service.kill()
        system.kill()
        broker.stop()


async def said_while_it_is_dead(url: str, service: Served) -> None:
    async with MqttClient(MqttOptions.from_url(url)) as client:
        await client.wait_connected(SECONDS)
        await client.subscribe("window/+/control", qos=1)
        for number in range(3):
            await report(client, f"room-{number}", 21.0)
        waiting = {f"room-{number}" for number in range(3)}
        controls = client.messages()
        async for message in controls:
            waiting.discard(message.topic.split("/")[1])
            if not waiting:
                break
        service.kill()
        for number in range(3):
            await client.publish(f"window/room-{number}/override", str(10 + 10 * number), qos=1)
        await asyncio.to_thread(service.start)
        await report(client, "room-2", 23.0)
        async for message in client.messages():
            told = json.loads(message.payload)
            if told["device_id"] == "room-2" and told["features_used"]["temperature"] == 23.0:
                assert (told["position"], told["rule"]) == (30.0, "held")
                break


async def report(client: MqttClient, device: str, temperature: float) -> None:
    await client.publish(f"sensor/{device}/temperature", str(temperature), qos=1)
    await client.publish(f"sensor/{device}/humidity", b"45", qos=1)
    sound = b'{"data":"AAAAAAAA"}'
    await client.publish(f"sensor/{device}/audio", sound, qos=1)
