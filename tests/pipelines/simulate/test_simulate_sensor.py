"""The simulator as people call it, against a real broker."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeflow.comms.mqtt import Incoming, MqttClient, MqttOptions
from mqtt_brokers import Broker, make

SCRIPT = Path(__file__).parents[3] / "tools" / "simulate_sensor.py"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with make("nats", tmp_path / "broker", password="secret") as started:
        yield started


def call(broker: Broker, topic: str, *arguments: str) -> list[str]:
    own = ["--port", str(broker.port), "--username", "edge", "--password", "secret"]
    return [sys.executable, str(SCRIPT), broker.host, topic, *own, *arguments]


async def collect(broker: Broker, command: list[str], count: int) -> tuple[list[Incoming], str]:
    """Run the simulator; return what a subscriber got, and what the simulator said."""
    options = MqttOptions(port=broker.port, username="edge", password="secret")
    async with MqttClient(options) as reader, asyncio.timeout(60):
        await reader.wait_connected()
        await reader.subscribe("#", 1)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        got = []
        async for message in reader.messages():
            got.append(message)
            if len(got) == count:
                break
        _, said = await process.communicate()
        assert process.returncode == 0
        return got, said.decode()


def test_the_options_of_the_first_gateway(broker: Broker) -> None:
    command = call(broker, "sensors/floor1/a/env", "--mode", "env", "--interval", "0.01")
    got, said = asyncio.run(collect(broker, [*command, "--count", "5"], 5))
    assert {message.topic for message in got} == {"sensors/floor1/a/env"}
    assert set(json.loads(got[0].payload)) == {"co2_ppm", "temperature_c", "humidity_pct"}
    assert re.search(r"published=5 lost=0 seconds=[\d.]+ rate=\d+/s", said)
    command = call(broker, "t", "--mode", "trigger", "--interval", "0.01", "--count", "1")
    got, _ = asyncio.run(collect(broker, command, 1))
    assert json.loads(got[0].payload)["label"] == "person"


def test_many_sensors_at_a_rate(broker: Broker) -> None:
    command = call(broker, "s/{n}/env", "--rate", "500", "--count", "300", "--sensors", "10")
    got, _ = asyncio.run(collect(broker, [*command, "--qos", "1", "--mode", "room"], 300))
    assert {message.topic for message in got} == {f"s/{n}/env" for n in range(10)}


def test_pictures(broker: Broker) -> None:
    command = call(broker, "cam", "--mode", "camera", "--rate", "50", "--count", "3")
    got, _ = asyncio.run(collect(broker, command, 3))
    assert all(message.payload.startswith(b"\xff\xd8\xff") for message in got)


def test_it_obeys_a_throttle_and_ends_on_a_signal(broker: Broker) -> None:
    async def main() -> None:
        options = MqttOptions(port=broker.port, username="edge", password="secret")
        async with MqttClient(options) as reader, asyncio.timeout(60):
            await reader.wait_connected()
            await reader.subscribe("s", 1)
            command = call(broker, "s", "--rate", "200")
            process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
            messages = reader.messages()
            for _ in range(20):
                await anext(messages)
            for nonsense in (b"{}", b"[]", b"\xff", b'{"interval_s": -1}'):
                await reader.publish("s/throttle", nonsense, qos=1)
            await reader.publish("s/throttle", b'{"interval_s": 3600}', qos=1)
            with pytest.raises(TimeoutError):
                while True:  # what was under way, then silence
                    await asyncio.wait_for(anext(messages), 2.0)
                    messages = reader.messages()
            process.send_signal(signal.SIGINT)
            _, said = await process.communicate()
            assert process.returncode == 0
            assert b"lost=0" in said

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["127.0.0.1", "a/#"], 3),
        (["127.0.0.1", "a", "--password", "x"], 3),
        (["ftp://x", "a"], 3),
        (["127.0.0.1", "a", "--mode", "camera", "--source", "/absent.avi", "--port", "1"], 4),
        (["127.0.0.1", "a", "--interval", "0"], 2),
        (["127.0.0.1", "a", "--mode", "weather"], 2),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from edgeflow.pipelines.simulate import sensor

    monkeypatch.setattr(sensor, "_CONNECT_SECONDS", 0.3)
    try:
        assert sensor.main(arguments) == code
    except SystemExit as end:
        assert end.code == code
    assert "Traceback" not in capsys.readouterr().err
