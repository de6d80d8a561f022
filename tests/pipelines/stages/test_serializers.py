import base64
import io
import json
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import ConfigError, EdgeFlowError, PipelineError
from edgeflow.pipelines.stages import array_files, serializers
from edgeflow.pipelines.stages.pictures import decode_picture, encode_picture, picture_size
from edgeflow.pipelines.stages.serializers import ENCODINGS, check_encoding, decode, encode

PICTURE = np.random.default_rng(1).integers(0, 255, (12, 20, 3), np.uint8)
JPEG = encode_picture(PICTURE)
PNG = encode_picture(PICTURE, "png")

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
arrays = hnp.arrays(
    st.sampled_from(["f4", "f2", ">i4", "u1", "?", "i8", "c8"]),
    hnp.array_shapes(min_dims=0, max_dims=4, max_side=5, min_side=0),
)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(documents)
def test_documents_come_back(value):
    assert decode("json", encode("json", value)) == value
    assert decode("msgpack", encode("msgpack", value)) == value


@given(arrays)
def test_arrays_come_back_bit_for_bit(array):
    assert same(decode("npy", encode("npy", array)), array)
    assert same(decode("npz", encode("npz", {"x y": array}))["x y"], array)


def test_files_that_numpy_wrote_are_read_and_ours_are_read_by_numpy():
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    target = io.BytesIO()
    np.savez_compressed(target, a=fortran, b=np.int16(7))
    got = decode("npz", target.getvalue())
    assert same(np.ascontiguousarray(got["a"]), np.ascontiguousarray(fortran))
    assert got["b"] == 7
    with np.load(io.BytesIO(encode("npz", {"a": fortran})), allow_pickle=False) as ours:
        assert same(np.ascontiguousarray(ours["a"]), np.ascontiguousarray(fortran))


@given(st.binary())
def test_bytes_come_back(data):
    assert decode("base64", encode("base64", data)) == data
    assert decode("raw", encode("raw", data)) == data
    assert decode("application/x-own", data) == data


@settings(max_examples=400)
@given(st.sampled_from(sorted(ENCODINGS)), st.binary(max_size=200))
def test_arbitrary_bytes_are_decoded_or_refused(encoding, data):
    try:
        decode(encoding, data, {"shape": [2, 2, 3]})
    except PipelineError as error:
        assert str(error)


whole = [
    ("jpeg", JPEG),
    ("png", PNG),
    ("npz", encode("npz", {"a": PICTURE[0], "b": PICTURE[1, :3]})),
    ("npy", encode("npy", PICTURE[0].astype("f4"))),
    ("msgpack", encode("msgpack", {"a": [1, 2.5, {"b": None}]})),
    ("json", encode("json", {"a": [1, 2.5, {"b": None}]})),
]


@settings(max_examples=400)
@given(st.sampled_from(whole), st.data())
def test_damaged_bytes_are_decoded_or_refused(case, data):
    encoding, good = case
    at = data.draw(st.integers(0, len(good) - 1))
    damage = data.draw(st.binary(max_size=4))
    bad = good[:at] + damage + good[at + data.draw(st.integers(0, 8)) :]
    try:
        decode(encoding, bad)
        if encoding in ("jpeg", "png"):
            assert decode_picture(bad).ndim == 3
    except PipelineError as error:
        assert str(error)


def test_names_of_encodings():
    assert check_encoding("JPEG") == "JPEG"
    assert decode("image/jpeg", JPEG) == decode("jpg", memoryview(JPEG)) == JPEG
    with pytest.raises(ConfigError, match="did you mean 'msgpack'"):
        check_encoding("msgpak")
    with pytest.raises(ConfigError):
        encode("pickle", {})


def test_what_is_decoded_already_stays_as_it_is():
    payload = {"a": 1}
    assert decode("json", payload) is payload
    assert decode("jpeg", PICTURE) is PICTURE


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"NaN", b"[1e999]", b"\xff", b"[" * 100000, b"1" * 100000],
    ids=["empty", "open", "nan", "infinite", "latin", "deep", "long"],
)
def test_bad_json_is_refused(data):
    with pytest.raises(PipelineError):
        decode("json", data)


def test_documents_have_bounded_depth_and_length():
    fits, deep = b"[" * 64 + b"]" * 64, b"[" * 66 + b"]" * 66
    assert decode("json", fits) == json.loads(fits)
    for encoding, data in (("json", deep), ("msgpack", b"\x91" * 66 + b"\xc0")):
        with pytest.raises(PipelineError, match="levels"):
            decode(encoding, data)
    with pytest.raises(PipelineError, match="at most"):
        decode("json", b" " * (serializers.MAX_DOCUMENT + 1))
    with pytest.raises(PipelineError, match="at most"):
        decode("raw", bytes(serializers.MAX_BYTES + 1))


def test_base64_takes_lines_and_data_urls():
    lines = base64.encodebytes(JPEG)
    assert b"\n" in lines
    assert decode("base64", lines) == JPEG
    assert decode("base64", b"data:image/jpeg;base64," + lines) == JPEG
    with pytest.raises(PipelineError):
        decode("base64", b"abc$")


def test_bgr_needs_a_shape_that_fits():
    raw = encode("bgr", PICTURE)
    assert same(decode("bgr", raw, {"shape": [12, 20, 3]}), PICTURE)
    for shape in (None, [12, 20], [12, 20, 4], [0, 0, 3], [-12, -20, 3], [10**9, 10**9, 3], ["x"]):
        with pytest.raises(PipelineError):
            decode("bgr", raw, {"shape": shape})


def test_values_without_such_a_form_are_refused():
    for encoding, value in (("json", object()), ("npy", np.array([object()])), ("raw", "text")):
        with pytest.raises(PipelineError):
            encode(encoding, value)


# --- pictures ------------------------------------------------------------------------------


def test_pictures_are_measured_without_decoding():
    assert (picture_size(JPEG).width, picture_size(JPEG).height) == (20, 12)
    assert picture_size(PNG).kind == "png"
    np.testing.assert_array_equal(decode_picture(PNG), PICTURE)
    assert decode_picture(JPEG).shape == PICTURE.shape


def jpeg_bomb(width: int = 65535, height: int = 65535) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


def png_bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bomb", [jpeg_bomb(), png_bomb()], ids=["jpeg", "png"])
def test_a_picture_bomb_is_refused_before_it_is_decoded(bomb):
    encoding = "png" if bomb[:1] == b"\x89" else "jpeg"
    tracemalloc.start()
    try:
        for read in (lambda: decode(encoding, bomb), lambda: decode_picture(bomb)):
            with pytest.raises(PipelineError, match="too large"):
                read()
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_pictures_that_are_none_are_refused():
    scans = JPEG[:-2] + b"\xff\xda" * 300 + JPEG[-2:]
    cases = [
        b"",
        b"GIF89a",
        JPEG[:50],
        PNG[:20],
        jpeg_bomb(0, 0),
        scans,
        b"\xff\xd8" + b"\xff" * 50,
    ]
    for data in cases:
        with pytest.raises(PipelineError):
            picture_size(data)
    with pytest.raises(PipelineError, match="damaged"):
        decode_picture(PNG[:60])


# --- arrays --------------------------------------------------------------------------------


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"x" * 8,
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -4)}") + b"x" * 16,
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}") + b"x" * 4,
        header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}") + b"x" * 3,
        header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}") + b"x" * 4,
        header("__import__('os').system('true')"),
        header("(" * 3000),
        header("[]"),
        header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(0, *[1 << 28] * 3)}}}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}") + b"xxxxtoo long",
    ],
)
def test_lying_and_hostile_npy_files_are_refused(data):
    with pytest.raises(PipelineError):
        decode("npy", data)


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def test_npz_bombs_are_refused(monkeypatch):
    monkeypatch.setattr(array_files, "MAX_EXPANDED", 1 << 20)
    zeros = encode("npy", np.zeros(2 << 20, np.uint8))
    with pytest.raises(PipelineError, match="grows"):
        decode("npz", zipped({"a.npy": zeros}))
    with pytest.raises(PipelineError, match="at most 64"):
        decode("npz", zipped({f"{i}.npy": b"" for i in range(65)}))
    with pytest.raises(PipelineError, match="another way"):
        decode("npz", zipped({"a.npy": b""}, zipfile.ZIP_BZIP2))
    with pytest.raises(PipelineError, match="npy"):
        decode("npz", zipped({"a.txt": b"text"}))


def test_a_lie_about_the_expanded_size_is_refused(monkeypatch):
    monkeypatch.setattr(array_files, "MAX_EXPANDED", 1 << 20)
    good = zipped({"a.npy": encode("npy", np.zeros(2 << 20, np.uint8))})
    size = struct.pack("<I", (2 << 20) + 128)
    assert good.count(size) == 2
    with pytest.raises(EdgeFlowError):
        decode("npz", good.replace(size, struct.pack("<I", 1000)))
