"""What can be shown, and that it can."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from edgeflow.web.images import encode_jpeg, is_image, jpeg_bytes

DTYPES = st.sampled_from(
    ["u1", "?", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "<i4", "<u4", "<c8"]
)
SHAPES = st.one_of(
    stn.array_shapes(min_dims=2, max_dims=2, max_side=24),
    st.tuples(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 2, 3, 4])),
    stn.array_shapes(min_dims=1, max_dims=4, max_side=4),
)
ARRAYS = st.builds(lambda *of: of, DTYPES, SHAPES).flatmap(lambda of: stn.arrays(*of))
VIEWS = st.sampled_from(
    [lambda a: a, lambda a: a[::-1], lambda a: a[..., ::-1], lambda a: a[::2], np.asfortranarray]
)


def decoded(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


@settings(deadline=None, max_examples=300)
@given(ARRAYS, VIEWS, st.integers(1, 100), st.one_of(st.none(), st.integers(16, 40)))
def test_every_image_becomes_a_jpeg_and_stays_as_it_was(array, view, quality, width):
    array = view(array)
    array.flags.writeable = False
    before = array.tobytes()
    if not is_image(array, {}):
        return
    picture = decoded(encode_jpeg(array, quality, width))
    assert picture.shape[1] == min(array.shape[1], width or array.shape[1])
    if width is None:
        assert picture.shape[0] == array.shape[0]
    assert array.tobytes() == before


@given(st.binary(max_size=64), st.dictionaries(st.text(max_size=3), st.none(), max_size=2))
def test_bytes_are_pictures_when_they_say_so(data, meta):
    jpeg = data.startswith(b"\xff\xd8\xff")
    assert is_image(data, meta) is jpeg
    assert jpeg_bytes(memoryview(data), meta) == (data if jpeg else None)
    assert jpeg_bytes(data, meta | {"content_type": "image/jpeg"}) == data


@pytest.mark.parametrize("data", ["text", {"a": 1}, [1], None, 3.5, np.zeros((0, 4), np.uint8)])
def test_values_are_no_pictures(data):
    assert not is_image(data, {})


@pytest.mark.parametrize(
    ("shape", "dtype", "shown"),
    [
        ((4, 4), "u1", True), ((4, 4, 1), "u1", True), ((4, 4, 2), "u1", False),
        ((4, 4, 3), "u1", True), ((4, 4, 4), "u1", True), ((4, 4, 5), "u1", False),
        ((4, 4), "?", True), ((4, 4, 3), "?", False),
        ((8, 8), "u2", True), ((7, 8), "u2", False), ((8, 8), "f4", True), ((8, 8, 3), "f4", False),
        ((8, 8), "i4", False), ((8, 8), "u4", False), ((70_000, 1), "u1", False),
        ((4,), "u1", False),
    ],
)  # fmt: skip
def test_which_arrays_are_pictures(shape, dtype, shown):
    assert is_image(np.zeros(shape, dtype), {}) is shown


def test_colours_survive():
    for channels in (3, 4):
        blue = np.zeros((16, 16, channels), np.uint8)
        blue[:, :, 0] = 250
        pixel = decoded(encode_jpeg(blue, 95, None))[8, 8]
        assert np.abs(pixel.astype(int) - (250, 0, 0)).max() < 8
    grey = decoded(encode_jpeg(np.full((16, 16, 1), 77, np.uint8), 95, None))
    assert grey.ndim == 2
    assert abs(int(grey[8, 8]) - 77) < 4


def test_a_mask_is_black_and_white():
    mask = np.zeros((32, 32), bool)
    mask[:, 16:] = True
    for width in (None, 16):
        picture = decoded(encode_jpeg(mask, 95, width))
        assert picture[:, 0].max() < 16
        assert picture[:, -1].min() > 239


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30, 1e300])
def test_a_map_is_spread_between_its_finite_extremes(scale: float):
    depth = np.linspace(-1, 1, 64).reshape(8, 8) * scale
    depth[0, 1], depth[0, 2] = np.nan, np.inf
    picture = decoded(encode_jpeg(np.kron(depth, np.ones((8, 8))), 100, None))
    assert picture[4, 4] < 8
    assert picture[-4, -4] > 247
    flat = decoded(encode_jpeg(np.full((8, 8), scale), 100, None))
    assert flat.max() < 4
    assert decoded(encode_jpeg(np.full((8, 8), np.nan), 100, None)).max() < 4


def test_shrinking_keeps_the_aspect_and_never_enlarges():
    wide = np.zeros((100, 400, 3), np.uint8)
    assert decoded(encode_jpeg(wide, 80, 100)).shape == (25, 100, 3)
    assert decoded(encode_jpeg(wide, 80, 4000)).shape == (100, 400, 3)
    assert decoded(encode_jpeg(np.zeros((1, 400), np.uint8), 80, 16)).shape == (1, 16)
