"""Outputs and notes of any kind: a postprocessor gives a result or says what does not fit."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import anomaly, env, vision

FLAT = [(), (0,), (2,), (1, 2), (3, 6), (1, 4, 6), (1, 2, 7), (1, 1, 2, 7), (1, 2, 4)]
GRIDS = [(1, 3, 85), (1, 84, 9), (1, 4, 80), (1, 4, 44), (1, 16, 80), (1, 16, 44)]
MAPS = [(1, 1, 4, 4), (1, 2, 4, 4)]
shapes = st.sampled_from([*FLAT, *GRIDS, *MAPS])
outputs = st.lists(
    hnp.arrays(st.sampled_from(["f4", "f2"]), shapes, elements=st.floats(width=16)), max_size=6
)
names = ["boxes", "scores", "classes", "a", "b", "c"]
numbers = st.floats() | st.integers(-5, 5) | st.text(max_size=2) | st.none()
notes = st.fixed_dictionaries(
    {},
    optional={
        "image_hw": st.lists(st.integers(1, 50), min_size=2, max_size=2) | st.lists(numbers),
        "letterbox": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "scale": st.lists(numbers, max_size=3),
                "offset": st.lists(numbers, max_size=3),
                "size": st.just([16, 16]) | st.lists(numbers, max_size=3),
            },
        ),
    },
)

STAGES = [
    vision.yolo_nms,
    vision.yolov8,
    vision.nanodet,
    vision.ssd,
    vision.centernet,
    vision.centerface,
    env.softmax_topk,
    anomaly.reconstruction,
    anomaly.zscore(),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: getattr(stage, "__name__", "zscore"))
@settings(max_examples=50)
@given(given_outputs=outputs, metadata=notes)
def test_any_output_gives_finite_results_or_a_refusal(stage, given_outputs, metadata):
    message = EdgeMessage(sensor_id="s", payload=b"", metadata=metadata)
    response = InferResponse("m", "1", dict(zip(names, given_outputs, strict=False)))
    try:
        result = stage(response, message)
    except PipelineError as error:
        assert str(error)
        return
    json.dumps(result)
    for each in result.get("detections", ()):
        assert all(math.isfinite(value) for value in (*each["bbox"], each["confidence"]))
        assert isinstance(each["label"], str)


def test_values_beyond_floats_do_not_warn():
    table = np.full((1, 3, 85), np.finfo(np.float16).max, np.float16)
    message = EdgeMessage(sensor_id="s", payload=b"")
    assert isinstance(vision.yolo_nms(InferResponse("m", "1", {"o": table}), message), dict)
