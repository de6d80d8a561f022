"""Stages for frames of channel state: rows, windows at even times, and sensing with the core."""

from typing import Any

import numpy as np
import pytest

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.csi import amplitudes, vitals, window
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.simulate import Activity, Person, Radio, Scenario, Simulation

NOTHING = InferResponse(model="", version="", outputs={})


def message(payload: Any, seconds: float = 0.0, sensor: str = "csi:7") -> EdgeMessage:
    notes = {"node": 7, "time_us": int(seconds * 1e6), "rssi": -40}
    return EdgeMessage(sensor_id=sensor, payload=payload, metadata=notes)


def pairs(level: int, count: int = 64) -> np.ndarray:
    return np.full((count, 2), level, np.int8)


def test_a_row_is_the_amplitudes_of_a_frame() -> None:
    frame = np.array([[3, 4], [6, 8]], np.int8)
    plain = amplitudes(message(frame), frame, normalise=False)
    assert plain.inputs.tolist() == [[5.0, 10.0]]
    even = amplitudes(message(frame), frame, size=2, dtype="fp16").inputs
    assert even.dtype == np.float16
    assert np.mean(even.astype(float) ** 2) == pytest.approx(1.0, abs=0.01)
    packet = RawFrame(7, 1, 2412, -50, -90, frame.tobytes()).encode()
    assert amplitudes(message(packet), packet, normalise=False).inputs.tolist() == [[5.0, 10.0]]
    silent = amplitudes(message(pairs(0)), pairs(0)).inputs
    assert not silent.any()


@pytest.mark.parametrize("payload", [b"", b"x" * 40, {"a": 1}, np.zeros((3, 3)), pairs(1, 52)])
def test_what_is_no_frame_or_too_short_is_refused(payload: Any) -> None:
    with pytest.raises(PipelineError):
        amplitudes(message(payload), payload, size=64)


def test_a_window_has_even_times_whatever_the_rate_of_the_node() -> None:
    stage = window(seconds=1.0, rate=10.0, normalise=False)
    for number in range(50):
        frame = pairs(number + 1)
        made = stage(message(frame, number * 0.02), frame)
        stage(message(pairs(99), number * 0.02, "csi:8"), pairs(99))
    assert made.inputs.shape == (1, 10, 64)
    rows = made.inputs[0, :, 0] / np.sqrt(2)
    assert rows.tolist() == pytest.approx([5, 10, 15, 20, 25, 30, 35, 40, 45, 50], abs=1.5)
    assert made.metadata["window_filled"] == 1.0


def test_a_window_that_begins_repeats_its_first_row_and_says_so() -> None:
    stage = window(seconds=1.0, rate=10.0, normalise=False)
    first = stage(message(pairs(1), 5.0), pairs(1))
    assert first.metadata["window_filled"] == pytest.approx(0.1)
    assert np.unique(first.inputs).size == 1
    again = stage(message(pairs(9, 128), 5.1), pairs(9, 128))
    assert again.inputs.shape == (1, 10, 64)
    assert np.unique(again.inputs).size == 1


def test_a_window_without_bounds_is_refused() -> None:
    with pytest.raises(PipelineError, match="rows"):
        window(seconds=600, rate=200)


def test_frames_of_a_node_are_sensed_from() -> None:
    walk = Person((Activity("away", 45.0), Activity("enter", 4.0), Activity("walk", 30.0)))
    scene = Scenario(persons=(walk,), seconds=60.0, radio=Radio(rate_hz=30.0))
    stage = vitals(tier=1)
    seconds: dict[int, dict[str, Any]] = {}
    events: list[str] = []
    for frame in Simulation(scene):
        payload = np.frombuffer(frame.payload, np.int8).reshape(-1, 2)
        said = stage(NOTHING, message(payload, frame.time_us / 1e6))
        events += said.pop("events", [])
        seconds[int(frame.time_us / 1e6)] = said
    assert seconds[0] == {}
    assert not any(seconds[at]["presence"] for at in range(2, 45))
    assert all(seconds[at]["presence"] for at in range(52, 60))
    assert events == ["presence"]
    assert (seconds[50]["node"], seconds[50]["rssi"]) == (7, -40)
    assert seconds[50]["breathing_bpm"] is None


def test_sensors_are_sensed_apart_and_other_messages_refused() -> None:
    stage = vitals(interval=0.1)
    for number in range(20):
        stage(NOTHING, message(pairs(1 + number % 2), number * 0.05))
    assert stage(NOTHING, message(pairs(1), 0.0, "csi:9")) == {}
    with pytest.raises(PipelineError, match="no frame"):
        stage(NOTHING, replace_payload(message(pairs(1)), "text"))


def replace_payload(one: EdgeMessage, payload: Any) -> EdgeMessage:
    return EdgeMessage(sensor_id=one.sensor_id, payload=payload, metadata=one.metadata)
