"""The decoder on hand-made maps, by the paper's formula worked out on paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.nodes.vision.centerface import Faces, decode, input_size, suppress, to_tensor


class Maps:
    """Blank output tensors of a network input of 4 * width x 4 * height."""

    def __init__(self, width: int = 16, height: int = 8) -> None:
        self.heatmap = np.zeros((1, 1, height, width), np.float32)
        self.scale = np.zeros((1, 2, height, width), np.float32)
        self.offset = np.zeros((1, 2, height, width), np.float32)
        self.landmarks = np.zeros((1, 10, height, width), np.float32)

    def put(
        self,
        row: int,
        column: int,
        score: float,
        size: tuple[float, float],
        offset: tuple[float, float] = (0, 0),
    ) -> None:
        """Place a face: ``size`` is (height, width) in cells, ``offset`` is (y, x)."""
        self.heatmap[0, 0, row, column] = score
        self.scale[0, :, row, column] = np.log(size)
        self.offset[0, :, row, column] = offset

    def faces(self, image_size: tuple[int, int] = (64, 32), threshold: float = 0.5) -> Faces:
        return decode(
            self.heatmap,
            self.scale,
            self.offset,
            self.landmarks,
            image_size=image_size,
            threshold=threshold,
        )


def test_one_peak_is_one_box() -> None:
    maps = Maps()
    maps.put(row=4, column=6, score=0.9, size=(4, 2), offset=(0.25, -0.5))
    faces = maps.faces()
    # centre: x = (6 - 0.5 + 0.5) * 4 = 24, y = (4 + 0.25 + 0.5) * 4 = 19; 8 wide, 16 high
    np.testing.assert_allclose(faces.boxes, [[20, 11, 28, 27]], atol=1e-4)
    np.testing.assert_allclose(faces.scores, [0.9])


def test_landmarks_are_relative_to_the_box() -> None:
    maps = Maps()
    maps.put(row=4, column=6, score=0.9, size=(4, 2), offset=(0.25, -0.5))
    ys, xs = (0.25, 0.25, 0.5, 0.75, 0.75), (0.25, 0.75, 0.5, 0.25, 0.75)
    maps.landmarks[0, 0::2, 4, 6], maps.landmarks[0, 1::2, 4, 6] = ys, xs
    expected = [[20 + 8 * x, 11 + 16 * y] for x, y in zip(xs, ys, strict=True)]
    np.testing.assert_allclose(maps.faces().landmarks[0], expected, atol=1e-4)


def test_boxes_are_in_pixels_of_the_original_image_and_inside_it() -> None:
    maps = Maps()
    maps.put(row=0, column=0, score=0.8, size=(4, 4))
    faces = maps.faces(image_size=(640, 160))  # ten times wider, five times higher
    np.testing.assert_allclose(faces.boxes, [[0, 0, 100, 50]], atol=1e-3)
    corner = np.array([2 - 8, 2 - 8]) * (10, 5)
    np.testing.assert_allclose(faces.landmarks[0], [corner] * 5, atol=1e-3)


def test_the_weaker_of_two_boxes_on_one_face_goes() -> None:
    maps = Maps()
    maps.put(row=4, column=6, score=0.8, size=(4, 4))
    maps.put(row=4, column=7, score=0.9, size=(4, 4))
    maps.put(row=4, column=13, score=0.7, size=(4, 4))
    maps.put(row=1, column=1, score=0.4, size=(2, 2))
    np.testing.assert_allclose(maps.faces().scores, [0.9, 0.7])
    np.testing.assert_allclose(maps.faces(threshold=0.3).scores, [0.9, 0.7, 0.4])


def test_blank_maps_hold_no_face() -> None:
    faces = Maps().faces()
    assert (faces.boxes.shape, faces.scores.shape, faces.landmarks.shape) == (
        (0, 4),
        (0,),
        (0, 5, 2),
    )


def test_a_heatmap_full_of_peaks_stays_affordable() -> None:
    maps = Maps(160, 120)
    maps.heatmap[:] = np.linspace(0.6, 0.9, 160 * 120, dtype=np.float32).reshape(120, 160)
    faces = maps.faces((640, 480))
    assert 0 < len(faces.scores) <= 500
    assert faces.scores[0] == pytest.approx(0.9)


def test_suppress_keeps_what_does_not_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 0, 0]], float)
    scores = np.array([0.5, 0.9, 0.7, 0.1])
    assert suppress(boxes, scores, 0.3).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, 0.95).tolist() == [1, 2, 0, 3]


@given(
    hnp.arrays(np.float32, (1, 1, 4, 6), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (1, 2, 4, 6), elements=st.floats(-4, 4, width=32)),
)
def test_boxes_lie_in_the_image_best_first(heatmap: np.ndarray, scale: np.ndarray) -> None:
    offset = np.zeros((1, 2, 4, 6), np.float32)
    landmarks = np.zeros((1, 10, 4, 6), np.float32)
    faces = decode(heatmap, scale, offset, landmarks, image_size=(100, 50))
    assert (faces.boxes >= 0).all()
    assert (faces.boxes <= [100, 50, 100, 50]).all()
    assert (faces.boxes[:, :2] <= faces.boxes[:, 2:]).all()
    assert (np.diff(faces.scores) <= 0).all()
    assert (faces.scores > 0.5).all()


@pytest.mark.parametrize(
    ("image", "longest", "expected"),
    [
        ((176, 144), 256, (256, 224)),
        ((640, 480), 256, (256, 192)),
        ((480, 640), 320, (256, 320)),
        ((1920, 1080), 640, (640, 384)),
        ((4000, 1), 256, (256, 32)),
        ((1, 1), 1, (32, 32)),
    ],
)
def test_input_sizes_are_multiples_of_32(
    image: tuple[int, int], longest: int, expected: tuple[int, int]
) -> None:
    assert input_size(*image, longest) == expected


def test_tensors_are_rgb_planes() -> None:
    image = np.zeros((8, 16, 3), np.uint8)
    image[:] = (10, 20, 30)
    tensor = to_tensor(image, (32, 64))
    assert (tensor.dtype, tensor.shape) == (np.dtype(np.float32), (1, 3, 64, 32))
    assert [float(tensor[0, plane].mean()) for plane in range(3)] == [30, 20, 10]
    assert tensor.flags.c_contiguous
