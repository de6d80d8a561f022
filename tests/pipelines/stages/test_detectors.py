from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, PipelineError
from edgeflow.inference.requests import InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import vision
from edgeflow.pipelines.stages.boxes import fit_picture, suppress
from edgeflow.pipelines.stages.class_names import class_names
from edgeflow.pipelines.stages.serializers import decode

RECORDED = Path(__file__).parents[2] / "data" / "detections" / "nanodet_vtest_300.npz"


def response(*outputs, names=None) -> InferResponse:
    names = names or [f"out{i}" for i in range(len(outputs))]
    return InferResponse("model", "1", dict(zip(names, outputs, strict=True)))


def message(height: int, width: int, size: int, *, stretch: bool = False) -> EdgeMessage:
    _, fit = fit_picture(np.zeros((height, width, 3), np.uint8), (size, size), stretch=stretch)
    notes = {"image_hw": [height, width], "letterbox": fit.notes()}
    return EdgeMessage(sensor_id="cam", payload=b"", metadata=notes)


def yolo_rows(*rows, total: int = 50, classes: int = 80) -> np.ndarray:
    """Rows of (cx, cy, w, h, objectness, class, score) among background."""
    table = np.zeros((1, total, 5 + classes), np.float32)
    for row, (cx, cy, w, h, found, number, score) in zip(table[0], rows, strict=False):
        row[:5] = cx, cy, w, h, found
        row[5 + number] = score
    return table


VGA = message(480, 640, 640)


def test_yolo_boxes_come_back_in_pixels_of_the_picture():
    rows = yolo_rows((320, 320, 100, 50, 0.9, 0, 0.8), (100, 100, 20, 20, 0.9, 2, 0.9))
    for dtype in (np.float16, np.float32):
        got = vision.yolo_nms(response(rows.astype(dtype)), VGA)
        assert [each["label"] for each in got["detections"]] == ["car", "person"]
        person = got["detections"][1]
        assert person["class_id"] == 0
        assert person["confidence"] == pytest.approx(0.72, abs=1e-3)
        assert person["bbox"] == [270, 215, 370, 265]
        assert got["image_hw"] == [480, 640]


def test_yolo_background_never_passes_and_nothing_is_an_empty_list():
    assert vision.yolo_nms(response(yolo_rows()), VGA)["detections"] == []
    logits = np.full((1, 100, 85), -8.0, np.float16)
    assert vision.yolo_nms(response(logits), VGA)["detections"] == []
    nothing = np.zeros((1, 0, 85), np.float32)
    assert vision.yolo_nms(response(nothing), VGA)["detections"] == []
    broken = np.full((1, 100, 85), np.nan, np.float32)
    assert vision.yolo_nms(response(broken), VGA)["detections"] == []


def test_yolo_logits_get_exactly_one_sigmoid():
    rows = yolo_rows((320, 320, 100, 50, 0, 0, 0))
    rows[0, :, 4:] = -8
    rows[0, 0, 4], rows[0, 0, 5] = 2.0, 3.0
    want = 1 / (1 + np.exp(-2)) / (1 + np.exp(-3))
    for activation in ("auto", "sigmoid"):
        (got,) = vision.yolo_nms(response(rows), VGA, activation=activation)["detections"]
        assert got["confidence"] == pytest.approx(want, abs=1e-3)
    ready = yolo_rows((320, 320, 100, 50, 0.5, 0, 0.6))
    for activation in ("auto", "none"):
        (got,) = vision.yolo_nms(response(ready), VGA, activation=activation)["detections"]
        assert got["confidence"] == pytest.approx(0.3, abs=1e-3)


def test_yolo_suppression_knows_classes_only_where_asked():
    rows = yolo_rows(
        (320, 320, 100, 100, 1, 0, 0.9),
        (322, 320, 100, 100, 1, 0, 0.8),
        (324, 320, 100, 100, 1, 1, 0.7),
        (500, 320, 100, 100, 1, 1, 0.6),
    )
    count = lambda **o: len(vision.yolo_nms(response(rows), VGA, **o)["detections"])  # noqa: E731
    assert count() == 2
    assert count(per_class=True) == 3
    assert count(iou=1.0) == 4
    assert count(conf=0.65) == 1
    assert count(iou=1.0, max_detections=3) == 3
    assert count(only=["bicycle"]) == 2
    with pytest.raises(PipelineError, match="did you mean 'bicycle'"):
        count(only=["bicycel"])


def test_labels_come_from_lists_and_files(tmp_path):
    rows = response(yolo_rows((320, 320, 10, 10, 1, 1, 0.9), classes=3))
    names = tmp_path / "names.txt"
    names.write_text("nut\nbolt\n", "utf-8")
    for labels, want in ((str(names), "bolt"), (["a", "b", "c"], "b"), (None, "1"), (["a"], "1")):
        (got,) = vision.yolo_nms(rows, VGA, labels=labels)["detections"]
        assert (got["label"], got["class_id"]) == (want, 1)
    for wrong in ("cocoo", str(tmp_path / "absent.txt")):
        with pytest.raises(ConfigError):
            vision.yolo_nms(rows, VGA, labels=wrong)
    assert [class_names("coco91")[i] for i in (0, 1, 13, 90)] == [
        "background",
        "person",
        "stop sign",
        "toothbrush",
    ]


def test_boxes_are_clipped_to_the_picture():
    rows = yolo_rows((10, 80, 60, 60, 1, 0, 0.9))
    (got,) = vision.yolo_nms(response(rows), VGA)["detections"]
    assert got["bbox"] == [0, 0, 40, 30]


def test_without_notes_boxes_are_those_of_the_input():
    rows = yolo_rows((10, 80, 60, 60, 1, 0, 0.9))
    got = vision.yolo_nms(response(rows), EdgeMessage(sensor_id="x", payload=b""))
    assert got == {
        "detections": [
            {"label": "person", "class_id": 0, "confidence": 0.9, "bbox": [-20, 50, 40, 110]}
        ]
    }


@pytest.mark.parametrize("stage", [vision.yolo_nms, vision.yolov8, vision.nanodet, vision.ssd])
@pytest.mark.parametrize("shape", [(1, 3), (1000,), (), (1, 4, 4, 4)])
def test_outputs_of_another_model_are_named(stage, shape):
    with pytest.raises(PipelineError, match="model 'model' gave out0"):
        stage(response(np.zeros(shape, np.float32)), VGA)
    with pytest.raises(PipelineError, match="no output"):
        stage(response(), VGA)


def test_yolov8_has_columns_and_no_objectness():
    table = np.zeros((1, 84, 300), np.float32)
    table[0, :4, 7] = 320, 320, 100, 50
    table[0, 4 + 2, 7] = 0.6
    for layout in (table, table.transpose(0, 2, 1)):
        (got,) = vision.yolov8(response(layout), VGA)["detections"]
        assert (got["label"], got["bbox"]) == ("car", [270, 215, 370, 265])
        assert got["confidence"] == pytest.approx(0.6, abs=1e-3)


# --- NanoDet -------------------------------------------------------------------------------


def test_nanodet_finds_the_six_pedestrians_of_the_recorded_picture():
    outputs = decode("npz", RECORDED.read_bytes())
    names = sorted(outputs, reverse=True)
    got = vision.nanodet(
        response(*(outputs[name] for name in names), names=names), message(576, 768, 416)
    )
    people = [each for each in got["detections"] if each["label"] == "person"]
    assert len(people) == 6
    assert all(0.67 < each["confidence"] < 0.83 for each in people)
    centres = sorted(round((each["bbox"][0] + each["bbox"][2]) / 2) for each in people)
    assert centres == pytest.approx([202, 253, 310, 329, 597, 631], abs=3)
    heights = [each["bbox"][3] - each["bbox"][1] for each in people]
    assert all(60 < height < 85 for height in heights)


def nanodet_outputs(level: int, cell: int, distances: list[int], size: int) -> list[np.ndarray]:
    outputs = []
    for number, stride in enumerate((8, 16, 32)):
        cells = (-(-size // stride)) ** 2
        scores = np.zeros((1, cells, 80), np.float32)
        bins = np.zeros((1, cells, 44), np.float32)
        if number == level:
            scores[0, cell, 5] = 0.8
            for side, distance in enumerate(distances):
                bins[0, cell, side * 11 + distance] = 50.0
        outputs += [scores, bins]
    return outputs


@given(
    st.integers(0, 2),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 10), min_size=4, max_size=4),
    st.permutations(range(6)),
)
def test_nanodet_boxes_are_distances_in_strides_from_the_centre(level, cell, distances, order):
    size, stride = 160, (8, 16, 32)[level]
    side = size // stride
    cell %= side * side
    outputs = nanodet_outputs(level, cell, distances, size)
    shuffled = response(*(outputs[i] for i in order))
    (got,) = vision.nanodet(shuffled, message(160, 160, 160))["detections"]
    x, y = (cell % side + 0.5) * stride, (cell // side + 0.5) * stride
    left, top, right, bottom = (distance * stride for distance in distances)
    want = np.clip([x - left, y - top, x + right, y + bottom], 0, 160)
    assert got["bbox"] == pytest.approx(list(want), abs=0.11)
    assert got["label"] == "bus"


def test_nanodet_of_another_size_is_named():
    outputs = nanodet_outputs(0, 0, [1, 1, 1, 1], 320)
    with pytest.raises(PipelineError, match="do not fit an input"):
        vision.nanodet(response(*outputs), VGA)


# --- graphs that give boxes ----------------------------------------------------------------


def test_ssd_in_both_forms():
    where = message(300, 600, 300, stretch=True)
    rows = np.zeros((1, 1, 20, 7), np.float32)
    rows[0, 0, 0] = 0, 1, 0.9, 0.1, 0.2, 0.5, 0.6
    rows[0, 0, 1] = 0, 3, 0.4, 0.1, 0.2, 0.5, 0.6
    boxes = rows[0, 0, None][:, :, [4, 3, 6, 5]]
    separate = response(
        boxes,
        rows[0, :, :, 1],
        rows[0, :, :, 2],
        np.array([2.0], np.float32),
        names=["detection_boxes", "detection_classes", "detection_scores", "num_detections"],
    )
    for given_response in (response(rows), separate):
        (got,) = vision.ssd(given_response, where)["detections"]
        assert (got["label"], got["bbox"]) == ("person", [60, 60, 300, 180])
    assert len(vision.ssd(response(rows), where, conf=0.3)["detections"]) == 2


def test_centernet_rows():
    rows = np.zeros((1, 100, 6), np.float32)
    rows[0, 0] = 270, 295, 370, 345, 0.65, 0
    (got,) = vision.centernet(response(rows), VGA)["detections"]
    assert (got["label"], got["bbox"]) == ("person", [270, 215, 370, 265])


def test_centerface_cells():
    heat = np.zeros((1, 1, 160, 160), np.float32)
    size, offset = np.zeros((2, 1, 2, 160, 160), np.float32)
    heat[0, 0, 80, 40] = 0.9
    size[0, :, 80, 40] = np.log(10), np.log(5)
    (got,) = vision.centerface(response(heat, size, offset), VGA)["detections"]
    assert (got["label"], got["bbox"]) == ("face", [152, 222, 172, 262])


# --- suppression ---------------------------------------------------------------------------

box = st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 20)] * 2)


def brute_force(boxes, scores, iou, groups):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        for j in kept:
            low = np.maximum(boxes[i][:2], boxes[j][:2])
            high = np.minimum(boxes[i][2:], boxes[j][2:])
            shared = np.prod(np.maximum(high - low, 0))
            area = [np.prod(boxes[k][2:] - boxes[k][:2]) for k in (i, j)]
            if groups[i] == groups[j] and shared > iou * (sum(area) - shared):
                break
        else:
            kept.append(i)
    return kept


@given(
    st.lists(st.tuples(box, st.integers(0, 2)), max_size=25),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.booleans(),
)
def test_suppression_does_what_its_definition_says(items, iou, grouped):
    boxes = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in items], np.float32).reshape(-1, 4)
    scores = np.linspace(1, 0, len(items))
    groups = np.array([g if grouped else 0 for _, g in items], int)
    got = suppress(boxes, scores, iou, 100, groups if grouped else None)
    assert got.tolist() == brute_force(boxes, scores, iou, groups)
