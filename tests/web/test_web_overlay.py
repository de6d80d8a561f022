"""Boxes and zones over pictures, for viewers only."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_doors import client_of, serving

from edgeflow import Frame
from edgeflow.web.images import encode_jpeg
from edgeflow.web.overlay import draw, has_overlay

PERSON = {"label": "person", "confidence": 0.9, "bbox": [20, 30, 60, 90]}
DOOR = {"name": "door", "polygon": [(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)]}


def grey(height=100, width=200):
    return np.full((height, width, 3), 100, np.uint8)


def changed(image):
    """Return the bounding box (left, top, right, bottom) of what is no longer grey, or None."""
    rows, columns = np.nonzero((np.abs(image.astype(int) - 100) > 8).any(axis=2))
    return (columns.min(), rows.min(), columns.max(), rows.max()) if len(rows) else None


def test_a_box_is_drawn_where_it_says():
    image = grey()
    draw(image, {"detections": [{**PERSON, "label": "", "confidence": 0}]})
    left, _, right, bottom = changed(image)
    assert abs(left - 20) <= 2 and right >= 60 and abs(bottom - 90) <= 2
    assert changed(image[35:85, 25:55]) is None  # nothing inside the box


def test_a_zone_tints_its_inside_and_nothing_else():
    image = grey()
    draw(image, {"zones": [DOOR]})
    assert changed(image[60:90, 110:190]) is not None
    assert changed(image[:40, :90]) is None
    active = grey()
    draw(active, {"zones": [{**DOOR, "active": True}]})
    assert (active[80, 150] != image[80, 150]).any()


def test_a_zone_is_occupied_where_a_detection_stands():
    outside, inside = grey(), grey()
    draw(outside, {"zones": [DOOR], "detections": [{**PERSON, "bbox": [120, 10, 140, 40]}]})
    draw(inside, {"zones": [DOOR], "detections": [{**PERSON, "bbox": [120, 10, 140, 80]}]})
    assert (outside[90, 180] != inside[90, 180]).any()


def test_a_zone_is_occupied_by_what_it_watches_for_only():
    ball = [{**PERSON, "label": "ball", "bbox": [120, 10, 140, 80]}]
    watching, any_label = grey(), grey()
    draw(watching, {"zones": [{**DOOR, "labels": ["person"]}], "detections": ball})
    draw(any_label, {"zones": [DOOR], "detections": ball})
    assert (watching[90, 180] != any_label[90, 180]).any()


def test_boxes_follow_a_picture_that_was_shrunk():
    frame = grey(400, 800)
    meta = {"detections": [{"label": "", "confidence": 1, "bbox": [400, 200, 720, 380]}]}
    small = cv2.imdecode(np.frombuffer(encode_jpeg(frame, 95, 200, meta), np.uint8), 1)
    assert small.shape == (100, 200, 3)
    left, _, right, bottom = changed(small)
    assert abs(left - 100) <= 3 and abs(right - 180) <= 3 and abs(bottom - 95) <= 3
    assert (frame == 100).all()


def test_boxes_follow_a_jpeg_that_was_shrunk_or_turned():
    meta = {"detections": [{"label": "", "confidence": 1, "bbox": [400, 200, 720, 380]}]}
    jpeg = encode_jpeg(grey(400, 800), 95, None)
    small = cv2.imdecode(np.frombuffer(encode_jpeg(jpeg, 95, 200, meta), np.uint8), 1)
    assert small.shape == (100, 200, 3)
    left, _, right, bottom = changed(small)
    assert abs(left - 100) <= 3 and abs(right - 180) <= 3 and abs(bottom - 95) <= 3
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:]
    for width, shape in ((None, (800, 400)), (100, (200, 100))):
        shown = cv2.imdecode(np.frombuffer(encode_jpeg(turned, 95, width), np.uint8), 1)
        assert shown.shape[:2] == shape


def test_a_jpeg_that_asks_for_too_much_memory_is_not_decoded():
    jpeg = bytearray(encode_jpeg(grey(), 95, None))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xff\x00\xff\x00"
    with pytest.raises(ValueError, match="EDGEFLOW_MAX_FRAME_BYTES"):
        encode_jpeg(bytes(jpeg), 80, 16)


def test_jpeg_bytes_and_grey_pictures_are_drawn_on_too():
    meta = {"detections": [PERSON]}
    jpeg = encode_jpeg(grey(), 95, None)
    for source in (jpeg, np.full((100, 200), 100, np.uint8)):
        shown = cv2.imdecode(np.frombuffer(encode_jpeg(source, 95, None, meta), np.uint8), 1)
        assert changed(shown) is not None


@pytest.mark.parametrize(
    "meta",
    [
        {"detections": "person"},
        {"detections": [None, 3, {}, {"bbox": [1, 2]}, {"bbox": ["a", 1, 2, 3]}]},
        {"detections": [{"bbox": [float("nan"), 0, 1, 1]}, {"bbox": [0, 0, 1e30, 1]}]},
        {"zones": [{}, {"polygon": [(0, 0)]}, {"polygon": "x"}, {"polygon": [(0, 0)] * 1000}]},
    ],
)
def test_what_is_no_box_is_left_out(meta):
    image = grey()
    draw(image, meta)
    assert changed(image) is None


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["bbox", "label", "confidence", "polygon"]), inner)
    ),
    max_leaves=12,
)


@given(detections=json_like, zones=json_like)
def test_nothing_in_meta_can_break_the_picture(detections, zones):
    draw(grey(20, 30), {"detections": detections, "zones": zones})


def test_has_overlay_asks_for_content():
    assert not has_overlay({"detections": [], "zones": []})
    assert has_overlay({"zones": [DOOR]})


def test_viewers_see_boxes_unless_they_ask_for_none():
    frame = Frame(data=grey(), id=1, topic="camera", meta={"detections": [PERSON]})
    with serving() as server, client_of(server) as client:
        server.publish(frame)
        drawn = client.get("/snapshot/camera").content
        plain = client.get("/snapshot/camera?overlay=false").content
    assert changed(cv2.imdecode(np.frombuffer(drawn, np.uint8), 1)) is not None
    assert changed(cv2.imdecode(np.frombuffer(plain, np.uint8), 1)) is None
