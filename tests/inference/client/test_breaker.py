import pytest

from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.breaker import Breaker, BreakerRule, BreakerState
from edgeflow.inference.client.standing import Standings
from edgeflow.observe.activity import ActivityBook


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def breaker(clock, told):
    rule = BreakerRule(failures=3, rest_s=2.0, rest_limit_s=5.0, clock=clock)
    return Breaker(rule, lambda state, reason: told.append((str(state), reason)))


def trip(breaker: Breaker) -> None:
    for number in range(3):
        assert breaker.allow()
        breaker.fail(f"failure {number}")


def test_only_failures_in_a_row_open_it(breaker, told):
    for _ in range(5):
        for _ in range(2):
            assert breaker.allow()
            breaker.fail("no")
        assert breaker.allow()
        breaker.succeed()
    assert breaker.state is BreakerState.CLOSED
    trip(breaker)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.allow()
    assert breaker.trips == 1
    assert told == [("open", "failure 2")]


def test_after_its_rest_one_request_may_try(breaker, clock, told):
    trip(breaker)
    clock.now += 1.9
    assert not breaker.allow()
    clock.now += 0.2
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.allow()
    assert not breaker.allow()
    breaker.succeed()
    assert breaker.state is BreakerState.CLOSED
    assert [state for state, _ in told] == ["open", "half-open", "closed"]


def test_its_rest_grows_while_tries_fail(breaker, clock):
    trip(breaker)
    for rest in (2, 4, 5, 5):
        clock.now += rest - 0.1
        assert not breaker.allow()
        clock.now += 0.2
        assert breaker.allow()
        breaker.fail("still")
    assert breaker.trips == 5
    clock.now += 6
    assert breaker.allow()
    breaker.succeed()
    trip(breaker)
    clock.now += 2.1
    assert breaker.allow()


def test_a_try_that_tells_nothing_lets_the_next_one_try(breaker, clock):
    trip(breaker)
    clock.now += 3
    assert breaker.allow()
    breaker.forget()
    assert breaker.allow()
    breaker.fail("late answers of before do not trip it twice")
    breaker.fail("again")
    assert breaker.trips == 2


def test_waits_grow_with_jitter_up_to_a_bound():
    fixed = Retry(attempts=5, first_s=0.1, factor=4, limit_s=1.0, draw=lambda: 1.0)
    assert list(fixed.waits()) == pytest.approx([0.1, 0.4, 1.0, 1.0])
    assert list(Retry(attempts=1).waits()) == []
    drawn = [wait for _ in range(50) for wait in Retry(attempts=3).waits()]
    assert all(0 <= wait <= 1 for wait in drawn)
    assert len(set(drawn)) > 50


def test_trips_are_activities_and_standings_are_bounded(clock):
    book = ActivityBook()
    standings = Standings(BreakerRule(failures=1, clock=clock), book.add)
    standings.of("gpu0", "yolo").breaker.fail("nobody there")
    (entry,) = book.activities()
    assert (entry.kind, entry.level, entry.target) == ("breaker", "warning", "gpu0")
    assert entry.text == "yolo on gpu0: circuit open (nobody there)"
    assert entry.detail["model"] == "yolo"
    for number in range(2000):
        standings.of("gpu0", f"model{number}")
    assert len(list(standings)) == 1024
