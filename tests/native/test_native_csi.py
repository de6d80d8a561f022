"""The core on real recordings: the figures that were promised, with nothing tuned to a file."""

import lzma
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.csi import Calibration, CsiOptions, CsiProcessor, CsiVitals
from edgeflow.errors import ConfigError, TensorError

DATA = Path(__file__).parents[1] / "data/csi"
SECOND = 1_000_000


@cache
def frames(name: str) -> list[tuple[int, int, bytes]]:
    """Time in us, sender and pairs of each frame of an ESP32-CSI-Tool recording."""
    senders: dict[str, int] = {}
    out = []
    with lzma.open(DATA / f"{name}.csv.xz", "rt") as lines:
        for line in lines:
            head, _, numbers = line.partition("[")
            fields = head.split(",")
            pairs = np.array(numbers.strip(" ]\n").split(), np.int8).tobytes()
            source = senders.setdefault(fields[2], len(senders))
            out.append((int(fields[18]), source, pairs))
    return out


def replay(
    name: str, calibration: Calibration | None = None, seconds: float = 1e9
) -> tuple[CsiProcessor, list[CsiVitals]]:
    processor = CsiProcessor()
    if calibration is not None:
        processor.calibration = calibration
    recorded = frames(name)
    start, told, said = recorded[0][0], recorded[0][0] + SECOND, []
    for time_us, source, pairs in recorded:
        if time_us - start > seconds * SECOND:
            break
        if time_us >= told:
            said.append(processor.vitals(told))
            told += SECOND
        processor.push(time_us, pairs, source=source)
    return processor, said


@cache
def empty_room() -> Calibration:
    calibration = replay("vacio_01", seconds=20)[0].calibration
    assert calibration is not None
    return calibration


@cache
def said(name: str) -> list[CsiVitals]:
    return replay(name, empty_room())[1]


def auc(above: list[float], below: list[float]) -> float:
    one, other = np.array(above)[:, None], np.array(below)[None, :]
    return float(np.mean((one > other) + 0.5 * (one == other)))


@pytest.mark.parametrize("empty", ["vacio_01", "resp_vacio"])
def test_moving_is_told_from_empty(empty: str) -> None:
    moving = [second.motion_score for second in said("mov_01")]
    still = [second.motion_score for second in said(empty)[20 if empty == "vacio_01" else 0 :]]
    assert auc(moving, still) >= 0.95
    assert np.mean([second.presence for second in said("mov_01")[5:]]) > 0.95


@pytest.mark.parametrize("empty", ["vacio_01", "resp_vacio"])
def test_empty_rooms_are_empty(empty: str) -> None:
    assert np.mean([not second.presence for second in said(empty)]) >= 0.98


@pytest.mark.parametrize("name", ["resp_6rpm", "resp_puerta_6rpm_b"])
def test_paced_breathing_is_read(name: str) -> None:
    read = [second.breathing_bpm for second in said(name) if second.breathing_bpm is not None]
    assert len(read) > 15
    assert all(abs(bpm - 6.0) <= 0.5 for bpm in read)
    assert all(second.presence for second in said(name)[-15:])


@pytest.mark.parametrize("name", ["resp_vacio", "vacio_01", "mov_01"])
def test_nothing_is_read_where_nobody_breathes_still(name: str) -> None:
    assert {second.breathing_bpm for second in said(name)} == {None}
    assert {second.heart_bpm for second in said(name)} == {None}


def test_rates_end_with_the_signal() -> None:
    processor, seconds = replay("resp_6rpm")
    last = frames("resp_6rpm")[-1][0]
    assert seconds[-1].breathing_bpm is not None
    later = processor.vitals(last + 4 * SECOND)
    assert later.breathing_bpm is None and not later.presence and later.degraded


def test_refusals_say_why() -> None:
    processor = CsiProcessor()
    full = bytes(range(1, 129))
    assert processor.push(1000, full) is None
    assert processor.push(900, full) == "late"
    assert processor.push(2000, bytes(128)) == "null"
    assert processor.push(3000, full[:-1]) == "length"
    assert processor.push(3000, bytes(1000)) == "length"
    assert processor.vitals(3000).refused == 4
    with pytest.raises(TensorError, match="source"):
        processor.push(4000, full, source=256)


@pytest.mark.parametrize("wrong", [{"tier": 3}, {"tier": 300}, {"top_subcarriers": 0}])
def test_options_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="CSI options"):
        CsiProcessor(CsiOptions(**wrong))


def test_what_modules_see() -> None:
    processor, _ = replay("mov_01", seconds=5)
    assert processor.amplitudes().shape == processor.phases().shape == (64,)
    assert len(processor.top()) == 8
    assert processor.variances()[processor.top()].min() > 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=400)), max_size=40))
def test_arbitrary_frames_are_taken_or_refused(pushed: list[tuple[int, bytes]]) -> None:
    processor = CsiProcessor()
    refused = sum(processor.push(time_us, pairs) is not None for time_us, pairs in pushed)
    vitals = processor.vitals(2**63)
    assert (vitals.frames, vitals.refused) == (len(pushed), refused)
