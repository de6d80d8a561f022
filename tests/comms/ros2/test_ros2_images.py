import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.comms.ros2.images import ENCODINGS, array_of, compressed_format, image_fields
from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols.ros_messages import decode, encode

IMAGE = "sensor_msgs/msg/Image"
PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def travelled(fields: dict[str, object]) -> np.ndarray:
    return array_of(decode(IMAGE, encode(IMAGE, fields)))


def fields(encoding: str, data: bytes, step: int, **others: object) -> dict[str, object]:
    return {"height": 2, "width": 3, "encoding": encoding, "step": step, "data": data, **others}


def test_a_picture_comes_back_as_it_was() -> None:
    found = travelled(image_fields(PICTURE))
    assert np.array_equal(found, PICTURE)
    assert not found.flags.writeable


def test_bgr_is_a_view_of_the_message() -> None:
    message = encode(IMAGE, image_fields(PICTURE))
    assert np.shares_memory(array_of(decode(IMAGE, message)), np.frombuffer(message, np.uint8))


def test_colours_become_bgr() -> None:
    rgb = np.ascontiguousarray(PICTURE[..., ::-1])
    assert np.array_equal(travelled(image_fields(rgb, encoding="rgb8")), PICTURE)
    bgra = np.dstack([PICTURE, np.full((2, 3), 255, np.uint8)])
    assert np.array_equal(travelled(image_fields(bgra)), PICTURE)
    rgba = np.ascontiguousarray(bgra[..., [2, 1, 0, 3]])
    assert np.array_equal(travelled(image_fields(rgba, encoding="rgba8")), PICTURE)
    gray = PICTURE[..., 0]
    assert np.array_equal(travelled(image_fields(gray)), np.dstack([gray] * 3))


@pytest.mark.parametrize(("dtype", "encoding"), [("uint16", "16UC1"), ("float32", "32FC1")])
def test_depth_keeps_its_dtype(dtype: str, encoding: str) -> None:
    depth = np.array([[0, 1.5, 65535], [3, 4, 5]]).astype(dtype)
    sent = image_fields(depth)
    assert sent["encoding"] == encoding
    found = travelled(sent)
    assert found.dtype == depth.dtype
    assert np.array_equal(found, depth)


def test_big_endian_depth_and_padded_lines_are_read() -> None:
    depth = np.array([[1, 2, 3], [400, 500, 600]], ">u2")
    padded = np.hstack([depth.view(np.uint8), np.full((2, 2), 9, np.uint8)]).tobytes()
    found = travelled(fields("mono16", padded, 8, is_bigendian=1))
    assert found.tolist() == [[1, 2, 3], [400, 500, 600]]
    assert found.dtype.isnative


@pytest.mark.parametrize(
    "lie",
    [
        fields("bgr8", bytes(17), 9),
        fields("bgr8", bytes(18), 8),
        fields("bgr8", b"", 9),
        fields("bgr8", bytes(18), 9, height=0),
        fields("bgr8", bytes(18), 9, height=2**32 - 1),
        fields("bgr8", bytes(18), 2**32 - 1),
        fields("mono8", bytes(6), 3, width=2**31),
        fields("bayer_rggb8", bytes(6), 3),
        fields("x" * 10_000, bytes(6), 3),
    ],
    ids=lambda lie: f"{lie['encoding'][:8]}-{lie['height']}-{lie['width']}-{lie['step']}",
)
def test_pictures_that_lie_are_refused(lie: dict[str, object]) -> None:
    with pytest.raises(ProtocolError) as caught:
        travelled(lie)
    assert len(str(caught.value)) < 300


SIZES = st.integers(0, 40) | st.integers(0, 2**32 - 1)


@settings(max_examples=300, deadline=None)
@given(
    SIZES, SIZES, SIZES, st.sampled_from(sorted(ENCODINGS)), st.binary(max_size=400), st.booleans()
)
def test_any_sizes_are_a_picture_or_refused(
    height: int, width: int, step: int, encoding: str, data: bytes, big: bool
) -> None:
    message = {"height": height, "width": width, "step": step, "encoding": encoding}
    try:
        found = travelled({**message, "data": data, "is_bigendian": big})
    except ProtocolError:
        return
    assert found.shape[:2] == (height, width)
    assert found.sum() is not None  # every element can be read


@pytest.mark.parametrize(
    ("picture", "encoding"),
    [
        (np.zeros((2, 3, 2), np.uint8), None),
        (np.zeros((2, 3, 3), np.float32), None),
        (np.zeros((0, 3, 3), np.uint8), None),
        (np.zeros(6, np.uint8), None),
        (np.zeros((2, 3), np.int64), None),
        (np.zeros((2, 3), np.uint8), "rgb8"),
        (np.zeros((2, 3, 3), np.uint8), "yuv"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(picture: object, encoding: str | None) -> None:
    with pytest.raises(PayloadError):
        image_fields(picture, encoding=encoding)


def test_compressed_pictures_are_known_by_their_bytes() -> None:
    assert compressed_format({"format": "x", "data": b"\xff\xd8\xff\xe0"}) == "jpeg"
    assert compressed_format({"format": "x", "data": b"\x89PNG\r\n\x1a\n"}) == "png"
    with pytest.raises(ProtocolError, match="'h264'"):
        compressed_format({"format": "h264", "data": b"\0\0\0\1"})
