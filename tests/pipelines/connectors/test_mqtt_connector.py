"""The MQTT connector against real brokers."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.errors import ConfigError
from edgeflow.pipelines.connectors.mqtt import MqttConnector, MqttRoute
from edgeflow.pipelines.connectors.sensor_time import SensorTime, epoch_seconds
from edgeflow.pipelines.message import EdgeMessage
from mqtt_brokers import KINDS, Broker, make


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with make(request.param, tmp_path / "broker") as started:
        yield started


def connector(broker: Broker, *routes: dict[str, Any], **options: Any) -> MqttConnector:
    wanted = {"host": broker.host, "port": broker.port, "reconnect_interval": 0.1, **options}
    return MqttConnector(
        "floor1", MqttConnector.Options(**wanted), tuple(MqttRoute(**route) for route in routes)
    )


async def ready(one: MqttConnector) -> None:
    await one.start()
    await one._client.wait_connected()
    for pattern, qos in one._subscriptions().items():
        await one._client.subscribe(pattern, qos)  # waits until it is granted


async def take(one: MqttConnector, count: int) -> list[EdgeMessage]:
    found = []
    async with asyncio.timeout(20):
        async with contextlib.aclosing(one.iter_messages()) as messages:
            async for message in messages:
                found.append(message)
                if len(found) == count:
                    break
    return found


def sender(broker: Broker, **options: Any) -> MqttClient:
    return MqttClient(MqttOptions(host=broker.host, port=broker.port, backoff=0.05, **options))


def test_a_message_goes_to_the_pipelines_of_every_matching_route(broker: Broker) -> None:
    async def main() -> None:
        one = connector(
            broker,
            {"filter": "s/+/env", "pipeline": "air"},
            {"filter": "s/#", "pipeline": ["all", "air"]},
            {"filter": "s/a/env", "pipeline": "raw", "serializer": "raw", "sensor_id": "probe"},
        )
        await ready(one)
        async with sender(broker) as out:
            await out.wait_connected()
            await out.publish("s/a/env", b"{}", qos=1)
            await out.publish("s/b", b"[]", qos=1)
        first, second, third = await take(one, 3)
        assert (first.sensor_id, first.encoding) == ("s/a/env", "json")
        assert first.pipeline_override == ("air", "all")
        assert (second.sensor_id, second.encoding) == ("probe", "raw")
        assert second.pipeline_override == ("raw",)
        assert first.metadata == {
            "topic": "s/a/env",
            "qos": 1,
            "retained": False,
            "duplicate": False,
        }
        assert third.pipeline_override == ("all", "air")
        # One message of the broker: confirmed when both made of it are done.
        await one.acknowledge(first)
        await one.acknowledge(first)
        assert one.counters.acknowledged == 0
        await one.acknowledge(second)
        assert one.counters.acknowledged == 1
        await one.stop()

    asyncio.run(main())


def test_nothing_is_lost_when_the_process_is_killed_and_the_broker_falls(
    broker: Broker, tmp_path: Path
) -> None:
    count, path = 300, tmp_path / "seen"
    worker = Path(__file__).with_name("mqtt_worker.py")

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(worker), str(broker.port), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in process.stdout or ():
            if line.strip() == "ready":
                return process
        raise AssertionError("the worker did not start")

    def end(process: "subprocess.Popen[str]") -> None:
        process.kill()
        process.communicate(timeout=10)

    async def main() -> None:
        process = await asyncio.to_thread(start)
        async with sender(broker, outbox=count) as out:
            await out.wait_connected()
            for part in range(3):
                for number in range(part * 100, part * 100 + 100):
                    out.post(f"numbers/{part}", str(number))
                await asyncio.sleep(0.05)
                if part == 1:
                    await asyncio.to_thread(broker.restart)
                await asyncio.to_thread(end, process)
                process = await asyncio.to_thread(start)
            try:
                async with asyncio.timeout(40):
                    while len(_seen(path)) < count:
                        await asyncio.sleep(0.05)
            finally:
                await asyncio.to_thread(end, process)

    asyncio.run(main())
    assert set(_seen(path)) == {str(number) for number in range(count)}


def _seen(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split()[0]: line for line in lines}


def test_the_sensors_own_time(broker: Broker) -> None:
    version = broker.versions[-1]

    async def main() -> None:
        one = connector(
            broker,
            {"filter": "s/+", "pipeline": "p"},
            {"filter": "t/+", "pipeline": "p", "timestamp_key": "at"},
            timestamp_key="meta.ts",
            version=version,
        )
        await ready(one)
        then = 1_700_000_000.25
        async with sender(broker, version=version) as out:
            await out.wait_connected()
            await out.publish("s/1", json.dumps({"meta": {"ts": then * 1000}, "co2": 1}), qos=1)
            await out.publish("t/1", json.dumps({"at": "2023-11-14T22:13:20.250Z"}), qos=1)
            await out.publish("s/1", b"\xff not json", qos=1)
            await out.publish("s/1", json.dumps({"meta": {"ts": 12}}), qos=1)
            await out.publish("s/1", b"{}", qos=1, user=[("timestamp", str(then))])
        got = await take(one, 5)
        assert [message.timestamp for message in got[:2]] == [then, then]
        assert got[0].metadata["sensor_time"] is True
        for message in got[2:4]:
            assert abs(message.timestamp - time.time()) < 30
            assert "sensor_time" not in message.metadata
        if version == "5":
            assert got[4].timestamp == then
            assert got[4].metadata["user"] == {"timestamp": str(then)}
        await one.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, 1_700_000_000.0),
        (1_700_000_000_500, 1_700_000_000.5),
        (1_700_000_000_500_000, 1_700_000_000.5),
        (1_700_000_000_500_000_000, 1_700_000_000.5),
        ("1700000000.5", 1_700_000_000.5),
        ("2023-11-14T22:13:20", 1_700_000_000.0),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000.0),
        (True, None),
        (None, None),
        ({}, None),
        ("soon", None),
        (float("nan"), None),
        (10**400, None),
        ("1e999", None),
        ("9" * 1000, None),
    ],
)
def test_forms_of_time(value: Any, expected: float | None) -> None:
    assert epoch_seconds(value) == expected


def test_a_clock_that_is_wrong_is_not_believed() -> None:
    times = SensorTime(now=lambda: 1_700_000_000.0)
    assert times.of(None, b'{"t": 1700000100}', "t") == 1_700_000_100.0
    assert times.of(None, b'{"t": 1800000000}', "t") is None
    assert times.of(None, b'{"t": 86400}', "t") is None
    assert times.of(None, b'{"t": {"u": 1}}', "t.u.v") is None
    assert times.of(None, b"[" * 100_000, "t") is None


def test_a_sensor_is_asked_to_send_less(broker: Broker) -> None:
    async def main() -> None:
        one = connector(broker, {"filter": "s/#", "pipeline": "p"})
        await ready(one)
        async with sender(broker) as sensor:
            await sensor.wait_connected()
            await sensor.subscribe("+/+/throttle", 1)
            assert not await one.throttle("s/1", 2.5)  # never heard of
            await sensor.publish("s/1", b"{}", qos=1)
            await take(one, 1)
            assert await one.throttle("s/1", 2.5)
            async with asyncio.timeout(30):
                got = await anext(sensor.messages())
            assert (got.topic, json.loads(got.payload)) == ("s/1/throttle", {"interval_s": 2.5})
            await sensor.publish("s/1", b"[]", qos=1)
            (after,) = await take(one, 1)  # and not its own words
            assert after.payload == b"[]"
        await one.stop()
        silent = connector(broker, {"filter": "s/#", "pipeline": "p"}, throttle_topic="")
        assert not await silent.throttle("s/1", 1)

    asyncio.run(main())


def test_a_thousand_messages_a_second(broker: Broker) -> None:
    count = 3000

    async def main() -> None:
        one = connector(broker, {"filter": "s/+", "pipeline": "p"})
        await ready(one)

        async def send() -> None:
            async with sender(broker, outbox=count) as out:
                await out.wait_connected()
                for number in range(count):
                    out.post(f"s/{number % 50}", json.dumps({"value": number}))
                while out.outbox:
                    await asyncio.sleep(0.01)

        async def receive() -> int:
            seen = 0
            async for message in one.iter_messages():
                await one.acknowledge(message)
                seen += 1
                if seen == count:
                    break
            return seen

        started = time.monotonic()
        sending = asyncio.create_task(send())
        assert await asyncio.wait_for(receive(), 60) == count
        await sending
        assert time.monotonic() - started < 30  # it takes a second on an idle machine
        await one.stop()

    asyncio.run(main())


def test_a_client_made_of_bytes_is_understood(broker: Broker) -> None:
    """What an ESP32 sends, written out: CONNECT, PUBLISH at QoS 1, PUBACK read."""

    def speak() -> None:
        with socket.create_connection((broker.host, broker.port), 5) as raw:
            raw.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05esp32")
            assert raw.recv(4, socket.MSG_WAITALL) == b"\x20\x02\x00\x00"
            topic, payload = b"s/esp", b'{"co2_ppm": 812.5}'
            body = len(topic).to_bytes(2) + topic + b"\x12\x34" + payload
            raw.sendall(bytes((0x32, len(body))) + body)
            assert raw.recv(4, socket.MSG_WAITALL) == b"\x40\x02\x12\x34"
            raw.sendall(b"\xe0\x00")

    async def main() -> None:
        one = connector(broker, {"filter": "s/+", "pipeline": "p"})
        await ready(one)
        await asyncio.to_thread(speak)
        (got,) = await take(one, 1)
        assert json.loads(got.payload) == {"co2_ppm": 812.5}
        await one.acknowledge(got)
        await one.stop()

    asyncio.run(main())


def test_options_that_cannot_work_are_refused(broker: Broker) -> None:
    for wrong in ({}, {"host": "a", "url": "mqtt://b"}, {"url": "mqtt://b", "port": 1}):
        with pytest.raises(ValidationError):
            MqttConnector.Options(**wrong)
    with pytest.raises(ValidationError, match="scheme"):
        MqttConnector.Options(url="http://b")
    with pytest.raises(ValidationError, match="wrong place"):
        MqttRoute(filter="a/#/b", pipeline="p")
    with pytest.raises(ConfigError, match="no topics"):
        asyncio.run(connector(broker).start())
    keys = MqttConnector.Options(
        url="mqtt://b?version=5&keepalive=7", username="u", password="geheim"
    )
    assert "geheim" not in repr(keys)
    options = keys.mqtt_options()
    assert (options.version, options.keepalive, options.password) == ("5", 7.0, "geheim")
