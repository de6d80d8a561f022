"""Loss, lateness, restarts and silence of a node, in injected time."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError
from edgeflow.protocols.csi_loss import Arrival, LossTracker

NAMES = ("received", "lost", "late", "duplicates", "restarts", "silences", "outages")


def fed(numbers: list[int], step: float = 0.1) -> tuple[LossTracker, list[Arrival]]:
    tracker = LossTracker()
    return tracker, [tracker.see(number, step * i) for i, number in enumerate(numbers)]


def counts(tracker: LossTracker) -> dict[str, int]:
    return {name: getattr(tracker, name) for name in NAMES if getattr(tracker, name)}


def test_gaps_lateness_and_duplicates() -> None:
    tracker, arrivals = fed([5, 6, 9, 8, 8, 10, 6])
    assert arrivals == [
        Arrival.FIRST,
        Arrival.IN_ORDER,
        Arrival.AFTER_GAP,
        Arrival.LATE,
        Arrival.DUPLICATE,
        Arrival.IN_ORDER,
        Arrival.DUPLICATE,
    ]
    assert counts(tracker) == {"received": 5, "lost": 1, "late": 1, "duplicates": 2}
    assert tracker.loss == pytest.approx(1 / 6)


def test_numbers_wrap() -> None:
    tracker, arrivals = fed([0xFFFFFFFE, 0xFFFFFFFF, 1, 0])
    assert arrivals[1:] == [Arrival.IN_ORDER, Arrival.AFTER_GAP, Arrival.LATE]
    assert counts(tracker) == {"received": 4, "late": 1}


def test_a_restart_is_no_loss() -> None:
    tracker, arrivals = fed([70000, 70001, 0, 1, 2])
    assert arrivals[2] is Arrival.RESTARTED
    assert counts(tracker) == {"received": 5, "restarts": 1}


@pytest.mark.parametrize(("skipped", "kind"), [(0, "silences"), (2, "silences"), (95, "outages")])
def test_silence_and_loss_are_told_apart(skipped: int, kind: str) -> None:
    tracker, _ = fed([*range(50)])
    now = 4.9 + 10.0
    assert not tracker.is_silent(5.0)
    assert tracker.is_silent(now)
    tracker.see(50 + skipped, now)
    assert not tracker.is_silent(now)
    assert (tracker.silences, tracker.outages) == ((1, 0) if kind == "silences" else (0, 1))
    assert tracker.lost == skipped


def test_a_limit_is_positive() -> None:
    with pytest.raises(ConfigError):
        LossTracker(silence_s=0.0)
    assert not LossTracker().is_silent(1e9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_no_sequence_breaks_the_tracker(numbers: list[int]) -> None:
    tracker, arrivals = fed(numbers)
    assert tracker.received + tracker.duplicates == len(numbers)
    assert arrivals.count(Arrival.RESTARTED) == tracker.restarts
    assert 0 <= tracker.loss < 1
    assert tracker.lost <= 10_000 * len(numbers)


def test_what_is_lost_is_what_was_dropped() -> None:
    chance = random.Random(5)
    sent = [*range(2000)]
    kept = [number for number in sent if number in (0, 1999) or chance.random() > 0.2]
    for i in range(0, len(kept) - 3, 7):
        kept[i + 1], kept[i + 2] = kept[i + 2], kept[i + 1]
    tracker, _ = fed(kept, step=0.02)
    assert tracker.lost == len(sent) - len(kept)
    assert tracker.received == len(kept) and tracker.late > 100
