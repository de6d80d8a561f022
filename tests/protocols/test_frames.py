import contextlib
import json
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.core.frame import Frame, Hop
from edgeflow.errors import FrameDecodeError, FrameTooLargeError, PayloadError
from edgeflow.protocols.frames import MAX_META_BYTES, decode, encode, encode_bytes
from edgeflow.protocols.payloads import parse_codec

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@given(ARRAYS)
def test_arrays_survive_bit_for_bit(array):
    back = decode(encode_bytes(Frame(data=array))).data
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable


@given(st.one_of(st.binary(), st.text(), st.dictionaries(st.text(), st.integers(0, 2**53))))
def test_other_payloads_survive(data):
    back = decode(encode_bytes(Frame(data=data))).data
    assert back == data
    assert type(back) is type(data)


def test_the_whole_envelope_survives():
    frame = Frame(
        data=b"x",
        id=2**40 + 7,
        timestamp=1_700_000_000.25,
        source="cam",
        topic="cam",
        sequence=9,
        epoch=2**60,
        meta={"score": 0.5, "box": [1, 2]},
        trace=(Hop("cam", "host", 1, 2), Hop("det", "host", 3, 4)),
        redelivered=True,
    )
    back = decode(encode_bytes(frame))
    for name in Frame.__struct_fields__:
        assert getattr(back, name) == getattr(frame, name), name


def test_non_contiguous_views_and_big_endian():
    array = np.arange(24, dtype=">u2").reshape(4, 6)[::2, ::-1]
    back = decode(encode_bytes(Frame(data=array))).data
    assert back.dtype == np.dtype(">u2")
    assert np.array_equal(back, array)


def test_contiguous_payload_is_not_copied():
    array = np.zeros((4, 5), np.float32)
    _, payload = encode(Frame(data=array))
    assert np.shares_memory(np.frombuffer(payload, np.uint8), array)


def test_numpy_values_in_meta_and_payload():
    meta = {"score": np.float32(0.5), "box": np.array([1, 2]), "inner": {"flag": np.bool_(True)}}
    back = decode(encode_bytes(Frame(data={"n": np.int64(3)}, meta=meta)))
    assert back.meta == {"score": 0.5, "box": [1, 2], "inner": {"flag": True}}
    assert back.data == {"n": 3}


@pytest.mark.parametrize("data", [object(), np.array([object()]), np.array(["x"]), {"a": object()}])
def test_what_cannot_travel_is_refused(data):
    with pytest.raises(PayloadError):
        encode(Frame(data=data))


def test_meta_is_bounded():
    with pytest.raises(FrameTooLargeError):
        encode(Frame(data=b"", meta={"x": "y" * (MAX_META_BYTES + 1)}))


def test_a_version_1_peer_can_read_us():
    message = encode_bytes(Frame(data=b"abc", id=2**32 + 5, timestamp=2.5, meta={"a": 1}))
    frame_id, timestamp, length = struct.unpack_from("!IdI", message)
    assert (frame_id, timestamp) == (5, 2.5)
    assert json.loads(message[16 : 16 + length])["a"] == 1
    assert message[16 + length :] == b"abc"


def test_we_can_read_a_version_1_peer():
    meta = json.dumps({"trace": {"t0": 1.0}, "topic": "cam"}).encode()
    frame = decode(struct.pack("!IdI", 7, 1.5, len(meta)) + meta + b"\xff\xd8jpeg")
    assert (frame.id, frame.timestamp, frame.data) == (7, 1.5, b"\xff\xd8jpeg")
    assert frame.meta["topic"] == "cam"
    assert decode(struct.pack("!IdI", 7, 1.5, 0)).data == b""


def message_with(info: dict, payload: bytes = b"") -> bytes:
    meta = json.dumps({"_ef": info}).encode()
    return struct.pack("!IdI", 1, 0.0, len(meta)) + meta + payload


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"short",
        struct.pack("!IdI", 1, 0.0, 100),
        struct.pack("!IdI", 1, 0.0, 2**32 - 1) + b"{}",
        struct.pack("!IdI", 1, 0.0, 2) + b"[]",
        struct.pack("!IdI", 1, 0.0, 2) + b"\xff\xff",
        message_with({"v": 2, "k": "a", "dtype": "O", "shape": [1]}, b"12345678"),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [3]}, b"12"),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [-1]}, b""),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [2**62, 2**62]}, b""),
        message_with({"v": 2, "k": "a", "dtype": "nonsense", "shape": [1]}, b"1"),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [1] * 17}, b"1"),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [4, 4], "codec": "jpeg"}, b"no"),
        message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": [4, 4], "codec": "h264"}, b"no"),
        message_with({"v": 2, "k": "s"}, b"\xff"),
        message_with({"v": 2, "k": "j"}, b"{"),
        message_with({"v": 2, "k": "?"}),
        message_with({"v": 2, "trace": [["a", "b", 1, 2]] * 300}),
        message_with({"v": 2, "id": "text"}),
    ],
)
def test_lies_are_refused(message):
    with pytest.raises(FrameDecodeError):
        decode(message)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_crash(raw):
    with contextlib.suppress(FrameDecodeError):
        decode(raw)


@settings(max_examples=300)
@given(st.data())
def test_damaged_frames_never_crash(data):
    good = bytearray(encode_bytes(Frame(data=np.ones((2, 3), np.float32), meta={"a": [1]})))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FrameDecodeError):
        decode(bytes(good[: data.draw(st.integers(0, len(good)))]))


def test_jpeg_links():
    image = np.full((16, 24, 3), 128, np.uint8)
    message = encode_bytes(Frame(data=image), "jpeg:90")
    assert len(message) < image.nbytes
    back = decode(message).data
    assert back.shape == image.shape
    assert np.abs(back.astype(int) - 128).max() <= 3
    kept = decode(message, images=False)
    assert kept.data[:2] == b"\xff\xd8"
    assert kept.meta["content_type"] == "image/jpeg"


def test_jpeg_leaves_depth_maps_alone():
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert np.array_equal(decode(encode_bytes(Frame(data=depth), "jpeg:90")).data, depth)


@pytest.mark.parametrize("codec", ["png", "jpeg:0", "jpeg:101", "jpeg:x", "raw:1", ""])
def test_unknown_codecs_are_refused(codec):
    with pytest.raises(PayloadError):
        parse_codec(codec)


def _jpeg_message(shape, body: bytes) -> bytes:
    return message_with({"v": 2, "k": "a", "dtype": "|u1", "shape": shape, "codec": "jpeg"}, body)


def test_a_jpeg_that_lies_about_its_size_is_not_decoded():
    _, encoded = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
    body = bytearray(encoded.tobytes())
    assert decode(_jpeg_message([8, 8, 3], bytes(body))).data.shape == (8, 8, 3)
    at = body.index(b"\xff\xc0") + 5
    body[at : at + 4] = struct.pack(">HH", 65000, 65000)
    for shape in ([8, 8, 3], [65000, 65000, 3], [65000, 65000]):
        with pytest.raises(FrameDecodeError, match="shape"):
            decode(_jpeg_message(shape, bytes(body)))


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 400))
def test_damaged_jpeg_data_is_refused_or_decoded(junk: bytes, start: int, end: int):
    _, encoded = cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))
    body = encoded.tobytes()
    damaged = body[:start] + junk + body[end:]
    with contextlib.suppress(FrameDecodeError):
        assert decode(_jpeg_message([8, 8, 3], damaged)).data.shape == (8, 8, 3)
