"""Payloads on a server of their own: how long they live, and what happens when they are gone."""

from contextlib import closing

import numpy as np
import pytest
from redis import Redis
from structlog.testing import capture_logs

from edgeflow.comms.brokers import DualRedisBroker, Publisher, Subscription
from edgeflow.comms.redis.connection import Address
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from servers import Valkey, valkey

DURABLE = Subscription("t", "g", QoS.DURABLE, 16)
REALTIME = Subscription("t", "g", QoS.REALTIME)


@pytest.fixture
def broker(server: Valkey, data_server: Valkey, app: str):
    broker = DualRedisBroker(url=server.url, data_url=data_server.url)
    broker.open(app)
    yield broker
    broker.close()


def send(publisher: Publisher, count: int, first: int = 0, data: object = b"x") -> None:
    for number in range(first, first + count):
        frame = Frame(data=data, id=number, sequence=number, epoch=9, topic="t")
        assert publisher.publish(frame, 5.0)


def receive_all(subscriber) -> list[int]:
    numbers = []
    while (delivery := subscriber.receive(0.2)) is not None:
        subscriber.ack(delivery)
        numbers.append(delivery.frame.sequence)
    return numbers


def payloads(client: Redis, app: str) -> list[bytes]:
    return client.keys(f"edgeflow:{app}:data:t:*")


def test_payloads_lie_on_the_second_server_only(
    broker: DualRedisBroker, client: Redis, data_client: Redis, app: str
):
    image = np.zeros((480, 640, 3), np.uint8)
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        send(publisher, 5, data=image)
        assert client.memory_usage(f"edgeflow:{app}:stream:t") < 10_000
        assert len(payloads(data_client, app)) == 5
        assert not payloads(client, app)


def test_superseded_payloads_are_removed_and_the_last_expire(
    broker: DualRedisBroker, data_client: Redis, app: str
):
    with closing(broker.publisher("t", [REALTIME])) as publisher:
        send(publisher, 50)
        left = payloads(data_client, app)
        assert len(left) <= 6
        assert all(0 < data_client.pttl(key) <= 60_000 for key in left)


def test_durable_payloads_stay_until_they_are_acknowledged(
    broker: DualRedisBroker, data_client: Redis, app: str
):
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        send(publisher, 16)
        left = payloads(data_client, app)
        assert len(left) == 16
        assert all(data_client.pttl(key) == -1 for key in left)
        with closing(broker.subscriber([DURABLE])) as subscriber:
            assert receive_all(subscriber) == list(range(16))
        send(publisher, 1, first=16)
    with closing(broker.subscriber([DURABLE])) as subscriber:
        assert receive_all(subscriber) == [16]
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        send(publisher, 1, first=17)
    assert len(payloads(data_client, app)) <= 3


def test_a_payload_that_is_gone_is_a_counted_drop(
    broker: DualRedisBroker, data_client: Redis, client: Redis, app: str
):
    with (
        closing(broker.publisher("t", [DURABLE])) as publisher,
        closing(broker.subscriber([DURABLE])) as subscriber,
    ):
        send(publisher, 3)
        data_client.delete(next(key for key in payloads(data_client, app) if b":9:1:" in key))
        assert receive_all(subscriber) == [0, 2]
        assert subscriber.links["t"].dropped == 1
        assert client.xpending(f"edgeflow:{app}:stream:t", "g")["pending"] == 0


def test_a_restarted_publisher_does_not_overwrite_payloads(broker: DualRedisBroker):
    found = []
    for run in (b"first", b"second"):
        with closing(broker.publisher("t", [DURABLE])) as publisher:
            send(publisher, 3, data=run)
    with closing(broker.subscriber([DURABLE])) as subscriber:
        while (delivery := subscriber.receive(0.2)) is not None:
            subscriber.ack(delivery)
            found.append(delivery.frame.data)
    assert found == [b"first"] * 3 + [b"second"] * 3


def test_the_payload_server_may_be_away_for_a_while(server: Valkey, app: str):
    with valkey(persistent=True) as data_server, capture_logs() as logs:
        broker = DualRedisBroker(url=server.url, data_url=data_server.url)
        broker.open(app)
        with (
            closing(broker.publisher("t", [DURABLE])) as publisher,
            closing(broker.subscriber([DURABLE])) as subscriber,
        ):
            send(publisher, 5)
            data_server.kill9()
            assert subscriber.receive(0.3) is None
            frame = Frame(data=b"x", id=5, sequence=5, epoch=9, topic="t")
            assert not publisher.publish(frame, 0.2)
            data_server.start()
            send(publisher, 1, first=5)
            assert receive_all(subscriber) == [0, 1, 2, 3, 4, 5]
            assert subscriber.links["t"].dropped == 0
        broker.close()
    assert [entry["event"] for entry in logs] == ["server_lost", "server_found"]


def test_refused_entries_leave_no_payloads(data_server: Valkey, data_client: Redis, app: str):
    """The control server has no memory left for a while."""
    with valkey() as control, Redis(port=control.port) as client:
        broker = DualRedisBroker(url=control.url, data_url=data_server.url)
        broker.open(app)
        with closing(broker.publisher("t", [DURABLE])) as publisher:
            send(publisher, 1)
            client.config_set("maxmemory", 1)
            frame = Frame(data=b"x", id=1, sequence=1, epoch=9, topic="t")
            for _ in range(5):
                assert not publisher.publish(frame, 0.05)
            client.config_set("maxmemory", 0)
            send(publisher, 1, first=1)
            assert len(payloads(data_client, app)) == 2
        broker.close()


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REDIS_HOST", "control")
    monkeypatch.setenv("DATA_REDIS_PORT", "7001")
    assert DualRedisBroker().data.address == Address("control", 7001)
    monkeypatch.setenv("DATA_REDIS_HOST", "bulk")
    assert DualRedisBroker().data.address == Address("bulk", 7001)
    assert DualRedisBroker(data_url="redis://x:1").data.address == Address("x", 1)
