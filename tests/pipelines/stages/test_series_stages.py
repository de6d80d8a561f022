"""Windows of the past go into a model, and what is to come comes out with its times."""

import numpy as np
import pytest

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.series import ahead, history, window


def message(at, **payload):
    return EdgeMessage(sensor_id="room", payload=payload, timestamp=at)


def test_rows_stand_at_even_times_and_end_with_the_message():
    stage = window(
        keys=["air.t", "open"], steps=4, step_s=1.0, relative=["air.t"], scale={"open": 100.0}
    )
    for at, value, opened in ((0.0, 20.0, 0), (0.9, 21.0, 50), (2.0, 22.0, 50)):
        stage(message(at), {"air": {"t": value}, "open": opened})
    made = stage(message(3.0), {"air": {"t": 24.0}, "open": True})
    assert made.inputs.dtype == np.float32
    assert made.inputs[0, :, 0].tolist() == [-4.0, -3.0, -2.0, 0.0]
    assert made.inputs[0, :, 1] == pytest.approx([0.0, 0.5, 0.5, 0.01])
    assert made.metadata == {"window_filled": 1.0, "window_last": {"air.t": 24.0, "open": 1.0}}


def test_before_the_first_message_rows_repeat_it_and_what_is_missing_is_as_before():
    stage = window(keys=["t", "h"], steps=3)
    assert stage(message(0.0), {"t": 20.0}) is None
    made = stage(message(1.0), {"t": 20.0, "h": 50.0})
    assert made.inputs[0].tolist() == [[20.0, 50.0]] * 3
    assert made.metadata["window_filled"] == pytest.approx(1 / 3, abs=1e-3)
    assert stage(message(2.0), {"t": 21.0}).inputs[0, -1].tolist() == [21.0, 50.0]
    assert stage(message(2.5), {"t": float("nan")}).inputs[0, -1].tolist() == [21.0, 50.0]
    assert stage(message(0.5), {"t": 21.0}) is None
    assert stage(message(3.0), "nothing") is None


def test_who_sends_often_is_thinned_out():
    stage = window(keys=["t"], steps=3, step_s=1.0)
    for number in range(5000):
        made = stage(message(number / 1000), {"t": number})
    assert made.inputs[0, :, 0] == pytest.approx([2999, 3999, 4999], abs=130)
    assert len(stage._kept("room")) <= 8 * 4


def test_what_is_to_come_is_told_with_its_times():
    response = InferResponse("m", "1", {"forecast": np.array([[0.5, -0.25]], np.float32)})
    stage = window(keys=["air.t"], steps=2)
    made = stage(message(1000.0), {"air": {"t": 20.0}})
    noted = EdgeMessage(sensor_id="room", payload={}, timestamp=1000.0, metadata=made.metadata)
    found = ahead(response, noted, key="air.t", step_s=5.0)["forecast"]
    assert found["values"] == [20.5, 19.75]
    assert found["times"] == [1005.0, 1010.0]
    assert found["filled"] == 0.5
    with pytest.raises(PipelineError):
        ahead(response, noted, key="other")


def test_options_that_cannot_be_are_refused():
    with pytest.raises(PipelineError):
        window(keys=["t"], steps=3, relative=["h"])


def test_a_history_is_bounded_and_told_now_and_then():
    stage = history(keys=["t", "there"], points=3, every=2)
    nothing = InferResponse("", "", {})
    told = [
        stage(nothing, message(float(at), t=20.0 + at, there=at % 2 == 0 or None))
        for at in range(6)
    ]
    assert [each is None for each in told] == [True, False, True, False, True, False]
    assert told[-1] == {
        "history": {
            "times": [3.0, 4.0, 5.0],
            "values": {"t": [23.0, 24.0, 25.0], "there": [None, 1.0, None]},
        }
    }
    stage(nothing, message(1.0, t=0.0))
    assert stage(nothing, message(6.0, t=float("inf")))["history"]["values"]["t"] == [24, 25, None]
