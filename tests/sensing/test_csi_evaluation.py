"""The evaluation: its reference algorithm does what was published, and its numbers are numbers."""

from pathlib import Path

import numpy as np
import pytest

from edgeflow.sensing.evaluation import SCENES, area_under_curve, evaluate, learn, thinned
from edgeflow.sensing.evaluation_reference import ReferenceAlgorithm, ReferenceVitals
from edgeflow.sensing.evaluation_report import main
from edgeflow.sensing.frames import CsiFrame

DATA = Path(__file__).parents[1] / "data/csi"


def breathing(bpm: float, rate_hz: float) -> ReferenceVitals:
    """An ideal breather: the phase of every subcarrier sways by half a radian."""
    algorithm = ReferenceAlgorithm()
    for index in range(int(60 * rate_hz)):
        seconds = index / rate_hz
        phase = 0.5 * np.sin(2 * np.pi * bpm / 60 * seconds) * np.linspace(0.5, 1, 64)
        pairs = np.stack([100 * np.cos(phase), 100 * np.sin(phase)], axis=1).round()
        algorithm.push(round(seconds * 1e6), pairs.astype(np.int8))
    return algorithm.vitals()


@pytest.mark.parametrize(("rate_hz", "told"), [(10, 15.0), (20, 7.5), (28.5, 7.8)])
def test_reference_reads_what_was_measured_of_it(rate_hz: float, told: float) -> None:
    assert breathing(15.0, rate_hz).breathing_bpm == pytest.approx(told, abs=0.9)


def test_reference_counts_four_and_keeps_its_values() -> None:
    vitals = breathing(15.0, 10)
    assert vitals.persons == 4
    assert vitals.motion_energy > 0


def test_reference_drops_frames_that_are_too_early_or_too_long() -> None:
    algorithm, pairs = ReferenceAlgorithm(), np.full((64, 2), 9, np.int8)
    algorithm.push(0, np.full((192, 2), 9, np.int8))
    for index in range(30):
        algorithm.push(index * 1000, pairs)
    assert algorithm.vitals().motion_energy == 0


def test_area_under_curve() -> None:
    assert area_under_curve([2, 3], [0, 1]) == 1
    assert area_under_curve([1], [1]) == 0.5
    assert area_under_curve([0, 2], [1]) == 0.5


def test_thinned_keeps_the_rate() -> None:
    frames = [CsiFrame(time_us, b"") for time_us in range(0, 10_000_000, 9000)]
    assert len(list(thinned(frames, 20))) == pytest.approx(200, abs=10)


def test_both_on_a_recording() -> None:
    room = learn(DATA / "vacio_01.csv.xz")
    moving = evaluate(SCENES[-1], DATA, room)
    empty = evaluate(SCENES[3], DATA, room)
    assert area_under_curve(moving.scores, empty.scores) > 0.95
    assert area_under_curve(moving.reference_scores, empty.reference_scores) < 0.65
    assert empty.present <= 0.02 < 0.4 < empty.reference_present
    assert empty.breathing == empty.heart == []
    assert 40 <= float(np.median(empty.reference_heart)) <= 47


def test_tables_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->old<!-- measured end -->\nafter\n")
    monkeypatch.setattr("edgeflow.sensing.evaluation_report.THINNED", (10.0,))
    main([str(DATA), "--seeds", "0", "--page", str(page)])
    text = page.read_text()
    assert text.startswith("before\n<!-- measured -->\n| recording |")
    assert text.endswith("<!-- measured end -->\nafter\n")
    assert "`mov_01` | moving" in text and ">old<" not in text
