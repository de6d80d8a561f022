"""The core modules of the catalogue, over simulated rooms."""

import statistics
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgeflow.errors import ConfigError, EngineError
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import Told, events_of
from edgeflow.sensing.modules.runtime import ModuleInstance
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import (
    Activity,
    Breathing,
    Frame,
    Person,
    Radio,
    Scenario,
    Simulation,
    preset,
)
from edgeflow.sensing.simulate.bodies import Points
from edgeflow.sensing.simulate.tracks import Track

DATA = Path(__file__).parents[2] / "data" / "csi"
GESTURE, COHERENCE, ANOMALY = 1, 2, 3
AGREES, DISAGREES = 0.7, 0.4


def room(name: str, seconds: float = 25.0, seed: int = 1, **radio: float) -> list[Frame]:
    return list(Simulation(preset(name, seconds=seconds, seed=seed, radio=Radio(**radio))))


@cache
def recorded(name: str, every: int = 10) -> list[Frame]:
    """Half a minute of a real recording, thinned to some 10 frames a second."""
    frames = [frame for frame in Recording(DATA / f"{name}.csv.xz") if isinstance(frame, CsiFrame)]
    start = frames[0].time_us
    return [
        Frame(frame.time_us - start, frame.pairs.reshape(-1), len(frame.pairs), 0, 0, 0, 1, number)
        for number, frame in enumerate(frames)
    ][: 30 * 110 : every]


@cache
def built(module: str) -> bytes:
    return build_module(SOURCES / "core" / f"{module}.c")


def heard(module: str, frames: list[Frame]) -> list[Told]:
    return list(events_of(built(module), frames))


def middle(events: list[Told]) -> float:
    assert {event.type for event in events} == {COHERENCE}
    return statistics.median(event.value for event in events)


@pytest.mark.parametrize("rate", [10.0, 20.0])
def test_coherence_is_told_every_second_and_falls_when_somebody_walks(rate: float) -> None:
    empty = heard("coherence", room("empty", rate_hz=rate))
    walking = heard("coherence", room("walking", seed=2, rate_hz=rate))
    assert 18 <= len(empty) <= 23
    assert min(event.value for event in empty) > AGREES
    assert middle(walking) < 0.7 * middle(empty)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("resp_6rpm", 0.0, DISAGREES), ("resp_vacio", AGREES, 1.0)]
)
def test_coherence_of_real_rooms_tells_who_breathes_from_nobody(
    name: str, low: float, high: float
) -> None:
    assert low < middle(heard("coherence", recorded(name))) <= high


def spoofed(name: str, share: float, rate: float) -> list[Frame]:
    """A room where somebody elsewhere sends a share of the frames in the sender's name."""
    frames = room(name, seconds=30.0, seed=2, rate_hz=rate, strangers=share)
    return [frame._replace(source=1) for frame in frames]


@pytest.mark.parametrize("name", ["empty", "walking"])
@pytest.mark.parametrize("rate", [10.0, 20.0])
def test_frames_injected_from_elsewhere_are_noticed(name: str, rate: float) -> None:
    told = heard("anomaly", spoofed(name, 0.15, rate))
    assert told[0][1:] == (ANOMALY, 1.0)


@pytest.mark.parametrize("name", ["empty", "walking", "door"])
def test_no_anomaly_is_told_of_a_link_alone(name: str) -> None:
    assert heard("anomaly", spoofed(name, 0.0, 10.0)) == []


@pytest.mark.parametrize("name", ["mov_01", "vacio_01"])
def test_no_anomaly_is_told_of_real_rooms(name: str) -> None:
    assert heard("anomaly", recorded(name)) == []


def test_the_same_frame_again_and_again_is_an_anomaly() -> None:
    frames = room("empty", rate_hz=10.0)
    again = [frame._replace(pairs=frames[80].pairs) for frame in frames[80:90]]
    told = heard("anomaly", frames[:80] + again + frames[90:])
    assert [event[1:] for event in told] == [(ANOMALY, 1.0), (ANOMALY, 0.0)]
    assert told[0].seconds == pytest.approx(again[0].time_us / 1e6, abs=1.0)


class Arm:
    """A hand and a forearm that reach out to where strokes (start, seconds, how far) take them."""

    def __init__(self, place: tuple[float, float], strokes: list[tuple[float, float, float]]):
        times, ways = [0.0], [0.0]
        for start, seconds, way in strokes:
            times += [start, start + seconds]
            ways += [ways[-1], way]
        self._track = Track(np.array(times), np.array(ways)[:, None])
        self._rest = np.array([place[0], place[1] - 0.3, 1.05])

    def points(self, times: np.ndarray) -> Points:
        reach = self._track(times) * np.array([0.0, -0.4, 0.0])
        forearm = self._rest + np.array([0.0, 0.12, -0.05]) + 0.5 * reach
        places = np.stack((self._rest + reach, forearm), axis=1)
        return Points(places, np.array([0.1, 0.1]), 1)


def push(start: float, seconds: float = 0.6) -> list[tuple[float, float, float]]:
    return [(start, seconds, 1.0), (start + seconds, seconds, 0.0)]


def wave(start: float) -> list[tuple[float, float, float]]:
    return [stroke for turn in range(3) for stroke in push(start + 0.8 * turn, 0.4)]


FIRST, APART = 60.0, 14.0
GESTURES = (
    lambda at: push(at) + push(at + 2.2),
    lambda at: push(at) + push(at + 2.2) + push(at + 4.4),
    lambda at: push(at) + wave(at + 2.2),
    lambda at: wave(at) + push(at + 3.4),
)


def gesturing(strokes: list[tuple[float, float, float]], rate: float, seed: int) -> list[Frame]:
    """Somebody who sits beside the link and moves an arm."""
    place = (2.5, 2.9)
    person = Person((Activity("sit", 300.0, place),), Breathing(14.0, 6.0))
    radio = Radio(rate_hz=rate, through_wall_db=0.0)
    seconds = strokes[-1][0] + 8.0
    simulation = Simulation(
        Scenario(seconds=seconds, seed=seed, radio=radio, persons=(person,)),
    )
    simulation._doors.append(Arm(place, strokes))
    return list(simulation)


def all_four(rate: float, seed: int) -> list[Told]:
    strokes = [
        stroke
        for number, gesture in enumerate(GESTURES)
        for stroke in gesture(FIRST + APART * number)
    ]
    return heard("gesture", gesturing(strokes, rate, seed))


@pytest.mark.parametrize(("rate", "seed"), [(20.0, 5), (40.0, 8)])
def test_gestures_are_told_apart(rate: float, seed: int) -> None:
    told = all_four(rate, seed)
    assert [event[1:] for event in told] == [(GESTURE, number) for number in (1.0, 2.0, 3.0, 4.0)]
    for number, event in enumerate(told):
        assert FIRST + APART * number < event.seconds < FIRST + APART * (number + 1)


def test_no_gesture_is_told_wrong_where_the_link_hardly_sees_it() -> None:
    told = all_four(20.0, 3)
    wrong = [event for event in told if event.value != 1 + (event.seconds - FIRST) // APART]
    assert wrong == []


def test_single_strokes_are_no_gestures() -> None:
    strokes = push(60.0) + push(68.0) + push(78.0, 0.4)
    frames = gesturing(strokes, 20.0, 5)
    assert heard("gesture", frames) == []
    assert list(events_of(build_module(SPELLS), frames)) == []


MORSE = {"I": "..", "S": "...", "A": ".-", "E": "."}
SPELLS = SOURCES / "exotic" / "gesture_language.c"
LETTER, WORD_GAP = 620, 622


def spelling(words: str) -> list[tuple[float, float, float]]:
    """Strokes of letters: a push is a dot, a wave a dash."""
    strokes, at = [], FIRST
    for letter in words:
        for part in MORSE.get(letter, ""):
            strokes += push(at) if part == "." else wave(at)
            at += 2.2 if part == "." else 3.4
        at += 2.4 if letter != " " else 7.0
    return strokes


def test_letters_of_an_arm_are_read_and_words_end() -> None:
    told = list(events_of(build_module(SPELLS), gesturing(spelling("IE SA"), 40.0, 8)))
    said = [chr(int(event.value)) if event.type == LETTER else " " for event in told
            if event.type in (LETTER, WORD_GAP)]  # fmt: skip
    assert "".join(said) == "IE SA "


def test_no_letter_is_read_wrong_where_the_link_hardly_sees_it() -> None:
    told = events_of(build_module(SPELLS), gesturing(spelling("IS"), 20.0, 3))
    assert {chr(int(event.value)) for event in told if event.type == LETTER} <= set("IS")


@pytest.mark.parametrize("name", ["empty", "walking", "pet"])
def test_nobody_who_gestures_is_no_gesture(name: str) -> None:
    assert heard("gesture", room(name, seconds=60.0, rate_hz=20.0)) == []


@pytest.mark.parametrize("name", ["mov_01", "vacio_01"])
def test_no_gesture_is_told_of_real_rooms(name: str) -> None:
    assert heard("gesture", recorded(name)) == []


def test_an_endless_loop_ends(tmp_path: Path) -> None:
    source = tmp_path / "endless.c"
    source.write_text(
        '#include "edgeflow_csi.h"\nstatic volatile int at;\n'
        "EF_EXPORT(on_timer) void on_timer(void) { for (;;) { at++; } }\n"
    )
    module = ModuleInstance(build_module(source))

    with pytest.raises(EngineError, match="on_timer"):
        module.timer()


def test_a_source_that_does_not_compile_says_where(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int on_frame(void) { return nothing; }\n")

    with pytest.raises(ConfigError, match=r"wrong\.c:1:"):
        build_module(source)
