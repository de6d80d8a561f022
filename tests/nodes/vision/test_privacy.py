from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.core.frame import Frame
from edgeflow.errors import NodeError, PayloadError
from edgeflow.nodes.vision import BoxDrawer, FaceBlur
from edgeflow.nodes.vision.privacy import Region, regions

FACES = [{"box": [20.2, 10.6, 50.0, 40.0], "score": 0.9}]


def picture() -> np.ndarray:
    image = np.random.default_rng(7).integers(0, 256, (60, 80, 3), np.uint8)
    image.flags.writeable = False
    return image


def run(node: BoxDrawer, image: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    node.frame = Frame(data=image, meta=meta)
    node.configure()
    return node.process(image)


@pytest.mark.parametrize("method", ["pixelate", "blur"])
def test_only_the_face_changes_and_only_in_the_copy(method: str) -> None:
    image = picture()
    before = image.copy()
    node = FaceBlur(name="privacy", method=method, outlined=False, margin=0)
    result = run(node, image, {"faces": FACES})
    np.testing.assert_array_equal(image, before)
    changed = (result != image).any(axis=2)
    inside = np.zeros((60, 80), bool)
    inside[10:40, 20:50] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.95


def test_pixelating_leaves_25_tiles_whatever_the_size_of_the_face() -> None:
    image = np.random.default_rng(3).integers(0, 256, (400, 400, 3), np.uint8)
    node = FaceBlur(name="privacy", outlined=False, margin=0)
    result = run(node, image, {"faces": [{"box": [0, 0, 400, 400]}]})
    assert len(np.unique(result.reshape(-1, 3), axis=0)) <= 25


def test_a_box_is_drawn_around_the_face() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    node = BoxDrawer(name="boxes", colour=(1, 2, 3), margin=0)
    result = run(node, image, {"faces": [{"box": [100, 100, 200, 200], "score": 0.93}]})
    assert (result[100, 100:200] == (1, 2, 3)).all()
    assert (result[100:200, 199] == (1, 2, 3)).all()
    assert not result[110:190, 110:190].any()
    assert result[70:98, 100:200].any(), "the label is above the box"
    assert not result[:60].any()


def test_the_label_moves_inside_at_the_upper_edge() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    result = run(BoxDrawer(name="boxes"), image, {"faces": [{"box": [9, 0, 99, 99], "score": 1}]})
    assert result[8:30, 12:60].any()


@pytest.mark.parametrize("kind", [BoxDrawer, FaceBlur])
def test_without_faces_the_picture_stays(kind: type[BoxDrawer]) -> None:
    image = picture()
    np.testing.assert_array_equal(run(kind(name="n"), image, {"faces": []}), image)


@pytest.mark.parametrize("kind", [BoxDrawer, FaceBlur])
def test_a_frame_that_no_detector_saw_is_refused(kind: type[BoxDrawer]) -> None:
    with pytest.raises(NodeError, match="does not say where faces are") as caught:
        run(kind(name="privacy"), picture(), {})
    assert "FaceDetector" in caught.value.hint


@pytest.mark.parametrize(
    "faces",
    [
        None,
        3,
        "face",
        [3],
        [{}],
        [{"box": [1, 2]}],
        [{"box": [1, 2, 3, "x"]}],
        [{"box": [1, 2, 3, float("nan")]}],
        {"a": 1},
    ],
)
def test_faces_that_are_none_are_refused(faces: Any) -> None:
    with pytest.raises(PayloadError, match="not a list of faces"):
        run(FaceBlur(name="privacy"), picture(), {"faces": faces})


def test_an_unknown_method_is_refused_at_once() -> None:
    with pytest.raises(NodeError, match="no method 'smear'"):
        FaceBlur(name="privacy", method="smear").configure()


def test_margins_are_cut_to_the_image() -> None:
    faces = [{"box": [0, 10, 20, 30], "score": 0.5}]
    assert list(regions(faces, 80, 60, margin=0.5)) == [(Region(0, 5, 25, 35), 0.5)]


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 4), max_size=5), st.floats(0, 3))
def test_regions_are_never_empty_nor_outside(
    boxes: list[tuple[float, float, float, float]], margin: float
) -> None:
    faces = [{"box": list(box)} for box in boxes]
    for region, _ in regions(faces, 80, 60, margin):
        assert 0 <= region.left < region.right <= 80
        assert 0 <= region.top < region.bottom <= 60
