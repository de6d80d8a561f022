"""Memory, time and keys are bounded: slow consumers, large frames, servers that are gone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
from redis import Redis

from edgeflow.comms.brokers import DualRedisBroker, RedisBroker, Subscriber, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameTooLargeError
from servers import Valkey, valkey

DURABLE = Subscription("t", "g", QoS.DURABLE, 16)
REALTIME = Subscription("t", "g", QoS.REALTIME)
IMAGE = np.zeros((480, 640, 3), np.uint8)
HUNDRED_MB = 100_000_000

MakeBroker = Callable[[Valkey, Valkey], RedisBroker]


def single(server: Valkey, _data: Valkey) -> RedisBroker:
    return RedisBroker(url=server.url)


def dual(server: Valkey, data: Valkey) -> RedisBroker:
    return DualRedisBroker(url=server.url, data_url=data.url)


both = pytest.mark.parametrize("make", [single, dual])


@pytest.fixture
def pair() -> Iterator[tuple[Valkey, Valkey]]:
    """Two servers of the test's own."""
    with valkey(persistent=True) as control, valkey(persistent=True) as data:
        yield control, data


def frame_of(number: int, data: object = b"x") -> Frame:
    return Frame(data=data, id=number, sequence=number, epoch=4, topic="t")


def used_memory(*servers: Valkey) -> int:
    total = 0
    for server in servers:
        with Redis(port=server.port) as client:
            total += client.info("memory")["used_memory"]
    return total


@both
def test_a_realtime_consumer_100_times_too_slow(
    make: MakeBroker, pair: tuple[Valkey, Valkey], app: str
):
    broker = make(*pair)
    broker.open(app)
    got: list[int] = []
    done = threading.Event()

    def consume(subscriber: Subscriber) -> None:
        while not done.is_set():
            delivery = subscriber.receive(0.1)
            if delivery is not None:
                got.append(delivery.frame.sequence)
                done.wait(0.2)

    count, memory = 1000, []
    with (
        closing(broker.publisher("t", [REALTIME])) as publisher,
        closing(broker.subscriber([REALTIME])) as subscriber,
    ):
        assert subscriber.receive(0.05) is None
        consumer = threading.Thread(target=consume, args=(subscriber,))
        consumer.start()
        for number in range(count):
            assert publisher.publish(frame_of(number, IMAGE), 5.0)
            if number % 100 == 99:
                memory.append(used_memory(*pair))
        deadline = time.monotonic() + 10
        while got[-1:] != [count - 1] and time.monotonic() < deadline:
            time.sleep(0.02)
        done.set()
        consumer.join(5)
        counters = subscriber.links["t"]
    broker.close()
    assert got[-1] == count - 1, "the newest frame arrives in the end"
    assert got == sorted(set(got))
    assert len(got) < count // 4, "the consumer was meant to be slow"
    assert counters.received == len(got)
    assert counters.dropped == got[-1] - got[0] + 1 - len(got)
    assert max(memory) - min(memory) < 12 * IMAGE.nbytes


@both
def test_frames_of_100_mb_travel(make: MakeBroker, pair: tuple[Valkey, Valkey], app: str):
    broker = make(*pair)
    broker.open(app)
    data = np.arange(HUNDRED_MB, dtype=np.uint8)
    with (
        closing(broker.publisher("t", [REALTIME])) as publisher,
        closing(broker.subscriber([REALTIME])) as subscriber,
    ):
        assert subscriber.receive(0.05) is None
        assert publisher.publish(frame_of(0, data), 20)
        delivery = subscriber.receive(20)
        assert delivery is not None
        assert np.array_equal(delivery.frame.data, data)
    broker.close()


@both
def test_a_frame_over_the_limit_is_refused_before_it_is_sent(
    make: MakeBroker, server: Valkey, data_server: Valkey, app: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "1000000")
    broker = make(server, data_server)
    broker.open(app)
    with closing(broker.publisher("t", [REALTIME])) as publisher:
        with pytest.raises(FrameTooLargeError, match=r"the limit is 1000000.*MAX_FRAME_BYTES"):
            publisher.publish(frame_of(0, bytes(1_000_001)), 5)
        assert publisher.publish(frame_of(0, IMAGE), 5)
    broker.close()


@both
def test_nothing_is_flushed_or_searched_for(make: MakeBroker, pair: tuple[Valkey, Valkey]):
    """Other apps and strangers share both servers; only commands that name our keys are used."""
    foreign = {b"mine": b"1", b"edgeflow:other:stream:t": b"2"}
    for server in pair:
        with Redis(port=server.port) as client:
            client.mset(foreign)
    names = ("one", "two")
    for name in names:
        broker = make(*pair)
        broker.open(name)
        for wish in (DURABLE, REALTIME):
            with (
                closing(broker.publisher("t", [wish])) as publisher,
                closing(broker.subscriber([wish])) as subscriber,
            ):
                assert subscriber.receive(0.05) is None
                for number in range(8):
                    assert publisher.publish(frame_of(number), 5)
                while (delivery := subscriber.receive(0.2)) is not None:
                    subscriber.ack(delivery)
        broker.claim_member("g", 1, 1.0)
        broker.board().post("a", b"report")
        broker.forget("t", "g")
        broker.close()
    for server in pair:
        with Redis(port=server.port) as client:
            used = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
            keys = set(client.keys("*"))
            assert client.mget(foreign) == list(foreign.values())
        assert not used & {"flushdb", "flushall", "keys", "scan", "config|set", "swapdb"}
        ours = tuple(f"edgeflow:{name}:".encode() for name in names)
        assert all(key.startswith(ours) for key in keys - set(foreign))


def test_payloads_expire(server: Valkey, data_server: Valkey, app: str):
    wish = Subscription("t", "g", QoS.BALANCED, 8)
    broker = DualRedisBroker(url=server.url, data_url=data_server.url, payload_seconds=0.2)
    broker.open(app)
    with (
        closing(broker.publisher("t", [wish])) as publisher,
        closing(broker.subscriber([wish])) as subscriber,
        Redis(port=data_server.port) as client,
    ):
        assert subscriber.receive(0.05) is None
        assert publisher.publish(frame_of(0), 5)
        deadline = time.monotonic() + 5
        while client.keys(f"edgeflow:{app}:data:*") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert publisher.publish(frame_of(1), 5)
        delivery = subscriber.receive(5)
        assert delivery is not None
        assert delivery.frame.sequence == 1
        assert subscriber.links["t"].dropped == 1
    broker.close()


@both
@pytest.mark.parametrize("how", ["killed", "hung"])
def test_a_flow_ends_quickly_while_its_servers_are_away(
    make: MakeBroker, how: str, pair: tuple[Valkey, Valkey], app: str
):
    broker = make(*pair)
    broker.open(app)
    other = Subscription("u", "g", QoS.REALTIME)
    publisher, subscriber = broker.publisher("t", [DURABLE]), broker.subscriber([DURABLE, other])
    assert broker.claim_member("g", 1, 1.0) == 0
    assert subscriber.receive(0.05) is None
    for number in range(3):
        assert publisher.publish(frame_of(number), 5)
    delivery = subscriber.receive(5)
    assert delivery is not None
    for server in pair:
        if how == "killed":
            server.kill9()
        else:
            server.pause()
    subscriber.ack(delivery)
    begun = time.monotonic()
    for part in (publisher, subscriber, broker):
        part.close()
    assert time.monotonic() - begun < 6.0  # under 3 s on an idle machine
