import threading
import time

import pytest
from semantics_kit import (
    HELLO,
    Flow,
    deliveries,
    drain,
    dropped,
    durable,
    greet,
    next_delivery,
    realtime,
    take,
)

from edgeflow.comms.brokers.base import MAX_ATTEMPTS


def test_frames_arrive_in_order(flow: Flow):
    source = flow.source("t", durable(capacity=64))
    subscriber = flow.subscriber(durable(capacity=64))
    source.send_all(range_strings(50))
    assert take(subscriber, 50) == range_strings(50)
    assert drain(subscriber, 0.1) == []


def range_strings(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def test_a_consumer_that_starts_late_gets_all(flow: Flow):
    source = flow.source("t", durable(capacity=16))
    source.send_all(range_strings(10))
    subscriber = flow.subscriber(durable(capacity=16))
    assert take(subscriber, 10) == range_strings(10)


def test_a_full_group_holds_the_producer_back(flow: Flow):
    source = flow.source("t", durable(capacity=4))
    source.send_all(range_strings(4))
    assert not source.send("too much", timeout=0.05)
    subscriber = flow.subscriber(durable(capacity=4))
    assert take(subscriber, 1) == ["0"]
    assert source.send("4", timeout=5.0)
    assert take(subscriber, 4) == ["1", "2", "3", "4"]
    assert drain(subscriber, 0.1) == []


def test_a_blocked_publish_goes_on_when_there_is_room(flow: Flow):
    source = flow.source("t", durable(capacity=2))
    source.send_all(["0", "1"])
    subscriber = flow.subscriber(durable(capacity=2))
    received: list[str] = []
    consumer = threading.Thread(target=lambda: received.extend(take(subscriber, 20)))
    consumer.start()
    source.send_all(range_strings(18, first=2))
    consumer.join(10)
    assert received == range_strings(20)


def test_refused_by_one_group_is_accepted_by_none(flow: Flow):
    slow, quick = durable(group="slow", capacity=2), durable(group="quick", capacity=16)
    source = flow.source("t", slow, quick)
    source.send_all(["0", "1"])
    assert not source.send("2", timeout=0.05)
    subscriber = flow.subscriber(quick)
    assert take(subscriber, 2) == ["0", "1"]
    assert drain(subscriber, 0.2) == []


def test_every_group_gets_every_frame(flow: Flow):
    wishes = [durable(group=name, capacity=16) for name in ("a", "b", "c")]
    source = flow.source("t", *wishes)
    subscribers = [flow.subscriber(wish) for wish in wishes]
    source.send_all(range_strings(10))
    for subscriber in subscribers:
        assert take(subscriber, 10) == range_strings(10)
    assert {group: link.sent for group, link in source.publisher.links.items()} == {
        "a": 10,
        "b": 10,
        "c": 10,
    }


def test_members_share_the_frames(flow: Flow):
    wishes = [durable(capacity=64, member=member) for member in ("0", "1")]
    source = flow.source("t", wishes[0])
    members = [flow.joined(source, wish) for wish in wishes[:1]]
    members.append(flow.subscriber(wishes[1]))
    shares: list[list[str]] = [[], []]

    def work(index: int) -> None:
        while (delivery := members[index].receive(0.5)) is not None:
            if delivery.frame.data != HELLO:
                shares[index].append(delivery.frame.data)
            time.sleep(0.002)
            members[index].ack(delivery)

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    source.send_all(range_strings(60))
    for thread in threads:
        thread.join(10)
    assert sorted(shares[0] + shares[1], key=int) == range_strings(60)
    assert shares[0]
    assert shares[1]
    assert all(share == sorted(share, key=int) for share in shares)


def test_unacknowledged_frames_return_after_the_subscriber_has_closed(flow: Flow):
    source = flow.source("t", durable(capacity=8))
    first = flow.subscriber(durable(capacity=8))
    source.send_all(range_strings(5))
    held = [next_delivery(first) for _ in range(3)]
    first.ack(held[0])
    first.close()
    second = flow.subscriber(durable(capacity=8))
    found = []
    for _ in range(4):
        delivery = next_delivery(second)
        found.append((delivery.frame.data, delivery.frame.redelivered))
        second.ack(delivery)
    assert found == [("1", True), ("2", True), ("3", False), ("4", False)]


def test_unacknowledged_frames_of_a_closed_member_go_to_another(flow: Flow):
    one, two = durable(capacity=8, member="0"), durable(capacity=8, member="1")
    source = flow.source("t", one)
    first = flow.joined(source, one)
    second = flow.subscriber(two)
    second.receive(0.1)
    source.send("lost?")
    taker, other = first, second
    delivery = taker.receive(1.0)
    if delivery is None:
        taker, other = second, first
        delivery = next_delivery(taker)
    taker.close()
    again = next_delivery(other)
    assert (again.frame.data, again.frame.redelivered, again.attempt) == ("lost?", True, 2)


def test_refused_frames_come_again_before_later_ones(flow: Flow):
    source = flow.source("t", durable())
    subscriber = flow.subscriber(durable())
    source.send_all(["0", "1", "2"])
    first = next_delivery(subscriber)
    assert (first.attempt, first.frame.redelivered) == (1, False)
    subscriber.nack(first)
    again = next_delivery(subscriber)
    assert (again.frame.data, again.attempt, again.frame.redelivered) == ("0", 2, True)
    subscriber.ack(again)
    rest = deliveries(subscriber)
    assert [(d.frame.data, d.frame.redelivered) for d in rest] == [("1", False), ("2", False)]
    assert subscriber.links["t"].redelivered == 1


def test_a_frame_is_given_up_after_some_attempts(flow: Flow):
    source = flow.source("t", durable())
    subscriber = flow.subscriber(durable())
    source.send_all(["poison", "food"])
    for attempt in range(1, MAX_ATTEMPTS + 1):
        delivery = next_delivery(subscriber)
        assert (delivery.frame.data, delivery.attempt) == ("poison", attempt)
        subscriber.nack(delivery)
    assert take(subscriber, 1) == ["food"]
    assert dropped(source, subscriber) == 1
    source.send_all(range_strings(8))
    assert take(subscriber, 8) == range_strings(8)


def test_a_frame_is_given_up_even_if_every_attempt_has_a_new_subscriber(flow: Flow):
    source = flow.source("t", durable())
    source.send_all(["poison", "food"])
    seen = []
    for _ in range(MAX_ATTEMPTS + 1):
        subscriber = flow.subscriber(durable())
        delivery = next_delivery(subscriber)
        seen.append(delivery.frame.data)
        if delivery.frame.data == "food":
            subscriber.ack(delivery)
        else:
            subscriber.nack(delivery)
        subscriber.close()
    # A member that is leaving may still hold what it refused, so the next may get the other first.
    assert sorted(seen) == ["food"] + ["poison"] * MAX_ATTEMPTS
    assert flow.subscriber(durable()).receive(0.3) is None


def test_a_frame_refused_after_its_publisher_has_left_comes_again(flow: Flow):
    source = flow.source("t", durable())
    subscriber = flow.joined(source, durable())
    source.send_all(["0", "1"])
    delivery = next_delivery(subscriber)
    assert delivery.frame.data == "0"
    source.publisher.close()
    for attempt in range(2, 4):
        subscriber.nack(delivery)
        delivery = next_delivery(subscriber)
        assert (delivery.frame.data, delivery.attempt) == ("0", attempt)
        assert delivery.frame.redelivered
    subscriber.ack(delivery)
    assert take(subscriber, 1) == ["1"]


def test_acknowledging_twice_frees_one_place(flow: Flow):
    source = flow.source("t", durable(capacity=2))
    subscriber = flow.subscriber(durable(capacity=2))
    source.send_all(["0", "1"])
    delivery = next_delivery(subscriber)
    subscriber.ack(delivery)
    subscriber.ack(delivery)
    assert source.send("2", timeout=5.0)
    assert not source.send("3", timeout=0.1)


def test_a_durable_group_beside_a_realtime_one_misses_nothing(flow: Flow):
    kept, watched = durable(group="kept", capacity=32), realtime(group="watched")
    source = flow.source("t", kept, watched)
    recorder, viewer = flow.subscriber(kept), flow.subscriber(watched)
    greet(source, recorder, viewer)
    source.send_all(range_strings(20))
    assert drain(viewer, 0.2) == ["19"]
    assert take(recorder, 20) == range_strings(20)


@pytest.mark.parametrize("close_first", ["publisher", "subscriber"])
def test_closing_is_idempotent_in_any_order(flow: Flow, close_first: str):
    source = flow.source("t", durable())
    subscriber = flow.joined(source, durable())
    ends = [source.publisher, subscriber]
    for end in ends if close_first == "publisher" else reversed(ends):
        end.close()
        end.close()
    subscriber.wake()


def test_several_topics_reach_one_subscriber(flow: Flow):
    wishes = [durable("a", capacity=16), durable("b", capacity=16)]
    sources = [flow.source(wish.topic, wish) for wish in wishes]
    subscriber = flow.subscriber(*wishes)
    for number in range(8):
        for source in sources:
            source.send(f"{source.publisher.topic}{number}")
    found = [(d.subscription.topic, d.frame.data) for d in deliveries(subscriber, 1.0)]
    for topic in ("a", "b"):
        assert [data for where, data in found if where == topic] == [
            f"{topic}{number}" for number in range(8)
        ]
