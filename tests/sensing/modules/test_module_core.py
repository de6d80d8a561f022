"""The core modules of the catalogue, over simulated rooms."""

import statistics
from pathlib import Path

import pytest

from edgeflow.errors import ConfigError, EngineError
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import Told, events_of
from edgeflow.sensing.modules.runtime import ModuleInstance
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import Frame, Radio, Simulation, preset

DATA = Path(__file__).parents[2] / "data" / "csi"
COHERENCE, ANOMALY = 2, 3
AGREES, DISAGREES = 0.7, 0.4


def room(name: str, seconds: float = 25.0, seed: int = 1, **radio: float) -> list[Frame]:
    return list(Simulation(preset(name, seconds=seconds, seed=seed, radio=Radio(**radio))))


def recorded(name: str, every: int = 10) -> list[Frame]:
    """Half a minute of a real recording, thinned to some 10 frames a second."""
    frames = [frame for frame in Recording(DATA / f"{name}.csv.xz") if isinstance(frame, CsiFrame)]
    start = frames[0].time_us
    return [
        Frame(frame.time_us - start, frame.pairs.reshape(-1), len(frame.pairs), 0, 0, 0, 1, number)
        for number, frame in enumerate(frames)
    ][: 30 * 110 : every]


def heard(module: str, frames: list[Frame]) -> list[Told]:
    return list(events_of(build_module(SOURCES / "core" / f"{module}.c"), frames))


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
