import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import anomaly, env

NO_MODEL = InferResponse("", "")


def message(payload, sensor="s"):
    return EdgeMessage(sensor_id=sensor, payload=payload)


def steady(stage, sensor="s", count=40):
    return [
        stage(NO_MODEL, message({"t": 20 + (i % 5) / 10, "h": 50}, sensor)) for i in range(count)
    ]


def test_a_steady_sensor_is_usual_and_a_jump_is_not():
    stage = anomaly.zscore()
    assert not any(each["anomaly"] for each in steady(stage))
    got = stage(NO_MODEL, message({"t": 30, "h": 50}))
    assert got["anomaly"]
    assert got["score"] > 20
    assert got["most_unusual"] == "t"
    assert got["scores"]["h"] == 0
    assert not stage(NO_MODEL, message({"t": 20.2, "h": 50}))["anomaly"]


def test_nothing_is_an_anomaly_while_the_baseline_is_new():
    stage = anomaly.zscore(warm_up=10)
    steady(stage, count=9)
    assert not stage(NO_MODEL, message({"t": 99, "h": 50}))["anomaly"]


def test_anomalies_move_the_baseline_only_where_they_may():
    for learn in (False, True):
        stage = anomaly.zscore(learn_anomalies=learn, half_life=10)
        steady(stage)
        last = [stage(NO_MODEL, message({"t": 30, "h": 50}))["anomaly"] for _ in range(60)]
        assert last[0]
        assert last[-1] is not learn


def test_sensors_have_their_own_baselines_and_old_ones_are_forgotten(monkeypatch):
    monkeypatch.setattr(anomaly, "MAX_SENSORS", 2)
    stage = anomaly.zscore()
    steady(stage, "a")
    steady(stage, "b")
    assert stage(NO_MODEL, message({"t": 30, "h": 50}, "a"))["anomaly"]
    assert not stage(NO_MODEL, message({"t": 30, "h": 50}, "c"))["anomaly"]
    assert not stage(NO_MODEL, message({"t": 30, "h": 50}, "b"))["anomaly"]


def test_two_uses_share_nothing():
    first, second = anomaly.zscore(), anomaly.zscore()
    steady(first)
    assert not second(NO_MODEL, message({"t": 30, "h": 50}))["anomaly"]


def test_outputs_of_a_model_are_scored_too():
    stage = anomaly.zscore(warm_up=5)
    for i in range(20):
        stage(InferResponse("m", "1", {"y": np.array([[i % 2, 5.0]])}), message(b""))
    got = stage(InferResponse("m", "1", {"y": np.array([[0, 9.0]])}), message(b""))
    assert got["anomaly"]
    assert got["most_unusual"] == "y.1"


def test_missing_values_are_named():
    with pytest.raises(PipelineError, match="'p' is missing"):
        anomaly.zscore(keys=["t", "p"])(NO_MODEL, message({"t": 1}))
    with pytest.raises(PipelineError, match="no number"):
        anomaly.zscore()(NO_MODEL, message({"on": True, "x": float("nan")}))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_a_long_memory_has_mean_and_variance_of_all_values(values):
    baseline = anomaly.Baseline(1e9)
    for value in values:
        baseline.learn(value)
    assert baseline.mean == pytest.approx(np.mean(values), abs=1e-3)
    assert baseline.variance == pytest.approx(np.var(values), abs=1e-2, rel=1e-4)


def test_an_autoencoder_is_judged_by_what_it_gives_back():
    raw = message({"a": 1.0, "b": 3.0})
    prepared = env.vector_to_tensor(raw, raw.payload)
    seen = EdgeMessage(sensor_id="s", payload=raw.payload, metadata=prepared.metadata)
    answer = InferResponse("ae", "1", {"out": np.array([[1.0, 5.0]], np.float32)})
    got = anomaly.reconstruction(answer, seen, threshold=1.5)
    assert got == {"score": 2.0, "anomaly": True, "errors": {"a": 0.0, "b": 4.0}}
    assert not anomaly.reconstruction(answer, seen, threshold=3)["anomaly"]
    with pytest.raises(PipelineError, match="gave 2 numbers for 0"):
        anomaly.reconstruction(answer, raw)
