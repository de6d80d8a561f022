"""Modules for the curious, over simulated rooms and recordings."""

from pathlib import Path

import pytest

from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import ModuleRunner
from edgeflow.sensing.modules.runtime import ModuleInstance
from edgeflow.sensing.recordings import Recording
from sensed_rooms import door, empty, lying, told, walking

RECORDINGS = Path(__file__).parents[2] / "data" / "csi"
HIDDEN = 652
EXPERIMENTAL = (
    "dream_stage",
    "emotion_detect",
    "gesture_language",
    "music_conductor",
    "plant_growth",
    "rain_detect",
    "breathing_sync",
)


def hidden_in(recording: str) -> int:
    """How often somebody hidden is told of a recording."""
    runner = ModuleRunner(ModuleInstance(build_module(SOURCES / "exotic" / "ghost_hunter.c")))
    heard = 0
    for frame in Recording(RECORDINGS / f"{recording}.csv.xz"):
        assert isinstance(frame, CsiFrame)
        events = runner.push(frame.time_us, frame.payload, frame.source)
        heard += sum(event.type == HIDDEN for event in events)
    return heard


def test_somebody_behind_a_closed_door_is_heard() -> None:
    assert hidden_in("resp_puerta_6rpm_b") == 1


def test_no_ghost_is_heard_in_an_empty_room() -> None:
    assert hidden_in("resp_vacio") == 0
    assert told("exotic/ghost_hunter", door()) == {}


def test_who_walks_does_not_hide() -> None:
    assert told("exotic/ghost_hunter", walking()) == {}


def test_who_lies_still_from_the_start_is_heard() -> None:
    assert len(told("exotic/ghost_hunter", lying(120.0))[HIDDEN]) == 1


@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_experimental_modules_are_silent_while_nobody_is_there(name: str) -> None:
    assert told(f"exotic/{name}", empty(30.0)) == {}
