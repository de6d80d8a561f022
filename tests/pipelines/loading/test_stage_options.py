from pathlib import Path

import pytest

from edgeflow.errors import GraphError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.message import EdgeMessage

FILE = """\
connectors:
  - {{id: push, type: http, port: 0, topics: [{{filter: /env, pipeline: [one, two]}}]}}
pipelines:
  - {{id: one, preprocess: {{use: {pre}}}, postprocess: {{use: {post}}}}}
  - {{id: two, postprocess: {{use: {post}}}}}
"""


def check(tmp_path: Path, *, pre: str = "env.vector_to_tensor", post: str = "anomaly.zscore"):
    return load_text(FILE.format(pre=pre, post=post), tmp_path / "pipelines.yaml")


def problems(tmp_path: Path, **stages: str) -> str:
    with pytest.raises(GraphError) as caught:
        check(tmp_path, **stages)
    return str(caught.value)


def test_a_stage_that_remembers_is_one_object_for_each_place(tmp_path):
    plans = check(tmp_path, post="anomaly.zscore, warm_up: 2").pipelines
    first, second = (plan.steps[0].postprocess for plan in plans)
    assert first is not None
    assert second is not None
    scores = []
    for value in (1.0, 2.0, 1.0, 50.0):
        message = EdgeMessage(sensor_id="s", payload={"t": value})
        scores.append(first(InferResponse("", ""), message)["anomaly"])
    assert scores == [False, False, False, True]
    assert not second(InferResponse("", ""), message)["anomaly"]


def test_options_of_a_stage_that_remembers_are_checked(tmp_path):
    text = problems(tmp_path, post="anomaly.zscore, treshold: 3")
    assert "did you mean 'threshold'" in text
    assert "greater than 0" in problems(tmp_path, post="anomaly.zscore, half_life: -1")


def test_options_of_built_in_stages_are_checked(tmp_path):
    for post, want in (
        ("vision.yolo_nms, conf: 1.5", "less than or equal to 1"),
        ("vision.yolo_nms, activation: twice", "sigmoid"),
        ("env.softmax_topk, k: 0", "greater than or equal to 1"),
        ("vision.yolo_nms, max_detections: 0", "greater than or equal to 1"),
        ("vision.yolov8, onli: [person]", "did you mean 'only'"),
        ("vision.yolo_nns", "did you mean 'vision.yolo_nms'"),
        ("anomaly.Baseline", "is no function"),
    ):
        assert want in problems(tmp_path, post=post)
    assert "size" in problems(tmp_path, pre="vision.jpeg_to_yolov5, size: 1")
    assert "pad" in problems(tmp_path, pre="vision.jpeg_to_yolov5, pad: 300")
    assert "no such option" in problems(tmp_path, pre="vision.to_centernet, pad: 3")
    check(
        tmp_path,
        pre="vision.jpeg_to_yolov5, size: [384, 640], dtype: fp32",
        post="vision.yolo_nms, labels: [person, dog], only: [person]",
    )
