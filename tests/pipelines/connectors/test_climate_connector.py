"""Readings of climate nodes over a real broker."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.pipelines.connectors.climate import ClimateConnector
from edgeflow.pipelines.message import EdgeMessage
from mqtt_brokers import KINDS, Broker, make


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with make(KINDS[0], tmp_path / "broker") as started:
        yield started


async def heard(broker: Broker, sent: list[tuple[str, bytes]], count: int) -> list[EdgeMessage]:
    options = ClimateConnector.Options(
        host=broker.host, port=broker.port, pipeline="air", devices=["room", "hall"]
    )
    one = ClimateConnector("nodes", options)
    await one.start()
    found = []
    try:
        await one._client.wait_connected()
        for pattern, qos in one._subscriptions().items():
            await one._client.subscribe(pattern, qos)
        async with MqttClient(MqttOptions(host=broker.host, port=broker.port)) as out:
            await out.wait_connected()
            for topic, payload in sent:
                await out.publish(topic, payload, qos=1)
        async with (
            asyncio.timeout(20),
            contextlib.aclosing(one.iter_messages()) as messages,
        ):
            async for message in messages:
                found.append(message)
                await one.acknowledge(message)
                if len(found) == count:
                    break
        assert one.counters.acknowledged == len(sent)
        assert one.intake.stats.accepted == count
    finally:
        await one.stop()
    return found


def test_a_message_holds_all_that_a_node_said_of_late(broker: Broker) -> None:
    at = time.time() - 5.0
    first, second, other = asyncio.run(
        heard(
            broker,
            [
                ("sensor/room/temperature", f'{{"value":21.5,"time":{at}}}'.encode()),
                ("sensor/room/temperature", b"warm"),
                ("sensor/room/humidity", b"48"),
                ("sensor/hall/temperature", b"17"),
            ],
            3,
        )
    )
    assert first.sensor_id == "climate:room"
    assert first.timestamp == pytest.approx(at)
    assert first.payload == {
        "device": "room",
        "kind": "temperature",
        "value": 21.5,
        "temperature": 21.5,
    }
    assert second.payload["temperature"] == 21.5
    assert second.payload["humidity"] == 48.0
    assert other.sensor_id == "climate:hall"
    assert other.payload["temperature"] == 17.0


def test_what_was_told_is_told_once_and_sound_is_its_volume(broker: Broker) -> None:
    import base64

    quiet = base64.b64encode(bytes(3200)).decode()
    audio = f'{{"data":"{quiet}","sample_rate":16000,"duration":0.1}}'.encode()
    reading = b'{"value":20,"sequence":3,"boot":9}'
    first, sound = asyncio.run(
        heard(
            broker,
            [
                ("sensor/room/temperature", reading),
                ("sensor/room/temperature", reading),
                ("sensor/room/temperature", b"500"),
                ("sensor/room/audio", audio),
            ],
            2,
        )
    )
    assert first.payload["temperature"] == 20.0
    assert sound.payload["sound_volume"] == -80.0
    assert sound.payload["temperature"] == 20.0


def test_devices_with_impossible_names_are_refused() -> None:
    with pytest.raises(ValidationError):
        ClimateConnector.Options(host="127.0.0.1", devices=["a/b"], pipeline="air")
