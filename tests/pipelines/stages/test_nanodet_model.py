"""The stages around the real models, on a real picture."""

import cv2
import msgspec
import numpy as np
import pytest

from edgeflow.inference.engines import open_engine
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import vision
from edgeflow.pipelines.stages.pictures import encode_picture
from pulled import pulled


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    clip = cv2.VideoCapture(str(pulled("vtest")))
    clip.set(cv2.CAP_PROP_POS_FRAMES, 300)
    found, frame = clip.read()
    clip.release()
    assert found
    return frame


@pytest.mark.parametrize("coding", ["array", "jpeg"])
@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        ("nanodet", vision.image_to_nanodet, vision.nanodet),
        ("yolov5n_coco", vision.jpeg_to_yolov5, vision.yolo_nms),
    ],
)
def test_six_pedestrians_are_found(picture, coding, model, before, after):
    payload = picture if coding == "array" else encode_picture(picture, quality=95)
    message = EdgeMessage(sensor_id="cam", payload=payload)
    prepared = before(message, payload)
    message = msgspec.structs.replace(message, metadata=prepared.metadata)
    with open_engine(pulled(model)) as engine:
        outputs = engine.infer({engine.spec.inputs[0].name: prepared.inputs})
    got = after(InferResponse(model, "1", outputs), message, conf=0.5)
    people = [each for each in got["detections"] if each["label"] == "person"]
    assert len(people) == 6
    assert {each["label"] for each in got["detections"]} <= {"person", "car", "truck"}
    assert all(0.64 < each["confidence"] < 0.84 for each in people)
