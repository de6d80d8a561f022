"""What is particular to the Redis broker: its keys, its bounds, its server."""

import threading
import time
from contextlib import closing

import numpy as np
import pytest
from redis import Redis

from edgeflow.comms.brokers import Publisher, RedisBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import UnreachableError
from servers import Valkey, free_port

DURABLE = Subscription("t", "g", QoS.DURABLE, 16)
REALTIME = Subscription("t", "g", QoS.REALTIME)


@pytest.fixture
def broker(server: Valkey, app: str):
    broker = RedisBroker(url=server.url)
    broker.open(app)
    yield broker
    broker.close()


def send(publisher: Publisher, count: int, data: object = b"x", first: int = 0) -> None:
    for number in range(first, first + count):
        frame = Frame(data=data, id=number, sequence=number, epoch=9, topic=publisher.topic)
        assert publisher.publish(frame, 5.0)


def receive_all(subscriber, timeout: float = 0.2) -> list[int]:
    numbers = []
    while (delivery := subscriber.receive(timeout)) is not None:
        subscriber.ack(delivery)
        numbers.append(delivery.frame.sequence)
    return numbers


# --- keys ------------------------------------------------------------------------------------


def test_keys_of_others_are_left_alone(broker: RedisBroker, client: Redis, app: str):
    client.flushdb()
    foreign = {b"mine": b"1", b"edgeflow:other:stream:t": b"2"}
    client.mset(foreign)
    with (
        closing(broker.publisher("t", [DURABLE])) as publisher,
        closing(broker.subscriber([DURABLE])) as subscriber,
    ):
        send(publisher, 5)
        receive_all(subscriber)
        broker.board().post("a", b"report")
    assert client.mget(foreign) == list(foreign.values())
    ours = set(client.keys("*")) - set(foreign)
    assert ours
    assert all(key.startswith(f"edgeflow:{app}:".encode()) for key in ours)


def test_apps_on_one_server_do_not_hear_each_other(server: Valkey):
    brokers = [RedisBroker(url=server.url) for _ in range(2)]
    for name, broker in zip(("one", "two"), brokers, strict=True):
        broker.open(name)
    with (
        closing(brokers[0].publisher("t", [DURABLE])) as publisher,
        closing(brokers[1].subscriber([DURABLE])) as subscriber,
    ):
        subscriber.receive(0.05)
        send(publisher, 3)
        assert receive_all(subscriber) == []
    for broker in brokers:
        broker.close()


def test_one_entry_per_frame_however_many_groups(broker: RedisBroker, client: Redis, app: str):
    wishes = [Subscription("t", f"g{n}", QoS.DURABLE, 16) for n in range(5)]
    with closing(broker.publisher("t", wishes)) as publisher:
        send(publisher, 10)
        assert client.xlen(f"edgeflow:{app}:stream:t") == 10


def test_memory_of_a_realtime_stream_is_one_frame(broker: RedisBroker, client: Redis, app: str):
    image = np.zeros((480, 640, 3), np.uint8)
    with closing(broker.publisher("t", [REALTIME])) as publisher:
        send(publisher, 50, image)
    assert client.xlen(f"edgeflow:{app}:stream:t") == 1
    assert client.memory_usage(f"edgeflow:{app}:stream:t") < 2 * image.nbytes


def test_memory_of_a_durable_stream_is_bounded(broker: RedisBroker, client: Redis, app: str):
    stream = f"edgeflow:{app}:stream:t"
    longest = 0
    with (
        closing(broker.publisher("t", [DURABLE])) as publisher,
        closing(broker.subscriber([DURABLE])) as subscriber,
    ):
        stop = threading.Event()

        def consume() -> None:
            while not stop.is_set():
                delivery = subscriber.receive(0.1)
                if delivery is not None:
                    subscriber.ack(delivery)

        consumer = threading.Thread(target=consume)
        consumer.start()
        for start in range(0, 400, 20):
            send(publisher, 20, first=start)
            longest = max(longest, client.xlen(stream))
        deadline = time.monotonic() + 5
        while client.xpending(stream, "g")["pending"] and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        consumer.join(5)
    assert longest <= 2 * DURABLE.capacity + 8
    assert client.xlen(stream) == 1


def test_an_undeclared_listener_leaves_nothing_behind(broker: RedisBroker, client: Redis, app: str):
    tap = Subscription("t", "tap", QoS.BALANCED, 4)
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        send(publisher, 2)
        with closing(broker.subscriber([tap])) as listener:
            assert listener.receive(0.05) is None
            send(publisher, 3, first=2)
            assert receive_all(listener) == [2, 3, 4]
            assert publisher.links.keys() == {"g", "tap"}
        groups = {info["name"] for info in client.xinfo_groups(f"edgeflow:{app}:stream:t")}
        assert groups == {b"g"}
        assert client.hget(f"edgeflow:{app}:groups:t", "tap") is None
        send(publisher, 11, first=5)
        frame = Frame(data=b"x", id=16, sequence=16, epoch=9, topic="t")
        assert not publisher.publish(frame, 0.05), "the tap must not have freed anything"


def test_a_durable_group_that_joins_later_gets_every_frame_from_then_on(broker: RedisBroker):
    late = Subscription("t", "late", QoS.DURABLE, 16)
    with (
        closing(broker.publisher("t", [REALTIME])) as publisher,
        closing(broker.subscriber([late])) as subscriber,
    ):
        send(publisher, 3)
        assert subscriber.receive(0.05) is None
        send(publisher, 10, first=3)
        assert receive_all(subscriber) == list(range(3, 13))


def test_a_group_that_the_graph_lost_no_longer_holds_the_producer(broker: RedisBroker):
    kept = Subscription("t", "kept", QoS.DURABLE, 4)
    with closing(broker.publisher("t", [DURABLE, kept])) as publisher:
        send(publisher, 4)
    other = Subscription("t", "viewer", QoS.REALTIME)
    with closing(broker.publisher("t", [other])) as publisher:
        send(publisher, 40)


def test_a_group_can_be_forgotten(broker: RedisBroker):
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        send(publisher, DURABLE.capacity)
        frame = Frame(data=b"x", sequence=99, epoch=9, topic="t")
        assert not publisher.publish(frame, 0.05)
        broker.forget("t", "g")


def test_next_id_continues_after_the_last_frame(broker: RedisBroker):
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        assert publisher.next_id() == 0
        send(publisher, 7)
        assert publisher.next_id() == 7
    with closing(broker.subscriber([DURABLE])) as subscriber:
        assert receive_all(subscriber) == list(range(7))
    with closing(broker.publisher("t", [DURABLE])) as publisher:
        assert publisher.next_id() == 7


def test_next_id_fails_loudly_when_a_durable_group_relies_on_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgeflow.comms.redis.publisher.REMEMBER_SECONDS", 0.2)
    broker = RedisBroker("127.0.0.1", free_port())
    with pytest.raises(UnreachableError):
        broker.publisher("t", [DURABLE]).next_id()
    assert broker.publisher("t", [REALTIME]).next_id() == 0


def test_depth_counts_what_is_held(broker: RedisBroker):
    with (
        closing(broker.publisher("t", [DURABLE])) as publisher,
        closing(broker.subscriber([DURABLE])) as subscriber,
    ):
        send(publisher, 6)
        delivery = subscriber.receive(2)
        assert delivery is not None
        publisher.refresh()
        subscriber.refresh()
        assert publisher.links["g"].depth == 6
        assert subscriber.links["t"].depth == 6


def test_garbage_in_the_stream_is_a_counted_drop(broker: RedisBroker, client: Redis, app: str):
    with (
        closing(broker.publisher("t", [DURABLE])) as publisher,
        closing(broker.subscriber([DURABLE])) as subscriber,
    ):
        send(publisher, 1)
        stream = f"edgeflow:{app}:stream:t"
        client.xadd(stream, {"i": "what?", "f": b"\xff" * 40})
        client.xadd(stream, {"nothing": "known"})
        send(publisher, 1, first=1)
        assert receive_all(subscriber) == [0, 1]
        assert subscriber.links["t"].dropped == 2
        assert client.xpending(stream, "g")["pending"] == 0


# --- what a broker offers besides frames -------------------------------------------------------


def test_topics_lists_what_was_published(broker: RedisBroker):
    for topic in ("b", "a"):
        with closing(broker.publisher(topic)) as publisher:
            send(publisher, 1)
    assert broker.topics() == ["a", "b"]


def test_reports_are_read_by_all_and_expire(
    broker: RedisBroker, server: Valkey, app: str, monkeypatch: pytest.MonkeyPatch
):
    other = RedisBroker(url=server.url)
    other.open(app)
    monkeypatch.setattr("edgeflow.comms.brokers.redis.REPORT_SECONDS", 0.3)
    broker.board().post("one", b"\x00\xff")
    other.board().post("two", b"2")
    assert other.board().read() == {"one": b"\x00\xff", "two": b"2"}
    deadline = time.monotonic() + 3
    while other.board().read() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.board().read() == {}
    other.close()


def test_the_board_is_silent_while_the_server_is_away():
    broker = RedisBroker("127.0.0.1", free_port())
    broker.board().post("one", b"1")
    assert broker.board().read() == {}


def test_clock_offset_compares_the_server_with_this_host(broker: RedisBroker):
    expected = time.time_ns() - time.monotonic_ns()
    assert abs(broker.clock_offset_ns() - expected) < 50_000_000


def test_idle_subscribers_cost_next_to_no_cpu(broker: RedisBroker):
    with closing(broker.subscriber([DURABLE])) as subscriber:
        subscriber.receive(0.05)
        before = time.process_time()
        subscriber.receive(1.5)
        assert time.process_time() - before < 0.1
