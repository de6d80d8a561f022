"""The real detector on real pictures: the face that is there, and none where there is none."""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from edgeflow.assets import pull
from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError, EngineError, PayloadError
from edgeflow.nodes.vision import FaceBlur, FaceDetector

FACE = np.array([65, 37, 113, 97])
"""Where the face is in the first picture of carphone, judged by eye, in pixels."""


def pictures(clip: str, every: int) -> list[np.ndarray]:
    with av.open(str(pull(clip))) as container:
        decoded = enumerate(container.decode(video=0))
        return [frame.to_ndarray(format="bgr24") for n, frame in decoded if n % every == 0]


@pytest.fixture(scope="module")
def carphone() -> list[np.ndarray]:
    return pictures("carphone", every=10)


@pytest.fixture
def detector() -> Iterator[FaceDetector]:
    node = FaceDetector(name="detector")
    node.configure()
    yield node
    node.teardown()


def faces_in(detector: FaceDetector, image: np.ndarray) -> list[dict[str, Any]]:
    data, meta = detector.process(image)
    assert data is image
    return meta["faces"]


def test_the_face_is_found_where_it_is(detector: FaceDetector, carphone: list[np.ndarray]) -> None:
    (face,) = faces_in(detector, carphone[0])
    assert np.abs(np.array(face["box"]) - FACE).max() <= 5
    assert face["score"] > 0.85
    left_eye, right_eye, nose, left_mouth, right_mouth = face["landmarks"]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_exactly_one_face_in_every_picture(
    detector: FaceDetector, carphone: list[np.ndarray]
) -> None:
    found = [faces_in(detector, image) for image in carphone]
    assert [len(faces) for faces in found] == [1] * len(carphone)
    assert min(faces[0]["score"] for faces in found) > 0.75


def test_the_box_follows_the_size_of_the_image(
    detector: FaceDetector, carphone: list[np.ndarray]
) -> None:
    large = np.repeat(np.repeat(carphone[0], 3, axis=0), 3, axis=1)
    (face,) = faces_in(detector, large)
    assert np.abs(np.array(face["box"]) / 3 - FACE).max() <= 5


@pytest.mark.parametrize("clip", ["bigbuckbunny"])
def test_silent_on_a_film_without_people(detector: FaceDetector, clip: str) -> None:
    assert [faces_in(detector, image) for image in pictures(clip, every=33)] == [[]] * 4


@pytest.mark.parametrize("shape", [(144, 176, 3), (480, 640, 3), (64, 64), (50, 70, 4), (8, 8, 1)])
def test_silent_on_blank_and_noise(detector: FaceDetector, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for image in (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise):
        assert faces_in(detector, image) == []


def test_gray_pictures_work_too(detector: FaceDetector, carphone: list[np.ndarray]) -> None:
    gray = carphone[0].mean(axis=2).astype(np.uint8)
    (face,) = faces_in(detector, gray)
    assert np.abs(np.array(face["box"]) - FACE).max() <= 6


@pytest.mark.parametrize("method", ["pixelate", "blur"])
def test_a_hidden_face_is_found_no_more(
    detector: FaceDetector, carphone: list[np.ndarray], method: str
) -> None:
    hide = FaceBlur(name="privacy", method=method, outlined=False)
    hide.configure()
    for image in carphone[::4]:
        hide.frame = Frame(data=image, meta={"faces": faces_in(detector, image)})
        assert faces_in(detector, hide.process(image)) == []


def test_every_repeats_the_last_faces_in_between(carphone: list[np.ndarray]) -> None:
    node = FaceDetector(name="detector", every=3)
    node.configure()
    blank = np.zeros_like(carphone[0])
    images = [carphone[0], blank, blank, blank, carphone[0]]
    assert [len(faces_in(node, image)) for image in images] == [1, 1, 1, 0, 0]
    node.teardown()


@pytest.mark.parametrize(
    "data", ["text", b"bytes", {"a": 1}, np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8)]
)
def test_what_is_no_image_is_refused(detector: FaceDetector, data: Any) -> None:
    with pytest.raises(PayloadError, match="node 'detector' takes uint8 images"):
        detector.process(data)


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx"):
        FaceDetector(name="detector", model="absent.onnx").configure()


@pytest.mark.parametrize("options", [{"every": 0}, {"longest": 0}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        FaceDetector(name="detector", **options).configure()
