"""What a source holds, without a network: any order of joins, losses and acknowledgements."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.comms.brokers.base import MAX_ATTEMPTS, Subscription
from edgeflow.comms.zenoh.messages import Update
from edgeflow.comms.zenoh.queues import MAX_AHEAD, Entry, Group, Member
from edgeflow.core.qos import QoS


def durable(capacity: int = 8) -> Group:
    return Group(Subscription("t", "g", QoS.DURABLE, capacity), declared=True)


def joined(group: Group, link: int, limit: int = 0, peer: str = "p") -> Member:
    member = group.members[link] = Member(link, peer, str(link), group, limit=limit)
    return member


def update(member: Member, **fields: object) -> Update:
    state = {"received": member.sent, "limit": member.limit, "begun": 0, "acked_below": 0}
    return Update(link=member.link, acked=[], attempts=[], **{**state, **fields})


def test_a_group_without_room_says_so():
    group = durable(2)
    assert [group.put(Entry(n, b"")) for n in (1, 2)] == [0, 0]
    assert group.is_full
    member = joined(group, 1, limit=2)
    while group.assign():
        pass
    assert group.is_full  # sent is not acknowledged
    assert [e.number for e in group.update(member, update(member, acked_below=2))] == [1]
    assert (group.is_full, group.depth) == (False, 1)


@pytest.mark.parametrize("qos", [QoS.REALTIME, QoS.BALANCED])
def test_what_is_not_durable_gives_way(qos: QoS):
    group = Group(Subscription("t", "g", qos, 3), declared=True)
    displaced = sum(group.put(Entry(n, b"")) for n in range(10))
    kept = [entry.number for entry in group.waiting]
    assert kept == ([9] if qos is QoS.REALTIME else [7, 8, 9])
    assert displaced == 10 - len(kept)
    assert not group.is_full


def test_a_member_that_asks_for_too_much_gets_a_bounded_number():
    group = durable(10_000)
    member = joined(group, 1)
    group.update(member, update(member, limit=2**40))
    assert member.wants == MAX_AHEAD


def test_a_member_cannot_acknowledge_what_it_was_not_sent():
    group = durable()
    group.put(Entry(1, b""))
    member = joined(group, 1)
    assert group.update(member, update(member, acked_below=99, received=50, begun=50)) == []
    assert (group.depth, member.received, member.begun) == (1, 0, 0)


def test_who_may_have_been_killed_by_a_frame_costs_it_an_attempt_and_others_nothing():
    group = durable()
    for number in range(1, 5):
        group.put(Entry(number, b""))
    member = joined(group, 1, limit=4)
    while group.assign():
        pass
    group.update(member, update(member, begun=1))
    assert group.lose(member) == []
    attempts = [(e.number, e.attempt, e.again) for e in group.waiting]
    assert attempts == [(1, 2, True), (2, 2, True), (3, 1, True), (4, 1, True)]
    group.forgive("p", "1")  # it was not: it is back
    assert [entry.attempt for entry in group.waiting] == [1, 1, 1, 1]


def test_a_frame_that_kills_everybody_is_given_up():
    group = durable()
    group.put(Entry(1, b""))
    for link in range(1, MAX_ATTEMPTS + 1):
        member = joined(group, link, limit=1)
        assert group.assign() is not None
        over = group.lose(member)
        assert bool(over) == (link == MAX_ATTEMPTS)
    assert group.depth == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.just(0), st.just(0)),
        st.tuples(st.just("join"), st.integers(1, 4), st.integers(0, 5)),
        st.tuples(st.just("ack"), st.integers(1, 4), st.integers(0, 6)),
        st.tuples(st.just("lose"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("leave"), st.integers(1, 4), st.integers(0, 3)),
    ),
    max_size=60,
)


@given(steps)
def test_every_frame_is_somewhere_until_it_is_acknowledged(script: list[tuple[str, int, int]]):
    group, done = durable(16), Counter[int]()
    number = 0
    for verb, link, count in script:
        member = group.members.get(link)
        if verb == "put" and not group.is_full:
            number += 1
            group.put(Entry(number, b""))
        elif verb == "join" and member is None:
            joined(group, link, limit=count)
        elif member is not None and verb == "ack":
            over = group.update(member, update(member, acked_below=count, limit=count + 3))
            done.update(entry.number for entry in over)
        elif member is not None and verb == "lose":
            done.update(entry.number for entry in group.lose(member))
        elif member is not None and verb == "leave":
            seqs = list(member.in_flight)[:count]
            done.update(entry.number for entry in group.leave(member, seqs))
        while group.assign():
            pass
        there = [entry.number for entry in group.waiting]
        assert there == sorted(there)
        for each in group.members.values():
            there += [entry.number for entry in each.in_flight.values()]
        assert sorted([*there, *done.elements()]) == list(range(1, number + 1))
        assert group.depth == len(there)
