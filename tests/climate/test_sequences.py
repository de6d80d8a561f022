"""Which readings came before: as a set would tell, within the window."""

from hypothesis import given
from hypothesis import strategies as st

from edgeflow.climate.sequences import WINDOW, Place, Sequences

STEPS = st.lists(st.one_of(st.just(1), st.integers(-12, 12), st.integers(1, 3 * WINDOW)))


@given(STEPS)
def test_what_came_is_known_and_what_did_not_is_new(steps: list[int]) -> None:
    sequences, seen, newest, at = Sequences(), set[int](), -1, 0
    for step in steps:
        at = max(0, at + step)
        place = sequences.place("a", "temperature", 1, at)
        if at > newest:
            assert place is Place.NEWEST
        elif newest - at < WINDOW:
            assert place is (Place.KNOWN if at in seen else Place.LATE)
        else:
            assert place is Place.LATE
        seen.add(at)
        newest = max(newest, at)


def test_a_long_run_is_remembered_as_far_as_the_window_reaches() -> None:
    sequences = Sequences()
    for number in range(3 * WINDOW):
        assert sequences.place("a", "temperature", 1, number) is Place.NEWEST
    assert sequences.place("a", "temperature", 1, 2 * WINDOW) is Place.KNOWN
    assert sequences.place("a", "temperature", 1, 0) is Place.LATE
    assert sequences.place("a", "temperature", 2, 0) is Place.NEWEST
