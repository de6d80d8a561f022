import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages import vision
from edgeflow.pipelines.stages.base import Prepared
from edgeflow.pipelines.stages.boxes import Fit, fit_picture
from edgeflow.pipelines.stages.pictures import decode_picture, encode_picture

PICTURE = np.zeros((60, 100, 3), np.uint8)
PICTURE[:, :50] = (255, 51, 0)  # blue, green, red
PICTURE[:, 50:] = (0, 51, 255)
PNG = encode_picture(PICTURE, "png")
JPEG = encode_picture(PICTURE)


def prepare(stage, payload, *, encoding="", metadata=None, **options) -> Prepared:
    message = EdgeMessage(
        sensor_id="cam", payload=payload, encoding=encoding, metadata=metadata or {}
    )
    return stage(message, payload, **options)


def test_yolov5_gets_a_letterbox_of_rgb_from_0_to_1():
    made = prepare(vision.jpeg_to_yolov5, PNG, size=100)
    assert made.inputs.shape == (1, 3, 100, 100)
    assert made.inputs.dtype == np.float16
    assert made.inputs.flags.c_contiguous
    assert made.inputs[0, :, 0, 0] == pytest.approx([114 / 255] * 3, abs=1e-3)
    assert made.inputs[0, :, 50, 10] == pytest.approx([0, 0.2, 1], abs=1e-3)
    assert made.inputs[0, :, 50, 90] == pytest.approx([1, 0.2, 0], abs=1e-3)
    assert made.metadata == {
        "image_hw": [60, 100],
        "letterbox": {"scale": [1, 1], "offset": [0, 20], "size": [100, 100]},
    }
    np.testing.assert_array_equal(made.image, PICTURE)


def test_yolov5_takes_decoded_pictures_as_a_camera_gives_them():
    want = prepare(vision.jpeg_to_yolov5, PNG).inputs
    assert want.shape == (1, 3, 640, 640)
    for stage in (vision.jpeg_to_yolov5, vision.bgr_frame_to_yolov5):
        np.testing.assert_array_equal(prepare(stage, PICTURE).inputs, want)
        raw = prepare(
            stage, PICTURE.tobytes(), encoding="bgr", metadata={"shape": list(PICTURE.shape)}
        )
        np.testing.assert_array_equal(raw.inputs, want)
    assert prepare(vision.jpeg_to_yolov5, PNG, dtype="fp32").inputs.dtype == np.float32


def test_nanodet_gets_bgr_normalised():
    made = prepare(vision.jpeg_to_nanodet, PICTURE).inputs
    assert made.shape == (1, 3, 416, 416)
    assert made.dtype == np.float32
    want = [(255 - 103.53) / 57.375, (51 - 116.28) / 57.12, (0 - 123.675) / 58.395]
    assert made[0, :, 208, 10] == pytest.approx(want, abs=1e-4)


def test_classifier_gets_the_middle():
    made = prepare(vision.to_classifier, PICTURE)
    assert made.inputs.shape == (1, 3, 224, 224)
    red_right = (255 - 123.675) / 58.395
    assert made.inputs[0, 0, 100, 220] == pytest.approx(red_right, abs=1e-4)
    fit = Fit.of(made.metadata)
    side = round(60 * 224 / 256)
    top_left = fit.back(np.zeros((1, 4), np.float32))[0, :2]
    assert top_left == pytest.approx([(100 - side) // 2, (60 - side) // 2], abs=0.01)


def test_ssd_is_stretched_and_centernet_keeps_brightness():
    ssd = prepare(vision.to_ssd, PICTURE).inputs
    assert ssd.shape == (1, 3, 300, 300)
    assert ssd[0, :, 0, 0] == pytest.approx([-1, 51 / 127.5 - 1, 1], abs=1e-4)
    centernet = prepare(vision.to_centernet, PICTURE).inputs
    assert centernet.shape == (1, 512, 512, 3)
    assert centernet[0, 256, 10].tolist() == [0, 51, 255]
    assert centernet[0, 0, 0].tolist() == [0, 0, 0]


def test_grey_and_bgra_become_colour():
    grey = np.full((8, 8), 51, np.uint8)
    bgra = np.full((8, 8, 4), 51, np.uint8)
    for payload in (grey, grey[:, :, None], bgra):
        made = prepare(vision.image_to_tensor, payload, size=(8, 16), pad=0)
        assert made.inputs.shape == (1, 3, 8, 16)
        assert made.inputs[0, :, 4, 8].tolist() == [51, 51, 51]
        assert made.inputs[0, :, 4, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no picture",
        JPEG[:100],
        {"a": 1},
        "text",
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(payload):
    with pytest.raises(PipelineError):
        prepare(vision.jpeg_to_yolov5, payload)


def test_a_picture_above_the_bound_is_refused():
    for payload in (JPEG, PNG, PICTURE):
        with pytest.raises(PipelineError, match="too large"):
            prepare(vision.jpeg_to_yolov5, payload, max_pixels=5999)
        assert prepare(vision.jpeg_to_yolov5, payload, max_pixels=6000).image.shape == (60, 100, 3)


def test_payloads_are_not_changed():
    picture = PICTURE.copy()
    picture.flags.writeable = False
    prepare(vision.jpeg_to_yolov5, picture, size=100)
    np.testing.assert_array_equal(picture, PICTURE)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(8, 96), st.integers(8, 96)),
    st.booleans(),
)
def test_the_fit_maps_the_corners_of_the_picture_onto_the_input(picture_size, size, stretch):
    canvas, fit = fit_picture(np.zeros((*picture_size, 3), np.uint8), size, stretch=stretch)
    assert canvas.shape == (*size, 3)
    height, width = picture_size
    left, top = fit.offset
    right, bottom = left + width * fit.scale[0], top + height * fit.scale[1]
    assert 0 <= left <= right <= size[1] + 1e-6
    assert 0 <= top <= bottom <= size[0] + 1e-6
    back = fit.back(np.array([[left, top, right, bottom]], np.float32))[0]
    assert back == pytest.approx([0, 0, width, height], abs=1e-2)
    assert Fit.of({"letterbox": fit.notes()}) == fit


def test_jpeg_is_turned_upright_and_decoded():
    assert decode_picture(JPEG).shape == (60, 100, 3)
