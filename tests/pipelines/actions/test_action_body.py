import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acting import action
from edgeflow.errors import ActionError
from edgeflow.pipelines.actions.body import action_body, printable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def body(payload: object) -> object:
    return json.loads(action_body(action(payload), agent="guard", pipeline="vision").data)


@given(st.dictionaries(st.text(), JSON))
@settings(max_examples=30, deadline=None)
def test_json_like_payloads_travel_beside_their_origin(payload: dict[str, object]) -> None:
    assert body(payload) == {"agent": "guard", "pipeline": "vision", **payload}


def test_numpy_bytes_and_nan_have_a_form() -> None:
    payload = {"n": np.float32(0.5), "a": np.arange(3), "b": b"\0\1", "x": math.nan}
    expected = {"n": 0.5, "a": [0, 1, 2], "b": "AAE=", "x": None}
    assert body(payload) == {"agent": "guard", "pipeline": "vision", **expected}


def test_pictures_go_as_they_are() -> None:
    jpeg = b"\xff\xd8\xff\xe0rest"
    sent = action_body(action(jpeg), agent="guard", pipeline="vision")
    assert (sent.data, sent.content_type) == (jpeg, "image/jpeg")
    other = action_body(action(b"\0"), agent="guard", pipeline="vision")
    assert other.content_type == "application/octet-stream"


def test_a_payload_that_is_not_json_like_is_refused() -> None:
    circle: dict[str, object] = {}
    circle["self"] = circle
    for payload in ({"x": object()}, circle):
        with pytest.raises(ActionError):
            body(payload)


def test_log_lines_show_bytes_by_size() -> None:
    shown = printable({"jpeg": b"12345", "list": [b"1"], "long": "x" * 9999, "a": np.zeros((2, 3))})
    assert shown["jpeg"] == "<5 bytes>"
    assert shown["list"] == ["<1 bytes>"]
    assert len(shown["long"]) < 600
    assert shown["a"] == "<float64[2, 3]>"


def test_a_log_line_is_bounded_and_tells_what_it_leaves_out() -> None:
    boxes = [{"label": "person", "bbox": [1.5, 2.5, 3.5, 4.5]}] * 10_000
    shown = printable({"detections": boxes, "late": 1})
    assert shown["detections"][0] == boxes[0]
    *kept, rest = shown["detections"]
    assert rest == f"... {10_000 - len(kept)} more of 10000"
    assert shown["..."] == "... 1 more of 2"
    assert printable("x" * 700).endswith("x... (700 characters)")
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert "<list of 1>" in str(printable(deep))
    assert printable({"a": [1, None, "b"], "c": {"d": False}}) == {
        "a": [1, None, "b"],
        "c": {"d": False},
    }


@given(st.recursive(JSON, lambda inner: st.lists(inner, min_size=1).map(lambda x: x * 500)))
@settings(max_examples=30, deadline=None)
def test_any_log_line_is_bounded(payload: object) -> None:
    assert len(str(printable(payload))) < 20_000
