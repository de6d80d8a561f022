"""Processes are killed and networks cut for real while a DURABLE flow counts."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from durable_ends import WISH, Worker, check_complete
from edgeflow.comms.brokers import Publisher, Subscriber, Subscription, ZenohBroker
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from flows import wait_until
from relay import Relay
from servers import free_port


class Site:
    """One app with a broker to which everything else connects."""

    def __init__(self, stack: ExitStack) -> None:
        self.app = f"app-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.endpoint = f"tcp/127.0.0.1:{self.port}"
        self._stack = stack

    def broker(self, *, hub: bool = False, connect: str = "", **options: object) -> ZenohBroker:
        own = [self.endpoint] if hub else []
        there = [] if hub else [connect or self.endpoint]
        broker = ZenohBroker(there, own or ["tcp/127.0.0.1:0"], **options)
        broker.open(self.app)
        self._stack.callback(broker.close)
        return broker

    def worker(self, role: str, *arguments: str) -> Worker:
        worker = Worker("zenoh", self.endpoint, self.app, role, *arguments)
        self._stack.callback(worker.kill9)
        return worker

    def relay(self, **options: float) -> Relay:
        return self._stack.enter_context(Relay(("127.0.0.1", self.port), **options))


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


def send(publisher: Publisher, first: int, last: int) -> None:
    for number in range(first, last):
        frame = Frame(data=b"%d" % number, id=number, sequence=number, epoch=1, topic="t")
        while not publisher.publish(frame, 1.0):
            pass


def collect(subscriber: Subscriber, into: list[tuple[int, bool]], ended: threading.Event) -> None:
    while not ended.is_set():
        delivery = subscriber.receive(0.2)
        if delivery is not None:
            into.append((delivery.frame.id, delivery.frame.redelivered))
            subscriber.ack(delivery)


def test_a_killed_consumer_loses_nothing(site: Site):
    publisher = site.broker(hub=True).publisher("t", [WISH])
    victim, heir = site.worker("consume", "0", "0.02"), site.worker("consume", "1", "0.001")
    sender = threading.Thread(target=send, args=(publisher, 0, 300))
    sender.start()
    wait_until(lambda: len(victim.processed()) > 3 and victim.lines[-1].startswith("began"), 30)
    victim.kill9()
    killed = time.monotonic()
    sender.join(60)
    wait_until(lambda: len({n for n, _ in victim.processed() + heir.processed()}) == 300, 30)
    assert time.monotonic() - killed < 30
    check_complete([victim.processed(), heir.processed()], 300)
    begun = int([line for line in victim.lines if line.startswith("began")][-1].split()[1])
    if begun not in [number for number, _ in victim.processed()]:
        assert (begun, True) in heir.processed()
    numbers = [number for number, again in heir.processed() if not again]
    assert numbers == sorted(numbers)


def test_a_killed_publisher_sends_from_its_log_when_it_is_back(site: Site, tmp_path: Path):
    hub = site.broker(hub=True)
    first = site.worker("produce", str(tmp_path), "40")
    wait_until(lambda: "done" in first.lines, 30)
    first.kill9()
    second = site.worker("produce", str(tmp_path), "60")
    subscriber = hub.subscriber([WISH])
    seen: list[tuple[int, bool]] = []
    ended = threading.Event()
    consumer = threading.Thread(target=collect, args=(subscriber, seen, ended))
    consumer.start()
    wait_until(lambda: len(seen) >= 60, 30)
    ended.set()
    consumer.join(5)
    subscriber.close()
    assert second.lines[0] == "from 40"
    assert seen == [(number, number < 40) for number in range(60)]


def test_what_was_processed_does_not_come_again_from_the_log(site: Site, tmp_path: Path):
    hub = site.broker(hub=True)
    first = site.worker("produce", str(tmp_path), "10")
    subscriber = hub.subscriber([WISH])
    held = []
    while len(held) < 10:
        delivery = subscriber.receive(10.0)
        assert delivery is not None
        held.append(delivery)
    for delivery in held[:5]:
        subscriber.ack(delivery)
    first.kill9()
    for delivery in held[5:]:  # these it cannot hear of any more
        subscriber.ack(delivery)
    site.worker("produce", str(tmp_path), "12")
    assert [subscriber.receive(10.0).frame.id for _ in range(2)] == [10, 11]
    subscriber.close()


@pytest.mark.parametrize("seconds", [0.7, 4.0], ids=["shorter than the lease", "longer"])
def test_a_partition_loses_nothing_and_heals_quickly(site: Site, seconds: float):
    publisher = site.broker(hub=True).publisher("t", [WISH])
    relay = site.relay()
    far = site.broker(connect=f"tcp/127.0.0.1:{relay.port}").subscriber([WISH])
    seen: list[tuple[int, bool]] = []
    ended = threading.Event()
    consumer = threading.Thread(target=collect, args=(far, seen, ended))
    consumer.start()
    sender = threading.Thread(target=send, args=(publisher, 0, 2000))
    sender.start()
    wait_until(lambda: len(seen) > 100, 30)
    relay.stop()
    threading.Event().wait(seconds)
    stalled = len(seen)
    assert stalled < 2000
    relay.resume()
    healed = time.monotonic()
    wait_until(lambda: len(seen) > stalled, 15)
    assert time.monotonic() - healed < 10
    sender.join(60)
    wait_until(lambda: len({number for number, _ in seen}) == 2000, 30)
    ended.set()
    consumer.join(5)
    far.close()
    check_complete([seen], 2000)
    order = [number for number, again in seen if not again]
    assert order == sorted(order)


def test_latency_and_loss_lose_nothing(site: Site):
    publisher = site.broker(hub=True).publisher("t", [WISH])
    relay = site.relay(latency=0.02, jitter=0.01, loss=0.01)
    far = site.broker(connect=f"tcp/127.0.0.1:{relay.port}").subscriber([WISH])
    sender = threading.Thread(target=send, args=(publisher, 0, 300))
    sender.start()
    seen = []
    while len(seen) < 300:
        delivery = far.receive(20.0)
        assert delivery is not None
        seen.append(delivery.frame.id)
        far.ack(delivery)
    sender.join(10)
    far.close()
    assert seen == list(range(300))


def test_cut_connections_are_made_again_and_lose_nothing(site: Site):
    publisher = site.broker(hub=True).publisher("t", [WISH])
    relay = site.relay()
    far = site.broker(connect=f"tcp/127.0.0.1:{relay.port}").subscriber([WISH])
    seen: list[tuple[int, bool]] = []
    ended = threading.Event()
    consumer = threading.Thread(target=collect, args=(far, seen, ended))
    consumer.start()
    for part in range(4):
        sender = threading.Thread(target=send, args=(publisher, part * 100, part * 100 + 100))
        sender.start()
        wait_until(lambda least=part * 100 + 10: len(seen) > least, 60)
        relay.cut()
        sender.join(20)
    wait_until(lambda: len({number for number, _ in seen}) == 400, 30)
    ended.set()
    consumer.join(5)
    far.close()
    check_complete([seen], 400)


def test_members_on_both_sides_of_a_partition_share_what_there_is(site: Site):
    publisher = site.broker(hub=True).publisher("t", [WISH])
    relay = site.relay()
    far = site.broker(connect=f"tcp/127.0.0.1:{relay.port}").subscriber([WISH])
    near = site.broker().subscriber([Subscription("t", "g", QoS.DURABLE, 64, "1")])
    runs: list[list[tuple[int, bool]]] = [[], []]
    ended = threading.Event()
    consumers = [
        threading.Thread(target=collect, args=(subscriber, run, ended))
        for subscriber, run in zip((far, near), runs, strict=True)
    ]
    for consumer in consumers:
        consumer.start()
    send(publisher, 0, 200)
    wait_until(lambda: len(runs[0]) > 0 and len(runs[1]) > 0, 60)
    relay.stop()
    send(publisher, 200, 600)
    wait_until(lambda: len({number for run in runs for number, _ in run}) == 600, 60)
    relay.resume()
    far_had = len(runs[0])
    number, until = 600, time.monotonic() + 60
    while len(runs[0]) == far_had and time.monotonic() < until:
        send(publisher, number, number + 20)
        number += 20
        time.sleep(0.05)
    assert len(runs[0]) > far_had
    wait_until(lambda: len({n for run in runs for n, _ in run}) == number, 60)
    ended.set()
    for consumer in consumers:
        consumer.join(5)
    far.close()
    near.close()
    check_complete(runs, number)
