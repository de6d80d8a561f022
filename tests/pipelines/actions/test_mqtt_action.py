"""The MQTT action against real brokers."""

import asyncio
import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgeflow.comms.mqtt import Incoming, MqttClient, MqttOptions
from edgeflow.pipelines.actions.mqtt import MqttDispatcher
from edgeflow.pipelines.message import Action, ActionResult
from mqtt_brokers import KINDS, Broker, make


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with make(request.param, tmp_path / "broker") as started:
        yield started


def dispatcher(broker: Broker, **keys: Any) -> MqttDispatcher:
    keys = {"host": broker.host, "port": broker.port, "reconnect_interval": 0.1, **keys}
    return MqttDispatcher("actuators", MqttDispatcher.Options(**keys))


async def do(one: MqttDispatcher, payload: Any = None, target: str | None = None) -> ActionResult:
    action = Action(dispatcher="actuators", target=target, payload=payload or {})
    return await one.dispatch(action, agent="guard", pipeline="door")


async def watching(broker: Broker) -> MqttClient:
    watcher = MqttClient(MqttOptions(port=broker.port, backoff=0.05, backoff_cap=0.1))
    await watcher.start()
    await watcher.wait_connected()
    await watcher.subscribe("#", 1)
    return watcher


async def next_of(watcher: MqttClient) -> Incoming:
    async with asyncio.timeout(20):
        return await anext(watcher.messages())


def test_an_action_is_published_with_its_origin(broker: Broker) -> None:
    async def main() -> None:
        watcher = await watching(broker)
        one = dispatcher(broker, topic="actuators/door")
        await one.start()
        result = await do(one, {"open": True})
        assert (result.ok, result.target) == (True, "actuators/door")
        got = await next_of(watcher)
        assert got.topic == "actuators/door"
        assert json.loads(got.payload) == {"agent": "guard", "pipeline": "door", "open": True}
        result = await do(one, {}, "elsewhere")
        assert (await next_of(watcher)).topic == "elsewhere"
        await one.stop()
        assert not (await do(one)).ok
        await watcher.stop()

    asyncio.run(main())


def test_qos_retain_and_bytes(broker: Broker) -> None:
    async def main() -> None:
        watcher = await watching(broker)
        one = dispatcher(broker, topic="a", qos=1, retain=True)
        two = dispatcher(broker, topic="b", qos=2, format="base64")
        await one.start()
        await two.start()
        assert "confirmed" in (await do(one, b"\xff\xd8\xff picture")).detail
        assert (await next_of(watcher)).payload == b"\xff\xd8\xff picture"
        assert (await do(two, b"\xff\xd8")).ok
        body = json.loads((await next_of(watcher)).payload)
        assert base64.b64decode(body["data"]) == b"\xff\xd8"
        late = await watching(broker)
        kept = await next_of(late)
        assert (kept.topic, kept.retain) == ("a", True)
        for client in (one, two, watcher, late):
            await client.stop()

    asyncio.run(main())


def test_what_cannot_be_published_is_a_result_not_an_exception(broker: Broker) -> None:
    async def main() -> None:
        one = dispatcher(broker, qos=1)
        await one.start()
        assert "has a topic" in (await do(one)).detail
        assert "wildcard" in (await do(one, {}, "a/#")).detail
        assert "no JSON form" in (await do(one, {"x": object()}, "a")).detail
        await one.stop()

    asyncio.run(main())


def test_a_fall_of_the_broker_is_survived(broker: Broker) -> None:
    async def main() -> None:
        safe = dispatcher(broker, topic="safe", qos=1, timeout=0.3)
        fast = dispatcher(broker, topic="fast", timeout=0.3)
        await safe.start()
        await fast.start()
        async with asyncio.timeout(20):
            while not (await do(safe)).ok or not (await do(fast)).ok:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(broker.fall)
        lost = [await do(safe, {"n": 1}), await do(safe, {"n": 2}), await do(fast)]
        assert [result.ok for result in lost] == [False, False, False]
        assert "outbox" in lost[0].detail
        await asyncio.to_thread(broker.start)
        async with asyncio.timeout(20):
            while not (await do(safe, {"n": 3})).ok:
                await asyncio.sleep(0.01)
        client = safe._share.client
        assert client.outbox == 0
        assert client.counters.confirmed >= 4  # the two that waited, too
        async with asyncio.timeout(20):
            while not (await do(fast)).ok:
                await asyncio.sleep(0.01)
        await safe.stop()
        await fast.stop()

    asyncio.run(main())


def test_actions_of_one_broker_share_a_connection(broker: Broker) -> None:
    async def main() -> None:
        one, two = dispatcher(broker, topic="a"), dispatcher(broker, topic="b", qos=1)
        other = dispatcher(broker, topic="c", client_id="own")
        for each in (one, two, other):
            await each.start()
        assert one._share.client is two._share.client
        assert one._share.client is not other._share.client
        await one.stop()
        assert (await do(two)).ok
        await two.stop()
        await other.stop()

    asyncio.run(main())


def test_an_absent_broker_does_not_hold_the_start_up(tmp_path: Path) -> None:
    async def main() -> None:
        options = MqttDispatcher.Options(host="127.0.0.1", port=1, topic="a", timeout=0.2)
        one = MqttDispatcher("actuators", options)
        await one.start()
        result = await do(one)
        assert not result.ok
        assert "not reachable" in result.detail
        await one.stop()

    asyncio.run(main())


def test_an_action_before_the_first_connection_waits_for_the_broker(broker: Broker) -> None:
    async def main() -> None:
        await asyncio.to_thread(broker.fall)
        safe = dispatcher(broker, topic="safe", qos=1, timeout=0.1)
        await safe.start()
        result = await do(safe, {"n": 1})
        assert not result.ok
        assert "outbox" in result.detail
        await asyncio.to_thread(broker.start)
        client = safe._share.client
        async with asyncio.timeout(20):
            while not client.counters.confirmed:
                await asyncio.sleep(0.01)
        await safe.stop()

    asyncio.run(main())


@pytest.mark.parametrize("qos", [0, 1])
def test_few_actions_wait_for_a_broker_that_does_not_answer(qos: int) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            options = MqttDispatcher.Options(host="127.0.0.1", port=port, topic="a", qos=qos)
            one = MqttDispatcher("actuators", options)
            await one.start()
            asked = [asyncio.create_task(do(one)) for _ in range(100)]
            async with asyncio.timeout(20):
                while sum(task.done() for task in asked) < 68:
                    await asyncio.sleep(0.01)
            waiting = [task for task in asked if not task.done()]
            assert len(waiting) == 32
            details = {task.result().detail for task in asked if task.done()}
            assert len(details) == 1
            assert ("outbox" in details.pop()) == bool(qos)
            assert one._share.client.outbox == (100 if qos else 0)
            for task in waiting:
                task.cancel()
            await one.stop()

    asyncio.run(main())


def test_wrong_keys_are_refused() -> None:
    for wrong in ({"topic": "a/+"}, {"qos": 3}, {"format": "xml"}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            MqttDispatcher.Options(host="a", **wrong)
