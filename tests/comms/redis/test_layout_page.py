"""The examples of ``docs/reference/redis-layout.md``, run by a client that is not ours."""

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from edgeflow.comms.brokers import Publisher, RedisBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from servers import Valkey, valkey

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "redis-layout.md"
DETECTOR = Subscription("camera", "detector", QoS.DURABLE, 8)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def own_server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture
def robot(own_server: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisBroker]:
    monkeypatch.setenv("REDIS_PORT", str(own_server.port))
    broker = RedisBroker(own_server.host)
    broker.open("robot")
    yield broker
    broker.close()


def image_of(number: int) -> np.ndarray:
    return np.full((4, 6, 3), number, np.uint8)


def send(publisher: Publisher, numbers: range) -> None:
    for number in numbers:
        frame = Frame(data=image_of(number), id=number, sequence=number, epoch=3, topic="camera")
        assert publisher.publish(frame, 5.0)


def test_the_command_line_shows_what_the_page_says(robot: RedisBroker, own_server: Valkey):
    with (
        closing(robot.publisher("camera", [DETECTOR])) as publisher,
        Redis(port=own_server.port) as client,
    ):
        send(publisher, range(3))
        commands = [line for block in blocks("sh") for line in block.splitlines()]
        answers = [client.execute_command(*shlex.split(line)[1:]) for line in commands]
    topics, length, register, groups, pending = answers
    assert topics == {b"camera"}
    assert length == 3
    assert register[b"detector"] == b"durable 8"
    assert [group[b"name"] for group in groups] == [b"detector"]
    assert pending["pending"] == 0


def test_another_client_reads_sends_and_joins(robot: RedisBroker):
    reads, sends, joins = blocks("python")
    seen: dict[str, object] = {}
    scale = Subscription("scale", "store", QoS.DURABLE, 8)
    with (
        closing(robot.publisher("camera", [DETECTOR])) as publisher,
        closing(robot.subscriber([DETECTOR])) as detector,
        closing(robot.subscriber([scale])) as store,
    ):
        assert store.receive(0.05) is None
        send(publisher, range(3, 6))

        exec(reads, seen)
        assert np.array_equal(seen["image"], image_of(5))
        assert seen["number"] == 5

        exec(sends, seen)
        delivery = store.receive(5)
        assert delivery is not None
        assert delivery.frame.data.dtype == np.dtype("<u2")
        assert delivery.frame.data.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert (delivery.frame.id, delivery.frame.meta) == (7, {"unit": "gram"})
        store.ack(delivery)

        exec(joins, seen)
        send(publisher, range(6, 8))
        assert seen["audit"](5000) == [6, 7]
        for expected in range(3, 8):
            delivery = detector.receive(5)
            assert delivery is not None
            assert delivery.frame.id == expected
            detector.ack(delivery)
        seen["server"].close()
