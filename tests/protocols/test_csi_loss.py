"""Loss, lateness, restarts and silence of nodes, in injected time."""

import random

import pytest

from edgeflow.errors import ConfigError
from edgeflow.protocols.csi_loss import Arrival, LossCounts, LossTracker


def fed(numbers: list[int], step: float = 0.1) -> tuple[LossTracker, list[Arrival]]:
    tracker = LossTracker()
    return tracker, [tracker.see(1, number, step * i) for i, number in enumerate(numbers)]


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
    counts = tracker.counts(1, 0.6)
    assert counts == LossCounts(received=5, lost=1, late=1, duplicates=2)
    assert counts.loss == pytest.approx(1 / 6)


def test_numbers_wrap() -> None:
    tracker, arrivals = fed([0xFFFFFFFE, 0xFFFFFFFF, 1, 0])
    assert arrivals[1:] == [Arrival.IN_ORDER, Arrival.AFTER_GAP, Arrival.LATE]
    assert tracker.counts(1, 0.4) == LossCounts(received=4, late=1)


def test_a_restart_is_no_loss() -> None:
    tracker, arrivals = fed([70000, 70001, 0, 1, 2])
    assert arrivals[2] is Arrival.RESTARTED
    assert tracker.counts(1, 1.0) == LossCounts(received=5, restarts=1)


@pytest.mark.parametrize(("skipped", "kind"), [(0, "silences"), (2, "silences"), (95, "outages")])
def test_silence_and_loss_are_told_apart(skipped: int, kind: str) -> None:
    tracker, _ = fed([*range(50)])
    now = 4.9 + 10.0
    counts = tracker.counts(1, now)
    assert counts is not None and counts.silent
    tracker.see(1, 50 + skipped, now)
    counts = tracker.counts(1, now)
    assert counts is not None and not counts.silent
    assert (counts.silences, counts.outages) == ((1, 0) if kind == "silences" else (0, 1))
    assert counts.lost == skipped


def test_what_never_came_and_nodes_are_bounded() -> None:
    tracker = LossTracker(max_nodes=2)
    assert tracker.counts(1, 0.0) is None
    for node in (1, 2, 1, 3):
        tracker.see(node, 1, 0.0)
    assert tracker.counts(2, 0.0) is None
    assert tracker.counts(1, 0.0) == LossCounts(received=1, duplicates=1)
    with pytest.raises(ConfigError):
        LossTracker(silence_s=0.0)


def test_what_is_lost_is_what_was_dropped() -> None:
    chance = random.Random(5)
    sent = [*range(2000)]
    kept = [number for number in sent if number in (0, 1999) or chance.random() > 0.2]
    for i in range(0, len(kept) - 3, 7):
        kept[i + 1], kept[i + 2] = kept[i + 2], kept[i + 1]
    tracker, _ = fed(kept, step=0.02)
    counts = tracker.counts(1, 40.0)
    assert counts is not None
    assert counts.lost == len(sent) - len(kept)
    assert counts.received == len(kept) and counts.late > 100
