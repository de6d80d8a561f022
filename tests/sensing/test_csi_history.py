"""A day of vitals in memory."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.core.vitals import VitalsUpdate
from edgeflow.sensing.history import CHUNK_ROWS, History


def update(time: float, name: str = "7@hall", **more: object) -> VitalsUpdate:
    usual = {"presence": True, "motion": 0.5, "breathing_bpm": 14.2, "heart_bpm": None}
    usual |= {"persons": 1, "fall": False, "confidence": 0.9, "threshold": None, "rssi": -40}
    return VitalsUpdate(t=time - 100, node=7, name=name, time=time, number=3, **(usual | more))


def test_an_update_comes_back_as_it_was() -> None:
    history = History()
    said = update(1_700_000_000.25, source="node", persons=3, degraded=True, motion=0.123456)
    history.add(said)
    (kept,) = history.query("7@hall", 0, 2e9)
    assert kept == msgspec.to_builtins(said)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 1e6, width=32),
    st.none() | st.floats(1, 200, width=32),
    st.integers(0, 4),
    st.integers(-128, 127),
    st.booleans(),
)
def test_whatever_is_told_comes_back(
    motion: float, bpm: float | None, persons: int, rssi: int, fall: bool
) -> None:
    history = History()
    history.add(
        update(5.0, motion=motion, breathing_bpm=bpm, persons=persons, rssi=rssi, fall=fall)
    )
    (kept,) = history.query("7@hall", 5, 6)
    assert (kept["persons"], kept["rssi"], kept["fall"]) == (persons, rssi, fall)
    assert kept["motion"] == pytest.approx(motion, rel=1e-5)
    assert kept["breathing_bpm"] == (None if bpm is None else pytest.approx(bpm, rel=1e-5))


def test_a_day_at_one_hertz_is_kept_and_no_more() -> None:
    history = History()
    said = update(0.0)
    for second in range(90_000):
        history.add(msgspec.structs.replace(said, time=float(second)))
    kept = history.query("7@hall", 0, 1e9)
    assert 86_400 - CHUNK_ROWS <= len(kept) <= 86_400
    assert [row["time"] for row in kept[-2:]] == [89_998.0, 89_999.0]
    assert history.bytes < 8_000_000
    hour = history.query("7@hall", 80_000, 83_600)
    assert [hour[0]["time"], hour[-1]["time"], len(hour)] == [80_000.0, 83_599.0, 3_600]
    assert [row["time"] for row in history.query("7@hall", 0, 1e9, 2)] == [89_998.0, 89_999.0]


def test_a_second_keeps_its_newest_update_and_its_fall() -> None:
    history = History()
    for tenth in range(20):
        history.add(update(10 + tenth / 10, fall=tenth == 3, persons=tenth % 5))
    first, second = history.query("7@hall", 0, 100)
    assert (first["fall"], first["persons"], first["time"]) == (True, 4, 10.9)
    assert (second["fall"], second["time"]) == (False, 11.9)


def test_all_nodes_together_are_bounded() -> None:
    history = History(most_bytes=1_000_000)
    for second in range(2_000):
        for node in range(12):
            history.add(update(float(second), name=f"{node}@hall"))
    assert history.bytes <= 1_000_000
    assert len(history.names()) == 12
    history.forget("3@hall")
    assert history.query("3@hall", 0, 1e9) == []
    assert history.query("nobody", 0, 1e9) == []
