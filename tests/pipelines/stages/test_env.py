import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import env

MESSAGE = EdgeMessage(sensor_id="s", payload=b"")


def vector(payload, **options):
    return env.vector_to_tensor(MESSAGE, payload, **options)


def topk(logits, **options):
    response = InferResponse("m", "1", {"out": np.asarray(logits, np.float32)})
    return env.softmax_topk(response, MESSAGE, **options)


def test_numbers_of_a_dict_in_the_order_of_their_keys():
    made = vector({"temp": 21, "co2": 812.5, "name": "x", "on": True, "none": None, "more": {}})
    assert made.inputs.tolist() == [[812.5, 21]]
    assert made.inputs.dtype == np.float32
    assert made.metadata["vector"] == {"co2": 812.5, "temp": 21}


def test_lists_and_arrays_stay_in_their_order():
    for payload in ([3, 1.5], (3, 1.5), np.array([[3, 1.5]]), np.array([3, 1.5], np.float16)):
        assert vector(payload).inputs.tolist() == [[3, 1.5]]
    assert vector([3, 1.5], keys=["b", "a"]).metadata["vector"] == {"b": 3, "a": 1.5}


def test_keys_fix_the_columns():
    payload = {"a": 1, "b": 2, "c": {"d": 3}}
    assert vector(payload, keys=["c.d", "a"]).inputs.tolist() == [[3, 1]]
    assert vector({"b": None}, keys=["b"], defaults={"b": 5}).inputs.tolist() == [[5]]
    assert vector({"a": 1}, defaults={"b": 5}).inputs.tolist() == [[1, 5]]
    with pytest.raises(PipelineError, match=r"'temperatur' is missing.+'temperature'"):
        vector({"temperature": 1, "a": 2}, keys=["a", "temperatur"])


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        ({}, {}),
        ({"a": "1"}, {}),
        ({"a": "1"}, {"keys": ["a"]}),
        ({"a": True}, {"keys": ["a"]}),
        ({"a": float("nan")}, {}),
        ({"a": 10**400}, {}),
        ([1, "x"], {}),
        ([1], {"keys": ["a", "b"]}),
        ("text", {}),
        (b"bytes", {}),
        (np.array(["x"]), {}),
        ({"a": 5}, {"ranges": {"a": (0, 4)}}),
    ],
)
def test_what_is_no_vector_is_refused(payload, options):
    with pytest.raises(PipelineError):
        vector(payload, **options)


def test_ranges_clip_and_scale():
    ranges = {"a": (0.0, 4.0), "b": (-10.0, 10.0)}
    made = vector({"a": 5, "b": 0}, ranges=ranges, out_of_range="clip", scale=True, dtype="fp16")
    assert made.inputs.tolist() == [[1, 0.5]]
    assert made.inputs.dtype == np.float16
    assert made.metadata["vector"] == {"a": 4, "b": 0}


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.floats(width=32)))
def test_any_dict_gives_its_finite_numbers_or_a_refusal(payload):
    numbers = {k: v for k, v in payload.items() if type(v) is float}
    if not numbers or not all(np.isfinite(v) for v in numbers.values()):
        with pytest.raises(PipelineError):
            vector(payload)
    else:
        assert vector(payload).inputs.tolist() == [[numbers[k] for k in sorted(numbers)]]


def test_classes_are_told_likeliest_first():
    got = topk([[0.0, np.log(6), np.log(3)]], k=2, labels=["a", "b"])
    assert got == {
        "classes": [
            {"index": 1, "label": "b", "confidence": 0.6},
            {"index": 2, "label": "2", "confidence": 0.3},
        ],
        "label": "b",
        "confidence": 0.6,
    }
    assert len(topk(np.zeros(1000))["classes"]) == 3
    assert topk([1, 2], labels="air_quality")["label"] == "stuffy"


def test_probabilities_and_independent_classes():
    assert topk([0.2, 0.7], activation="none")["confidence"] == pytest.approx(0.7)
    assert topk([0.0, -1.0], activation="sigmoid")["confidence"] == 0.5


def test_extreme_scores_stay_probabilities():
    assert topk([1e30, -1e30, np.inf])["confidence"] == 1.0
    for bad in ([], [np.nan, 1]):
        with pytest.raises(PipelineError):
            topk(bad)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), st.integers(1, 5))
def test_confidences_fall_and_stay_within_one(logits, k):
    got = [each["confidence"] for each in topk(logits, k=k)["classes"]]
    assert len(got) == min(k, len(logits))
    assert got == sorted(got, reverse=True)
    assert 0 <= sum(got) <= 1 + 1e-4
