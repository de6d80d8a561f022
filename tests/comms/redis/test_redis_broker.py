"""What is particular to the Redis broker: its keys, its bounds, its server."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from redis import Redis

from edgeflow.comms.brokers import Publisher, RedisBroker, Subscription
from edgeflow.comms.brokers.redis_connection import Address
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, UnreachableError
from servers import Valkey, free_port, valkey

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
    monkeypatch.setattr("edgeflow.comms.brokers.redis_publisher.REMEMBER_SECONDS", 0.2)
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


# --- servers -----------------------------------------------------------------------------------


def test_constructing_connects_to_nothing_and_needs_no_client_library():
    code = (
        "import sys, socket; socket.socket.connect = None\n"
        "from edgeflow.comms.brokers import RedisBroker, DualRedisBroker, Subscription\n"
        "for b in (RedisBroker('nowhere.invalid'), DualRedisBroker('nowhere.invalid')):\n"
        "    b.publisher('t').close(); b.subscriber([Subscription('t', 'g')]).close(); b.close()\n"
        "assert not {'redis', 'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REDIS_HOST", "control")
    monkeypatch.setenv("REDIS_PORT", "7000")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    expected = Address("control", 7000, password="secret")
    assert RedisBroker().server.address == expected
    assert RedisBroker("h", 1, password="p").server.address == Address("h", 1, password="p")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address("h")),
        ("redis://:p%40ss@h:7/2", Address("h", 7, password="p@ss", database=2)),
        ("rediss://u:p@h", Address("h", tls=True, username="u", password="p")),
        ("unix:///run/x.sock", Address(path="/run/x.sock")),
        ("redis://[::1]:5", Address("::1", 5)),
    ],
)
def test_urls(url: str, address: Address):
    assert Address.parse(url) == address


@pytest.mark.parametrize("url", ["http://h", "redis://h:port", "h:6379", "redis://:secret@h:x"])
def test_bad_urls_are_refused_without_showing_secrets(url: str):
    with pytest.raises(ConfigError) as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def test_host_and_url_together_are_refused():
    with pytest.raises(ConfigError):
        RedisBroker("h", url="redis://h")


def test_a_unix_socket_and_a_database_number_work(server: Valkey):
    for url in (f"unix://{server.socket_path}", f"{server.url}/3"):
        broker = RedisBroker(url=url)
        with (
            closing(broker.publisher("t", [DURABLE])) as publisher,
            closing(broker.subscriber([DURABLE])) as subscriber,
        ):
            send(publisher, 2, np.zeros((480, 640, 3), np.uint8))
            assert receive_all(subscriber) == [0, 1]
        broker.close()


def test_passwords():
    with valkey(password="open sesame") as server:
        broker = RedisBroker(server.host, server.port, password="open sesame")
        broker.check()
        broker.close()
        for password in (None, "wrong"):
            broker = RedisBroker(server.host, server.port, password=password)
            with pytest.raises(ConfigError, match="password"):
                broker.check()
            with pytest.raises(ConfigError):
                broker.publisher("t").publish(Frame(data=b"x"), 0.1)
            broker.close()


def test_an_absent_server_is_reported_with_a_hint():
    with pytest.raises(UnreachableError, match="REDIS_HOST"):
        RedisBroker("127.0.0.1", free_port()).check()


def answering(*replies: bytes) -> int:
    """Start a server that gives these replies to the first connections; return its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for reply in replies:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b"$99999999999\r\n", b"*-x\r\n"]
)
def test_a_stranger_is_recognised(reply: bytes):
    with pytest.raises(ConfigError, match="no Redis"):
        RedisBroker("127.0.0.1", answering(reply)).check()


def test_an_old_server_is_refused():
    info = b"# Server\r\nredis_version:5.0.7\r\nos:Linux\r\n"
    port = answering(b"+PONG\r\n$%d\r\n%b\r\n" % (len(info), info))
    with pytest.raises(ConfigError, match=r"6\.2"):
        RedisBroker("127.0.0.1", port).check()


def test_a_loading_server_is_waited_for():
    port = answering(b"-LOADING Valkey is loading the dataset in memory\r\n")
    with pytest.raises(UnreachableError):
        RedisBroker("127.0.0.1", port).check()


def test_a_server_without_memory_left_holds_the_producer_back():
    options = ("--maxmemory", "24mb", "--maxmemory-policy", "noeviction")
    with valkey(options=options) as server:
        broker = RedisBroker(url=server.url)
        with closing(broker.publisher("t", [DURABLE])) as publisher:
            frame = Frame(data=bytes(4 << 20), epoch=1, topic="t")
            results = [
                publisher.publish(frame.replace(sequence=number), 0.05) for number in range(8)
            ]
            assert results[0]
            assert not results[-1]
        broker.close()
