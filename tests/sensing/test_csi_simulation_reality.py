"""The simulation must not be easier than the recordings."""

import itertools
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import (
    FAST_LINK,
    MIXED_LINK,
    Activity,
    Breathing,
    Person,
    Scenario,
    Simulation,
)
from edgeflow.sensing.simulate.receiver import layout_of
from edgeflow.sensing.simulate.statistics import measure

DATA = Path(__file__).parents[1] / "data" / "csi"
SEEDS = range(1, 7)


def recorded(name):
    frames = [f for f in Recording(DATA / f"{name}.csv.xz") if len(f.payload) == 128]
    return measure(
        np.array([frame.time_us for frame in frames]) / 1e6,
        np.frombuffer(b"".join(frame.payload for frame in frames), np.int8).reshape(-1, 128),
        np.array([frame.rssi for frame in frames]),
    )


def simulated(persons):
    """One figure per seed."""
    return [link(Scenario(60.0, seed, radio=FAST_LINK, persons=persons)) for seed in SEEDS]


def link(scenario):
    blocks = list(Simulation(scenario).blocks())
    return measure(
        np.concatenate([block.time_us for block in blocks]) / 1e6,
        np.concatenate([block.pairs for block in blocks]),
        np.concatenate([block.rssi for block in blocks]),
    )


def lying(place):
    return (Person((Activity("lie", 60.0, place),), Breathing(6.0, variability=0.01)),)


@pytest.fixture(scope="module")
def real():
    names = ("resp_vacio", "vacio_01", "mov_01", "resp_6rpm", "resp_puerta_6rpm_b")
    return {name: recorded(name) for name in names}


@pytest.fixture(scope="module")
def empty():
    return simulated(())


@pytest.fixture(scope="module")
def walking():
    return simulated((Person((Activity("walk", 60.0),)),))


@pytest.fixture(scope="module")
def breathing():
    return simulated(lying((2.5, 2.6))) + simulated(lying((2.5, 3.6)))


@pytest.fixture(scope="module")
def frames():
    """Recorded, simulated."""
    heard = Recording(DATA / "ruview_pretrain-1775182186.csi.jsonl.xz")
    return [f for f in heard if f.node == 1], list(Simulation(Scenario(120.0, radio=MIXED_LINK)))


class TestEmptyRoom:
    def test_is_at_least_as_noisy_as_the_better_recording_everywhere(self, real, empty):
        assert min(link.noise for link in empty) > real["resp_vacio"].noise
        assert min(link.noise_typical for link in empty) > real["resp_vacio"].noise_typical
        assert min(link.noise_p95 for link in empty) > real["resp_vacio"].noise_p95

    def test_is_about_as_noisy_as_the_recordings_in_the_mean(self, real, empty):
        both = fmean((real["resp_vacio"].noise, real["vacio_01"].noise))
        assert 0.85 * both < fmean(link.noise for link in empty) < 1.5 * both

    def test_wanders_as_much_as_the_better_recording_and_no_more_than_twice_the_worse(
        self, real, empty
    ):
        slow = median(link.slow for link in empty)
        assert real["resp_vacio"].slow < slow < 2 * real["vacio_01"].slow

    def test_has_no_line_that_looks_like_breathing(self, empty):
        assert max(link.breathing_db for link in empty) < 6


class TestPeople:
    def test_walking_shakes_the_channel_no_more_than_recorded_in_the_median(self, real, walking):
        seen = median(link.fluctuation for link in walking)
        assert 0.6 * real["mov_01"].fluctuation < seen < 1.1 * real["mov_01"].fluctuation

    def test_walking_moves_the_strength_as_recorded(self, real, walking):
        seen = median(link.rssi_deviation for link in walking)
        assert 0.5 * real["mov_01"].rssi_deviation < seen < 1.3 * real["mov_01"].rssi_deviation

    def test_breathing_is_no_stronger_than_recorded(self, real, breathing):
        levels = [link.breathing_db for link in breathing]
        assert max(levels) < real["resp_6rpm"].breathing_db
        assert median(levels) < real["resp_puerta_6rpm_b"].breathing_db
        assert median(levels) > 8

    def test_strong_lines_are_at_the_true_rate(self, breathing):
        strong = [link.breathing_bpm for link in breathing if link.breathing_db > 10]
        assert len(strong) > 5
        assert strong == pytest.approx([6.0] * len(strong), abs=0.3)


class TestRadio:
    def test_phases_are_random(self, real, empty):
        assert max(link.phase_resultant for link in real.values()) < 0.08
        assert max(link.phase_resultant for link in empty) < 0.08

    def test_slopes_spread_as_recorded(self, real, empty):
        widest = max(link.slope_deviation for link in real.values())
        assert widest < median(link.slope_deviation for link in empty) < 3 * widest

    def test_gain_jumps_as_recorded(self, real, empty):
        recorded_steps = [link.gain_deviation for link in real.values()]
        steps = median(link.gain_deviation for link in empty)
        assert min(recorded_steps) < steps < max(recorded_steps)
        outliers = fmean(link.gain_outliers for link in empty)
        assert outliers > 0.5 * median(link.gain_outliers for link in real.values())

    def test_amplitudes_are_as_few_steps_high_as_recorded(self, real, empty):
        levels = [link.level for link in real.values()]
        assert min(levels) < median(link.level for link in empty) < max(levels)
        assert max(link.largest for link in empty) < 128

    def test_bins_differ_as_recorded(self, real, empty):
        ripples = [link.ripple for link in (real["resp_vacio"], real["vacio_01"])]
        assert min(ripples) < median(link.ripple for link in empty) < 1.3 * max(ripples)

    def test_gaps_are_as_recorded(self, real, empty):
        gaps = median(link.gap_p99 for link in empty)
        assert min(link.gap_p99 for link in real.values()) < gaps
        short = median(link.gaps_short for link in empty)
        assert short > min(link.gaps_short for link in real.values())
        assert median(link.gap_median for link in empty) == pytest.approx(9.3, abs=1)


class TestMixedFrames:
    def test_lengths_are_mixed_as_recorded(self, frames):
        def changes(found):
            sizes = [len(frame.payload) for frame in found]
            return fmean(a != b for a, b in itertools.pairwise(sizes))

        assert changes(frames[1]) == pytest.approx(changes(frames[0]), abs=0.08)

    @pytest.mark.parametrize("bins", [64, 128, 192])
    def test_the_same_bins_are_null(self, frames, bins):
        def silent(found):
            pairs = [f.payload for f in found if len(f.payload) == 2 * bins]
            joined = np.frombuffer(b"".join(pairs), np.int8).reshape(-1, bins, 2)
            return set(np.flatnonzero(~joined.any(axis=(0, 2))))

        assert silent(frames[0]) <= silent(frames[1])
        guards = set(range(27, 38)) if bins == 64 else {*range(27, 38), *range(93, 100)}
        assert guards <= silent(frames[0])

    def test_the_second_field_is_four_times_as_high(self, frames):
        def ratio(found):
            pairs = [f.payload for f in found if len(f.payload) == 256]
            joined = np.frombuffer(b"".join(pairs), np.int8).reshape(-1, 128, 2).astype(float)
            heights = np.hypot(joined[..., 0], joined[..., 1])
            legacy = layout_of("esp32s3", 64).bins
            return np.median(heights[:, 64 + legacy]) / np.median(heights[:, legacy])

        assert ratio(frames[1]) == pytest.approx(ratio(frames[0]), rel=0.3)

    def test_frames_come_as_often(self, frames):
        rates = [len(found) / 120 for found in frames]
        assert rates[1] == pytest.approx(rates[0], rel=0.2)
