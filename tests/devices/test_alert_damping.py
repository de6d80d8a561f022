"""How many alerts a device that comes and goes makes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.devices.damping import AlertBook, Damping
from edgeflow.devices.records import Change
from edgeflow.store.tables import Row

NOW = 1_750_000_000.0
USUAL = Damping(calm=30.0, interval=300.0)


def away(seconds: float, device: str = "a") -> Change:
    return Change(device, "offline", "it said goodbye", NOW + seconds)


def back(seconds: float, device: str = "a") -> Change:
    return Change(device, "online", "it spoke again", NOW + seconds)


def told(rows: list[Row]) -> list[tuple[str, float, str]]:
    return [(row["state"], row["timestamp"] - NOW, row["reason"]) for row in rows]


def flapping(book: AlertBook, seconds: int, every: int = 3) -> list[Row]:
    """A device that comes and goes, and ends away."""
    rows: list[Row] = []
    for second in range(seconds):
        if second % every == 0:
            rows += book.take((away if second // every % 2 == 0 else back)(second))
        rows += book.due(NOW + second)
    return rows


def test_the_first_alert_is_told_at_once_and_ends_after_a_calm() -> None:
    book = AlertBook(USUAL)
    assert told(book.take(away(0))) == [("raised", 0.0, "it said goodbye")]
    assert book.take(back(10)) == []
    assert book.due(NOW + 39) == []
    assert told(book.due(NOW + 40)) == [("ended", 40.0, "it spoke again")]
    assert book.due(NOW + 1000) == []
    assert told(book.take(away(1001))) == [("raised", 1001.0, "it said goodbye")]
    assert (book.counts, book.suppressed) == ({"offline": 2}, 0)


def test_a_device_that_comes_and_goes_for_an_hour_is_one_alert() -> None:
    book = AlertBook(USUAL)
    assert told(flapping(book, 3600)) == [("raised", 0.0, "it said goodbye")]
    assert book.suppressed == 599
    book.take(back(3600))
    ((state, time, reason),) = told(book.due(NOW + 3630))
    assert (state, time) == ("ended", 3630.0)
    assert reason == "it spoke again (and 599 more since the last alert)"


def test_one_that_comes_back_for_longer_is_told_once_an_interval() -> None:
    book = AlertBook(USUAL)
    rows = flapping(book, 3600, every=40)
    raised = [at for state, at, _ in told(rows) if state == "raised"]
    assert all(later - earlier >= 300 for earlier, later in itertools.pairwise(raised))
    assert 9 <= len(raised) <= 12
    assert len(rows) <= 2 * len(raised)


def test_what_was_held_back_is_told_when_it_still_holds() -> None:
    book = AlertBook(USUAL)
    book.take(away(0))
    book.take(back(10))
    book.due(NOW + 40)
    assert book.take(away(50)) == []
    assert book.due(NOW + 299) == []
    assert told(book.due(NOW + 300)) == [("raised", 300.0, "it said goodbye")]
    book.take(back(310))
    book.due(NOW + 340)
    assert book.take(away(350)) == []
    book.take(back(360))
    assert book.due(NOW + 700) == [], "it was over before it could be told"


def test_another_failure_and_refusals_are_told() -> None:
    book = AlertBook(USUAL)
    failed = [Change("a", "failed", why, NOW + at) for at, why in enumerate(("hot", "stalled"))]
    assert [len(book.take(each)) for each in failed] == [1, 0]
    assert told(book.due(NOW + 300)) == [("raised", 300.0, "stalled")]
    refusals = [Change("a", "refused", "no", NOW + at) for at in range(3)]
    assert [len(book.take(each)) for each in refusals] == [1, 1, 1]
    (ended,) = book.take(Change("a", "configured", "version 4", NOW + 4))
    assert (ended["kind"], ended["state"]) == ("refused", "ended")


def test_sensors_and_devices_are_told_apart_and_a_removed_one_is_forgotten() -> None:
    book = AlertBook(USUAL)
    lux, co2 = (Change("a", "silent", f"{each}: nothing for 9 s", NOW) for each in ("lux", "co2"))
    assert len(book.take(lux) + book.take(co2) + book.take(away(0, "b"))) == 3
    book.forget("a")
    assert book.take(Change("a", "heard", "lux: it spoke again", NOW + 1)) == []
    assert len(book.take(Change("a", "silent", "lux: nothing for 9 s", NOW + 2))) == 1


def test_nothing_ends_that_was_never_told() -> None:
    book = AlertBook(USUAL)
    assert book.take(back(0)) == []
    assert book.due(NOW + 400) == []


@pytest.mark.parametrize("damping", [USUAL, Damping(0.0, 0.0), Damping(0.0, 60.0)])
@given(steps=st.lists(st.tuples(st.floats(0, 90), st.booleans()), max_size=60))
def test_alerts_begin_and_end_in_turn_and_tell_how_it_is_in_the_end(
    damping: Damping, steps: list[tuple[float, bool]]
) -> None:
    book, at, rows, is_away = AlertBook(damping), 0.0, list[Row](), False
    for pause, wanted in steps:
        at += pause
        rows += book.due(NOW + at)
        if wanted != is_away:
            is_away = wanted
            rows += book.take((away if is_away else back)(at))
    rows += book.due(NOW + at + 1000)
    states = [row["state"] for row in rows]
    assert states == ["raised", "ended"] * (len(states) // 2) + ["raised"] * (len(states) % 2)
    assert (states[-1:] == ["raised"]) == is_away
    raised = [row["timestamp"] for row in rows if row["state"] == "raised"]
    assert all(later - earlier >= damping.interval for earlier, later in itertools.pairwise(raised))
    assert book.counts.get("offline", 0) == len(raised)
