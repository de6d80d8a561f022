from hypothesis import given
from hypothesis import strategies as st

from edgeflow.pipelines.connectors.backoff import Backoff


def test_pauses_double_up_to_the_last() -> None:
    backoff = Backoff(1.0, 5.0, chance=lambda: 1.0)
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_success_begins_again() -> None:
    backoff = Backoff(1.0, 5.0, chance=lambda: 1.0)
    backoff.next(), backoff.next()
    backoff.reset()
    assert backoff.next() == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_chance_shortens_by_half_at_most(draws: list[float]) -> None:
    numbers = iter(draws)
    backoff = Backoff(0.5, 8.0, chance=lambda: next(numbers))
    for attempt in range(len(draws)):
        bound = min(0.5 * 2**attempt, 8.0)
        assert bound / 2 <= backoff.next() <= bound
