"""Arrays as LZ4 frames: what the package's own tools read and write, and what is refused."""

import contextlib
import io
import json
import shutil
import struct
import subprocess
import sys
import tracemalloc

import lz4.frame
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.core.frame import Frame
from edgeflow.errors import FrameDecodeError, MissingExtraError
from edgeflow.protocols.frames import decode, encode, encode_bytes

MASK = np.zeros((64, 80), np.uint8)
MASK[10:30, 20:50] = 1


def sent_as(array: np.ndarray) -> tuple[dict, bytes]:
    """Return what the meta says of an array's payload, and the payload."""
    header, payload = encode(Frame(data=array), "lz4")
    return json.loads(header[16:])["_ef"], bytes(payload)


def message(payload: bytes, shape: list[int], dtype: str = "|u1") -> bytes:
    info = {"v": 2, "k": "a", "dtype": dtype, "shape": shape, "codec": "lz4"}
    meta = json.dumps({"_ef": info}).encode()
    return struct.pack("!IdI", 1, 0.0, len(meta)) + meta + payload


@given(
    hnp.arrays(
        st.sampled_from(["|u1", "|b1", "<u2", ">i4", "<f4", "<f8", "<c8"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40),
        fill=st.just(0),
    )
)
def test_arrays_survive_bit_for_bit(array: np.ndarray):
    back = decode(encode_bytes(Frame(data=array), "lz4")).data
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable


@pytest.mark.parametrize("array", [MASK, MASK[::2, ::-1], MASK.T, MASK.astype(">u2")])
def test_the_tools_of_the_package_read_what_is_sent(array: np.ndarray):
    info, payload = sent_as(array)
    assert (info["codec"], info["shape"]) == ("lz4", list(array.shape))
    assert len(payload) < array.nbytes / 4
    assert lz4.frame.get_frame_info(payload)["content_size"] == array.nbytes
    with lz4.frame.open(io.BytesIO(payload)) as file:
        assert file.read() == array.tobytes()


@pytest.mark.skipif(shutil.which("lz4") is None, reason="apt-get install --yes lz4")
def test_the_program_lz4_reads_what_is_sent():
    _, payload = sent_as(MASK)
    done = subprocess.run(
        ["lz4", "-dc"], input=payload, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, MASK.tobytes())


@pytest.mark.parametrize(
    "options",
    [
        {"compression_level": 9, "block_size": lz4.frame.BLOCKSIZE_MAX4MB},
        {"content_checksum": True, "block_checksum": True, "block_linked": False},
        {"store_size": False},
    ],
)
def test_what_the_package_writes_is_read(options: dict):
    payload = lz4.frame.compress(MASK.tobytes(), **options)
    assert np.array_equal(decode(message(payload, list(MASK.shape))).data, MASK)


def test_what_does_not_get_smaller_and_what_is_no_array_travels_as_it_is():
    noise = np.random.default_rng(3).integers(0, 256, (64, 64), np.uint8)
    info, payload = sent_as(noise)
    assert "codec" not in info
    assert payload == noise.tobytes()
    for data in (np.empty((0, 3)), b"x" * 1000, "x" * 1000, {"a": [0] * 1000}):
        header, _ = encode(Frame(data=data), "lz4")
        assert "codec" not in json.loads(header[16:])["_ef"]


PACKED = lz4.frame.compress(bytes(1000))
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


@pytest.mark.parametrize(
    ("payload", "shape"),
    [
        (b"", [10]),
        (b"no frame", [10]),
        (PACKED, [999]),
        (PACKED, [1001]),
        (PACKED[:-4], [1000]),
        (PACKED + b"x", [1000]),
        (PACKED + PACKED, [1000]),
        (PACKED + PACKED, [2000]),
        (SKIPPABLE + PACKED, [1000]),
        (SKIPPABLE, [0]),
    ],
)
def test_frames_that_are_not_what_they_say_are_refused(payload: bytes, shape: list[int]):
    with pytest.raises(FrameDecodeError, match="payload is not valid"):
        decode(message(payload, shape))


@pytest.mark.parametrize("shape", [[1 << 27], [2**40], [2**62, 2**62], [0, 2**62]])
def test_a_large_size_takes_no_memory(shape: list[int]):
    told = lz4.frame.compress(bytes(1 << 20))
    lying = told[:6] + (1 << 40).to_bytes(8, "little") + told[14:]
    tracemalloc.start()
    try:
        for payload in (PACKED, told, lying):
            with pytest.raises(FrameDecodeError):
                decode(message(payload, shape))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_more_than_a_frame_may_be_is_refused(monkeypatch: pytest.MonkeyPatch):
    packed = encode_bytes(Frame(data=np.zeros(20_000, np.uint8)), "lz4")
    monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "10000")
    assert len(packed) < 10_000
    with pytest.raises(FrameDecodeError, match="EDGEFLOW_MAX_FRAME_BYTES"):
        decode(packed)


@given(st.binary(max_size=400), st.lists(st.integers(0, 300), max_size=3))
def test_arbitrary_bytes_are_refused_or_decoded(payload: bytes, shape: list[int]):
    with contextlib.suppress(FrameDecodeError):
        decode(message(payload, shape))


@given(st.data())
def test_damaged_frames_are_refused_or_as_large_as_they_say(data):
    payload = bytearray(lz4.frame.compress(MASK.tobytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    with contextlib.suppress(FrameDecodeError):
        assert decode(message(bytes(payload[cut:]), [64, 80])).data.shape == (64, 80)
        assert decode(message(bytes(payload[:cut]), [64, 80])).data.shape == (64, 80)


def test_without_the_package_a_sender_is_told_and_a_receiver_refuses(
    monkeypatch: pytest.MonkeyPatch,
):
    packed = encode_bytes(Frame(data=MASK), "lz4")
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[lz4\]"):
        encode(Frame(data=MASK), "lz4")
    with pytest.raises(FrameDecodeError, match=r"'lz4', which is not installed") as refused:
        decode(packed)
    assert "edgeflow[lz4]" in refused.value.hint
