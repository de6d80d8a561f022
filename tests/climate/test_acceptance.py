"""Silence is consent only of somebody who is there."""

from edgeflow.climate.learning.acceptance import Acceptance, Habits

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
EVENING = 100 * DAY + 20 * HOUR


def consents(found: Acceptance[str], now: float) -> list[tuple[str, bool]]:
    """What is accepted an hour after it stood at ``now``."""
    found.stood("attic", "decision", now)
    return [(each.item, each.heard) for each in found.consented("attic", now + HOUR)]


def test_who_has_just_spoken_accepts_by_silence() -> None:
    found = Acceptance[str]()
    found.spoke("cellar", EVENING, contradicted=True)
    assert consents(found, EVENING + 2 * HOUR) == [("decision", True)]


def test_who_was_never_heard_accepts_nothing() -> None:
    assert consents(Acceptance[str](), EVENING) == []


def test_hours_later_nobody_may_be_there() -> None:
    found = Acceptance[str]()
    found.spoke("attic", EVENING, contradicted=False)
    assert consents(found, EVENING + 4 * HOUR) == []


def test_when_people_usually_are_there_silence_counts_as_that_of_nobody_heard() -> None:
    found = Acceptance[str]()
    found.spoke("attic", EVENING, contradicted=False)
    found.spoke("attic", EVENING + DAY, contradicted=False)
    assert consents(found, EVENING + 2 * DAY) == [("decision", False)]
    assert consents(found, EVENING + 2 * DAY - 8 * HOUR) == []


def test_what_is_contradicted_within_the_hour_was_not_accepted() -> None:
    found = Acceptance[str]()
    found.spoke("attic", EVENING, contradicted=False)
    found.stood("attic", "decision", EVENING + MINUTE)
    found.spoke("attic", EVENING + 30 * MINUTE, contradicted=True)
    assert found.consented("attic", EVENING + 2 * HOUR) == []


def test_a_habit_needs_two_days_and_is_forgotten_after_a_fortnight() -> None:
    habits = Habits()
    habits.heard(EVENING)
    habits.heard(EVENING + 10 * MINUTE)
    assert not habits.usual(EVENING + DAY)
    habits.heard(EVENING + DAY + HOUR)
    assert habits.usual(EVENING + 2 * DAY)
    assert not habits.usual(EVENING + 2 * DAY + 3 * HOUR)
    assert not habits.usual(EVENING + 16 * DAY)


def test_habits_are_bounded() -> None:
    habits = Habits()
    for hour in range(24 * 400):
        habits.heard(hour * HOUR)
    assert sum(len(days) for days in habits._days) == 24 * 14


def test_midnight_is_near_eleven_at_night() -> None:
    habits = Habits()
    habits.heard(10 * DAY + 23.5 * HOUR)
    habits.heard(12 * DAY - 0.5 * HOUR)
    assert habits.usual(13 * DAY + 0.5 * HOUR)
