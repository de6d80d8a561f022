import json
import time
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError
from edgeflow.sensing.simulate import (
    FAST_LINK,
    MIXED_LINK,
    PRESETS,
    Activity,
    Breathing,
    DoorMove,
    Person,
    Pet,
    Radio,
    Room,
    Scenario,
    Simulation,
    day,
    preset,
    scene,
)
from edgeflow.sensing.simulate.acting import perform
from edgeflow.sensing.simulate.falling import descend
from edgeflow.sensing.simulate.receiver import layout_of
from edgeflow.sensing.simulate.tracks import Track


def amplitudes(frames):
    """Normalised amplitudes of the legacy bins, (frames, 52)."""
    bins = np.sort(layout_of("esp32", 64).bins)
    pairs = np.stack([frame.pairs for frame in frames]).reshape(len(frames), -1, 2)
    values = np.hypot(*np.moveaxis(pairs[:, bins].astype(float), 2, 0))
    return values / np.sqrt((values**2).mean(axis=1, keepdims=True))


def slow_change(name, **options):
    """Deviation of the normalised amplitudes over half seconds."""
    found = amplitudes(list(Simulation(preset(name, radio=FAST_LINK, seconds=20, **options))))
    halves = found[: len(found) // 50 * 50].reshape(-1, 50, 52).mean(axis=1)
    return float(np.median(halves.std(axis=0) / halves.mean(axis=0)))


class TestFrames:
    def test_same_seed_same_frames_and_another_seed_others(self):
        def first(seed):
            return b"".join(f.payload for f in Simulation(preset("walking", seed=seed, seconds=2)))

        assert first(1) == first(1)
        assert first(1) != first(2)

    def test_iterating_twice_gives_the_same(self):
        simulation = Simulation(preset("breathing", seconds=3))
        assert [f.payload for f in simulation] == [f.payload for f in simulation]

    def test_times_rise_and_gaps_of_the_sequence_are_the_losses(self):
        frames = list(Simulation(Scenario(20.0, radio=Radio(loss=0.2))))
        assert all(a.time_us < b.time_us for a, b in pairwise(frames))
        sequence = [frame.sequence for frame in frames]
        assert sequence == sorted(set(sequence))
        assert 0.15 < 1 - len(sequence) / sequence[-1] < 0.3

    def test_own_frames_look_as_an_esp32_delivers_them(self):
        for frame in Simulation(preset("empty", seconds=2, radio=FAST_LINK)):
            pairs = frame.pairs.reshape(-1, 2)
            assert frame.subcarriers == 64
            assert tuple(frame.pairs[:4]) in {(82, -96, 4, 0), (84, -64, 4, 0)}
            assert not pairs[[2, 3, 4, 5, 32, 59, 60, 61, 62, 63]].any()
            assert (frame.noise_floor, frame.channel, frame.source) == (-96, 6, 1)

    @pytest.mark.parametrize("board", ["esp32", "esp32s3"])
    def test_mixed_lengths_come_in_their_shares(self, board):
        radio = Radio(board=board, rate_hz=100, lengths=(0.5, 0.3, 0.2))
        frames = list(Simulation(Scenario(10.0, radio=radio)))
        shares = {n: sum(f.subcarriers == n for f in frames) / len(frames) for n in (64, 128, 192)}
        assert shares[64] == pytest.approx(0.5, abs=0.1)
        assert shares[192] == pytest.approx(0.2, abs=0.1)
        assert all(len(f.pairs) == 2 * f.subcarriers for f in frames)

    def test_the_s3_counts_its_bins_from_the_carrier(self):
        radio = Radio(board="esp32s3", lengths=(0.0, 1.0, 0.0))
        for frame in Simulation(Scenario(1.0, radio=radio)):
            pairs = frame.pairs.reshape(-1, 2)
            null = np.flatnonzero(~pairs.any(axis=1))
            assert {0, *range(27, 38), 64, *range(93, 100)} <= set(null)

    def test_strangers_have_another_source_and_another_channel(self):
        frames = list(Simulation(Scenario(20.0, radio=Radio(strangers=0.3, interference=0))))
        own, other = ([f for f in frames if f.source == s] for s in (1, 2))
        assert len(other) / len(frames) == pytest.approx(0.3, abs=0.1)
        apart = amplitudes(own).mean(axis=0) - amplitudes(other).mean(axis=0)
        assert np.abs(apart).max() > 0.1

    def test_frames_are_made_faster_than_any_network_brings_them(self):
        began = time.perf_counter()
        count = sum(map(len, Simulation(preset("walking", radio=FAST_LINK, seconds=60)).blocks()))
        assert count / (time.perf_counter() - began) > 3000


class TestTruth:
    def test_breathing_is_what_was_asked_for(self):
        person = Person((Activity("lie", 100),), Breathing(14.0, variability=0.04))
        truth = Simulation(Scenario(100.0, persons=(person,))).truth(np.arange(0, 100, 1.0))
        assert truth.breathing_bpm[:, 0].mean() == pytest.approx(14.0, abs=0.7)
        assert truth.presence.all()
        assert not truth.motion.any()

    def test_an_apnea_stops_the_breath_and_not_the_heart(self):
        person = Person((Activity("lie", 120),), Breathing(15.0, apneas=((40.0, 35.0),)))
        truth = Simulation(Scenario(120.0, persons=(person,))).truth(np.array([30.0, 74.0]))
        assert truth.breathing_bpm[1, 0] == 0
        assert truth.heart_bpm[1, 0] > 50

    def test_who_leaves_is_gone_and_who_returns_is_back(self):
        path = (
            Activity("stand", 10),
            Activity("leave", 15),
            Activity("away", 20),
            Activity("enter", 20),
        )
        truth = Simulation(Scenario(80.0, persons=(Person(path),))).truth(np.array([5, 40, 70.0]))
        assert truth.presence.tolist() == [True, False, True]
        assert np.isnan(truth.breathing_bpm[1, 0])

    def test_falls_are_fast_and_end_on_the_floor(self):
        for seed in range(12):
            scenario = preset("falling", seed=seed, seconds=30)
            simulation = Simulation(scenario)
            ((_, fall),) = simulation.falls
            assert 0.4 < fall.end - fall.start < 2.5
            rng = np.random.default_rng(seed)
            script = perform(rng, scenario.persons[0], scenario.room, 30.0)
            at = script.falls[0]
            height = script.track(np.array([at.start, at.end + 0.1]))[:, 2]
            assert height[0] > 0.7
            assert height[1] < 0.2
            moments = simulation.truth(np.array([fall.start - 1, fall.end + 5, fall.end + 12]))
            assert moments.fallen.tolist() == [False, True, False]
            assert not moments.motion[2]

    def test_a_fall_is_not_faster_than_gravity(self):
        person = Person((Activity("fall", 30),))
        for seed in range(10):
            script = perform(np.random.default_rng(seed), person, Scenario().room, 10.0)
            times = np.arange(0, 5, 0.1)
            drop = -np.diff(script.track(times)[:, 2], 2) / 0.1**2
            assert drop.max() < 9.81 * 1.3

    def test_falls_hit_the_floor_as_fast_as_those_on_video(self):
        rng = np.random.default_rng(1)
        pelvis, head, seconds = [], [], []
        for number in range(300):
            fall = descend(rng, 1.72, 0.91, number % 2 * 1.0)
            for found, reach in ((pelvis, 0.0), (head, 0.43 * 1.72)):
                height = fall.heights + reach * np.cos(fall.angles)
                found.append(-np.diff(height).min() / (fall.times[1] - fall.times[0]))
            seconds.append(fall.times[-1])
        assert np.mean(pelvis) == pytest.approx(2.14, abs=0.35)
        assert np.mean(head) == pytest.approx(2.91, abs=0.35)
        assert np.mean(seconds) == pytest.approx(1.27, abs=0.2)

    @pytest.mark.parametrize("before", ["walk", "stand", "sit", "lie"])
    def test_a_fall_comes_out_of_whatever_was_done(self, before):
        for seed in range(6):
            person = Person((Activity(before, 8), Activity("fall", 30)), fidgets_per_min=2)
            simulation = Simulation(Scenario(30.0, seed, persons=(person,)))
            ((_, fall),) = simulation.falls
            rest = simulation.truth(np.arange(fall.end + 1, 30, 0.1)).motion
            assert rest.mean() < 0.4

    def test_a_cat_that_jumps_moves_more_than_one_that_does_not(self):
        times = np.arange(0, 600, 0.1)
        shares = [
            Simulation(Scenario(600.0, pets=(Pet(restless=0.1, jumps=jumps),)))
            .truth(times)
            .disturbed.mean()
            for jumps in (0.0, 1.0)
        ]
        assert shares[1] > 0
        assert shares[0] != shares[1]

    def test_pets_and_doors_disturb_without_being_persons(self):
        door = Simulation(Scenario(20.0, door_moves=(DoorMove(5.0, 80.0),)))
        truth = door.truth(np.array([3.0, 5.6, 15.0]))
        assert truth.disturbed.tolist() == [False, True, False]
        assert not truth.presence.any()
        pet = Simulation(preset("pet", seconds=120)).truth(np.arange(0, 120.0))
        assert pet.disturbed.any()
        assert pet.persons.max() == 0


class TestPhysics:
    def test_walking_changes_the_channel_more_than_sitting_and_that_more_than_nothing(self):
        walking, empty = slow_change("walking"), slow_change("empty")
        assert walking > 3 * empty

    def test_breathing_without_a_chest_is_not_to_be_seen(self):
        still = Room(drift=0.0)

        def movement(amplitude):
            person = Person(
                (Activity("lie", 30, (2.5, 2.9)),), Breathing(20, amplitude_mm=amplitude)
            )
            radio = Radio(
                rate_hz=100, interference=0, distortion_db=-60, power_dbm=30, through_wall_db=0
            )
            found = amplitudes(
                list(Simulation(Scenario(10.0, room=still, radio=radio, persons=(person,))))
            )
            return found[: len(found) // 20 * 20].reshape(-1, 20, 52).mean(1).std(0).max()

        assert movement(10.0) > 2 * movement(0.0)

    def test_a_still_body_is_exactly_still(self):
        times = np.array([0.0, 1.0, 2.0, 5.0])
        track = Track(times, np.array([[0.0], [1.0], [1.0], [1.0]]))
        assert np.ptp(track(np.linspace(1, 9, 50))) == 0
        assert track(np.array([-1.0, 0.5]))[:, 0] == pytest.approx([0.0, 0.5], abs=0.2)


class TestScenarios:
    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_every_preset_runs(self, name):
        simulation = Simulation(preset(name, seconds=5, radio=MIXED_LINK))
        assert len(list(simulation)) > 50

    @pytest.mark.parametrize("persons", range(5))
    def test_a_scene_has_its_persons_breathing_each_at_their_rate(self, persons):
        truth = Simulation(scene(persons, seconds=60)).truth(np.array([30.0]))
        assert truth.persons[0] == persons
        rates = np.sort(truth.breathing_bpm[0])
        assert (np.diff(rates) > 0).all()

    def test_a_day_has_everything_in_it(self):
        simulation = Simulation(day(falls=3))
        times = np.arange(0, 86400, 10.0)
        truth = simulation.truth(times)
        assert len(simulation.falls) == 3
        assert 0.01 < truth.motion.mean() < 0.5
        assert 0.3 < truth.presence.mean() < 1
        assert truth.disturbed.any()
        assert len(next(iter(simulation.blocks()))) > 500

    def test_scenarios_are_plain_data(self):
        scenario = day(seconds=3600, falls=1)
        text = msgspec.json.encode(scenario)
        assert msgspec.json.decode(text, type=Scenario) == scenario
        assert json.loads(text)["radio"]["board"] == "esp32"

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Scenario(seconds=-1),
            lambda: Scenario(seconds=float("nan")),
            lambda: Radio(rate_hz=0),
            lambda: Radio(lengths=(0.5, 0.0, 0.0)),
            lambda: Radio(board="esp8266"),
            lambda: Scenario(radio=Radio(receiver=(99.0, 1.0, 1.0))),
            lambda: Breathing(bpm=400),
            lambda: Breathing(apneas=((-3.0, 5.0),)),
            lambda: Scenario(radio=Radio(receiver=Radio().transmitter)),
            lambda: Scenario(persons=(Person((Activity("sit", 9, (99.0, 1.0)),)),)),
            lambda: Room(size=(5.0, float("nan"), 2.5)),
            lambda: Person(activities=()),
            lambda: preset("wlking"),
        ],
    )
    def test_nonsense_is_refused_with_a_hint(self, make):
        with pytest.raises(ConfigError) as caught:
            make()
        assert caught.value.hint


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


places = st.none() | st.tuples(numbers(0, 4), numbers(0, 4))
activities = st.builds(
    Activity,
    kind=st.sampled_from(
        ["walk", "stand", "sit", "lie", "squat", "bend", "fall", "enter", "leave", "away"]
    ),
    seconds=numbers(0, 12),
    place=places,
    speed=numbers(0.2, 3),
    hasty=numbers(1, 3),
)
people = st.builds(
    Person,
    activities=st.lists(activities, min_size=1, max_size=5).map(tuple),
    breathing=st.builds(
        Breathing,
        bpm=numbers(4, 40),
        apneas=st.lists(st.tuples(numbers(0, 20), numbers(0, 20)), max_size=3).map(tuple),
    ),
    height=numbers(0.8, 2.2),
    size=numbers(0.1, 3),
    fidgets_per_min=numbers(0, 60),
)
radios = st.builds(
    Radio,
    board=st.sampled_from(["esp32", "esp32s3"]),
    rate_hz=numbers(1, 200),
    extra_hz=numbers(0, 50),
    jitter_ms=numbers(0, 200),
    stalls_hz=numbers(0, 10),
    loss=numbers(0, 0.95),
    lengths=st.sampled_from([(1.0, 0.0, 0.0), (0.2, 0.3, 0.5), (0.0, 0.0, 1.0)]),
    noise_floor_dbm=numbers(-120, 0),
    strangers=numbers(0, 0.9),
)
scenarios = st.builds(
    Scenario,
    seconds=numbers(0.1, 8),
    seed=st.integers(0, 2**63),
    radio=radios,
    persons=st.lists(people, max_size=2).map(tuple),
    door_moves=st.lists(
        st.builds(DoorMove, at=numbers(0, 20), angle=numbers(0, 120)), max_size=3
    ).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(scenarios)
def test_any_scenario_gives_frames_and_truth_that_are_sound(scenario):
    simulation = Simulation(scenario)
    last = -1
    for frame in simulation:
        assert last < frame.time_us <= scenario.seconds * 1e6 + 1
        assert len(frame.pairs) == 2 * frame.subcarriers
        last = frame.time_us
    truth = simulation.truth(np.linspace(0, scenario.seconds, 20))
    assert truth.persons.max() <= len(scenario.persons)
    rates = truth.breathing_bpm[~np.isnan(truth.breathing_bpm)]
    assert ((rates >= -1e-9) & (rates < 80)).all()
    assert not truth.motion[~truth.presence].any()
