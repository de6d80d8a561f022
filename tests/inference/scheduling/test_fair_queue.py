from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.inference.scheduling.fair_queue import FairQueue


@dataclass(eq=False)
class Entry:
    client: str
    priority: int = 0
    number: int = 0


def filled(*entries: Entry) -> FairQueue[Entry]:
    queue: FairQueue[Entry] = FairQueue(len(entries))
    for entry in entries:
        queue.push(entry)
    return queue


def drain(queue: FairQueue[Entry]) -> list[Entry]:
    popped = []
    while (entry := queue.pop()) is not None:
        popped.append(entry)
    return popped


def test_clients_take_turns_within_a_priority() -> None:
    flood = [Entry("a", number=n) for n in range(4)]
    others = [Entry("b"), Entry("c"), Entry("b")]
    order = drain(filled(*flood, *others))
    assert [entry.client for entry in order] == ["a", "b", "c", "a", "b", "a", "a"]
    assert [entry.number for entry in order if entry.client == "a"] == [0, 1, 2, 3]


def test_names_and_connections_divide_a_share_and_do_not_enlarge_it() -> None:
    names = [Entry(f"greedy/1/{n}") for n in range(3)]
    connections = [Entry(f"greedy/{n}") for n in range(2, 4)]
    modest = [Entry("modest/1", number=n) for n in range(5)]
    order = [entry.client for entry in drain(filled(*names, *connections, *modest))]
    assert order[1::2] == ["modest/1"] * 5
    assert order[::2] == ["greedy/1/0", "greedy/2", "greedy/3", "greedy/1/1", "greedy/1/2"]


def test_whoever_has_most_waiting_gives_way_whatever_its_requests_are_called() -> None:
    flood = [Entry(f"greedy/1/{n}", number=n) for n in range(3)]
    queue = filled(*flood, Entry("modest/1"))
    assert queue.victim(Entry("modest/1"), oldest=False) is flood[0]
    newcomer = Entry("greedy/2")
    assert queue.victim(newcomer, oldest=False) in flood
    assert queue.victim(newcomer, oldest=True) in flood


def test_higher_priority_first() -> None:
    order = drain(filled(Entry("a", 0), Entry("a", 5), Entry("a", -1), Entry("b", 5)))
    assert [(entry.priority, entry.client) for entry in order] == [
        (5, "a"),
        (5, "b"),
        (0, "a"),
        (-1, "a"),
    ]


def test_pops_the_first_that_fits() -> None:
    queue = filled(Entry("a", number=1), Entry("b", number=2), Entry("b", number=3))
    found = queue.pop(lambda entry: entry.number == 2)
    assert found is not None and found.number == 2
    assert queue.pop(lambda entry: entry.number == 9) is None
    assert len(queue) == 2


@pytest.mark.parametrize(
    ("newcomer", "oldest", "loser"),
    [
        (Entry("new"), False, 2),  # the flood's newest gives way to somebody else's
        (Entry("new"), True, 0),
        (Entry("flood"), False, None),  # its own newest
        (Entry("flood"), True, 0),  # its own oldest
        (Entry("new", -1), True, None),  # what is lower than all
        (Entry("flood", 1), False, 2),  # higher ones displace lower ones
    ],
)
def test_who_gives_way(newcomer: Entry, oldest: bool, loser: int | None) -> None:
    flood = [Entry("flood", number=n) for n in range(3)]
    queue = filled(*flood, Entry("other", number=7))
    expected = newcomer if loser is None else flood[loser]
    assert queue.victim(newcomer, oldest=oldest) is expected
    assert len(queue) == 4


def test_a_newcomer_takes_the_place_of_the_oldest_where_all_have_one() -> None:
    first = Entry("a")
    assert filled(first, Entry("b")).victim(Entry("c"), oldest=True) is first
    newcomer = Entry("c")
    assert filled(first, Entry("b")).victim(newcomer, oldest=False) is newcomer


steps = st.lists(
    st.tuples(
        st.sampled_from(["push", "pop", "remove", "discard"]),
        st.sampled_from(["a", "b", "b/1", "b/1/x", "b/1/y/z", "b/2", ""]),
        st.integers(-1, 1),
    ),
    max_size=60,
)


@given(steps)
def test_holds_exactly_what_was_pushed(actions: list[tuple[str, str, int]]) -> None:
    queue: FairQueue[Entry] = FairQueue(100)
    held: list[Entry] = []
    for number, (action, client, priority) in enumerate(actions):
        if action == "push":
            held.append(Entry(client, priority, number))
            queue.push(held[-1])
        elif action == "pop":
            popped = queue.pop()
            assert (popped is None) == (not held)
            if popped is not None:
                assert popped.priority == max(entry.priority for entry in held)
                held.remove(popped)
        elif action == "remove" and held:
            gone = held.pop(number % len(held))
            assert queue.remove(gone)
            assert not queue.remove(gone)
        elif action == "discard":
            taken = queue.discard(lambda entry, who=client: entry.client == who)  # type: ignore[misc]
            assert {id(entry) for entry in taken} == {
                id(entry) for entry in held if entry.client == client
            }
            held = [entry for entry in held if entry.client != client]
        assert len(queue) == len(held)
        assert sorted(map(id, queue)) == sorted(map(id, held))
