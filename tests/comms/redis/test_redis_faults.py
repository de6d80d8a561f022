"""Processes and servers are killed for real while a DURABLE flow counts."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from redis import Redis
from structlog.testing import capture_logs

from durable_ends import WISH, Worker, check_complete
from edgeflow.comms.brokers import RedisBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from servers import Valkey, free_port, valkey


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def begin(*arguments: str) -> Worker:
        workers.append(Worker("redis", *arguments))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.kill9()


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def check_in_order(runs: list[list[tuple[int, bool]]], total: int) -> None:
    """Every frame arrived; each run is in order; only marked frames came twice."""
    check_complete(runs, total)
    for run in runs:
        numbers = [number for number, _ in run]
        assert numbers == sorted(numbers)


def broker_on(server: Valkey, app: str) -> RedisBroker:
    broker = RedisBroker(url=server.url)
    broker.open(app)
    return broker


def numbered(number: int, epoch: int = 5) -> Frame:
    return Frame(data=b"x", id=number, sequence=number, epoch=epoch, topic="t")


def test_a_consumer_killed_mid_frame_loses_nothing(server: Valkey, app: str, start):
    producer = start(server.url, app, "produce", "", "300")
    consumers = []
    for _ in range(3):
        consumer = start(server.url, app, "consume", "0", "0.001")
        wait_for(lambda c=consumer: len(c.processed()) >= 20)
        consumer.kill9()
        consumers.append(consumer)
    last = start(server.url, app, "consume", "0", "0")
    wait_for(lambda: last.processed() and last.processed()[-1][0] == 299)
    last.kill9()
    wait_for(lambda: "done" in producer.lines)
    check_in_order([c.processed() for c in (*consumers, last)], 300)
    assert any(again for c in (*consumers[1:], last) for _, again in c.processed())


def test_frames_of_a_killed_member_go_to_another(server: Valkey, app: str, start):
    producer = start(server.url, app, "produce", "", "100")
    doomed = start(server.url, app, "consume", "1", "60")
    wait_for(lambda: doomed.lines)
    other = start(server.url, app, "consume", "0", "0")
    doomed.kill9()
    held = int(doomed.lines[-1].split()[1])
    wait_for(lambda: (held, True) in other.processed())
    wait_for(lambda: len({number for number, _ in other.processed()}) == 100)
    assert [n for n, again in other.processed() if again] == [held]
    wait_for(lambda: "done" in producer.lines)


def test_a_slow_member_keeps_its_frame(server: Valkey, app: str, start):
    broker = broker_on(server, app)
    publisher = broker.publisher("t", [WISH])
    assert publisher.publish(numbered(0), 2)
    slow = start(server.url, app, "consume", "1", "3.5")
    wait_for(lambda: slow.lines)
    other = broker.subscriber([WISH])
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        assert other.receive(0.2) is None
    wait_for(lambda: slow.processed() == [(0, False)])
    other.close()
    publisher.close()
    broker.close()


def test_a_killed_producer_continues_where_it_was(server: Valkey, app: str, start):
    consumer = start(server.url, app, "consume", "0", "0")
    for count in (50, 150):
        producer = start(server.url, app, "produce", "", "1000")
        wait_for(lambda c=count: len(consumer.processed()) > c)
        producer.kill9()
    producer = start(server.url, app, "produce", "", "1000")
    wait_for(lambda: "done" in producer.lines)
    wait_for(lambda: len(consumer.processed()) >= 1000)
    assert consumer.processed() == [(number, False) for number in range(1000)]


@pytest.mark.timeout(100)
def test_a_killed_server_comes_back_and_nothing_is_lost(app: str, start):
    with valkey(persistent=True) as server:
        producer = start(server.url, app, "produce", "", "3000")
        consumer = start(server.url, app, "consume", "0", "0")
        for count in (200, 800, 1500):
            wait_for(lambda c=count: len(consumer.processed()) > c)
            server.restart()
        wait_for(lambda: "done" in producer.lines, 40)
        wait_for(lambda: consumer.processed() and consumer.processed()[-1][0] == 2999, 40)
        time.sleep(0.2)
        check_in_order([consumer.processed()], 3000)


def test_a_server_that_comes_back_empty_is_set_up_again(app: str):
    with valkey() as server:
        broker = broker_on(server, app)
        wish = Subscription("t", "g", QoS.DURABLE, 8)
        publisher, subscriber = broker.publisher("t", [wish]), broker.subscriber([wish])
        assert publisher.publish(numbered(0), 2)
        delivery = subscriber.receive(2)
        assert delivery is not None
        subscriber.ack(delivery)
        server.restart()
        wait_for(lambda: publisher.publish(numbered(1), 0.2))
        found = None
        deadline = time.monotonic() + 5
        while found is None and time.monotonic() < deadline:
            found = subscriber.receive(0.2)
        assert found is not None
        assert found.frame.sequence == 1
        subscriber.close()
        publisher.close()
        broker.close()


def test_a_stream_deleted_by_somebody_is_set_up_again(server: Valkey, app: str, client: Redis):
    broker = broker_on(server, app)
    publisher, subscriber = broker.publisher("t", [WISH]), broker.subscriber([WISH])
    assert publisher.publish(numbered(0), 2)
    assert subscriber.receive(2) is not None
    for key in client.scan_iter(f"edgeflow:{app}:*"):
        client.delete(key)
    wait_for(lambda: publisher.publish(numbered(1), 0.2))
    wait_for(lambda: publisher.publish(numbered(2), 0.2))
    numbers = []
    deadline = time.monotonic() + 5
    while 2 not in numbers and time.monotonic() < deadline:
        delivery = subscriber.receive(0.2)
        if delivery is not None:
            numbers.append(delivery.frame.sequence)
    assert numbers == [1, 2]
    subscriber.close()
    publisher.close()
    broker.close()


def test_a_server_that_is_read_only_for_a_while(app: str):
    """As in a failover; acknowledgements of that time are not lost."""
    with (
        capture_logs() as logs,
        valkey() as server,
        Redis(port=server.port) as client,
    ):
        broker = broker_on(server, app)
        publisher, subscriber = broker.publisher("t", [WISH]), broker.subscriber([WISH])
        for number in range(2):
            assert publisher.publish(numbered(number), 2)
        first = subscriber.receive(2)
        assert first is not None
        client.replicaof("127.0.0.1", free_port())
        subscriber.ack(first)
        assert not publisher.publish(numbered(2), 0.2)
        second = subscriber.receive(0.5)
        if second is not None:
            subscriber.ack(second)
        client.replicaof("NO", "ONE")
        wait_for(lambda: publisher.publish(numbered(2), 0.5))
        numbers = [0] if second is None else [0, second.frame.sequence]
        deadline = time.monotonic() + 10
        while numbers[-1] != 2 and time.monotonic() < deadline:
            delivery = subscriber.receive(0.2)
            if delivery is not None:
                numbers.append(delivery.frame.sequence)
                subscriber.ack(delivery)
        assert numbers == [0, 1, 2]
        stream = f"edgeflow:{app}:stream:t"
        wait_for(lambda: subscriber.receive(0.05) or not client.xpending(stream, "g")["pending"])
        subscriber.close()
        publisher.close()
        broker.close()
    events = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert events == ["server_lost", "server_found"]


def test_an_absent_server_is_waited_for_within_the_timeout(app: str):
    broker = RedisBroker("127.0.0.1", free_port())
    broker.open(app)
    publisher, subscriber = broker.publisher("t", [WISH]), broker.subscriber([WISH])
    with capture_logs() as logs:
        for _ in range(3):
            started = time.monotonic()
            assert not publisher.publish(numbered(0), 0.2)
            assert subscriber.receive(0.2) is None
            assert 0.3 < time.monotonic() - started < 4
    assert [entry["event"] for entry in logs] == ["server_lost"]
    timer = threading.Timer(0.1, subscriber.wake)
    timer.start()
    started = time.monotonic()
    assert subscriber.receive(10) is None
    assert time.monotonic() - started < 6
    timer.join()
    subscriber.close()
    publisher.close()
    broker.close()


def test_an_outage_is_logged_once_and_so_is_its_end(app: str):
    with valkey(persistent=True) as server:
        broker = broker_on(server, app)
        publisher = broker.publisher("t", [WISH])
        assert publisher.publish(numbered(0), 2)
        with capture_logs() as logs:
            server.kill9()
            assert not publisher.publish(numbered(1), 0.3)
            assert not publisher.publish(numbered(1), 0.3)
            server.start()
            wait_for(lambda: publisher.publish(numbered(1), 0.5))
        events = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
        assert events == ["server_lost", "server_found"]
        publisher.close()
        broker.close()


def test_a_frame_of_unknown_fate_is_not_sent_twice(app: str, monkeypatch: pytest.MonkeyPatch):
    """The server stops answering after it was sent the frame, which it takes when it goes on."""
    monkeypatch.setattr("edgeflow.comms.redis.connection.IO_SECONDS", 0.4)
    with valkey() as server:
        broker = broker_on(server, app)
        publisher = broker.publisher("t", [WISH])
        assert publisher.publish(numbered(0), 2)
        server.pause()
        assert not publisher.publish(numbered(1), 0.1)
        server.resume()
        wait_for(lambda: publisher.publish(numbered(1), 0.5))
        assert publisher.publish(numbered(2), 2)
        subscriber = broker.subscriber([WISH])
        numbers = []
        while (delivery := subscriber.receive(0.3)) is not None:
            numbers.append(delivery.frame.sequence)
        assert numbers == [0, 1, 2]
        subscriber.close()
        publisher.close()
        broker.close()


class HoldingProxy:
    """A proxy in front of a server that can hold back what its connections bring."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.flowing: list[threading.Event] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                flowing = threading.Event()
                flowing.set()
                self.flowing.append(flowing)
                self._sockets += [client, server]
                for way in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pump, args=(*way, flowing)))
                    self._threads[-1].start()

    def _pump(self, one: socket.socket, other: socket.socket, flowing: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                flowing.wait(30)
                other.sendall(data)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in (self._listener, *self._sockets):
            each.close()


def test_what_an_old_connection_brings_late_is_not_taken(app: str, monkeypatch: pytest.MonkeyPatch):
    """A proxy holds the frame back, its publisher gives up, comes again, and looks for it."""
    monkeypatch.setattr("edgeflow.comms.redis.connection.IO_SECONDS", 0.3)
    with valkey() as server, closing(HoldingProxy(server.port)) as proxy:
        broker = RedisBroker(url=f"redis://127.0.0.1:{proxy.port}")
        broker.open(app)
        publisher = broker.publisher("t", [WISH])
        assert publisher.publish(numbered(0), 2)
        held = list(proxy.flowing)
        for flowing in held:
            flowing.clear()
        wait_for(lambda: publisher.publish(numbered(1), 0.5))
        for flowing in held:
            flowing.set()
        assert publisher.publish(numbered(2), 2)
        subscriber = broker.subscriber([WISH])
        numbers = []
        while (delivery := subscriber.receive(0.5)) is not None:
            numbers.append(delivery.frame.sequence)
        assert numbers == [0, 1, 2]
        subscriber.close()
        publisher.close()
        broker.close()
