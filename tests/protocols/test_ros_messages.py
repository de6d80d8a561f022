import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, PayloadError, ProtocolError
from edgeflow.protocols.cdr import KINDS, MAX_BYTES, CdrReader, CdrWriter
from edgeflow.protocols.ros_definitions import DEFINITIONS
from edgeflow.protocols.ros_messages import Field, decode, encode, full_name, message

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def numbers(kind: str) -> st.SearchStrategy[Any]:
    if kind == "bool":
        return st.booleans()
    if kind.startswith("float"):
        return st.floats(width=32 if kind == "float32" else 64, allow_nan=False)
    limits = np.iinfo(np.dtype(KINDS[kind]))
    return st.integers(int(limits.min), int(limits.max))


def values(field: Field) -> st.SearchStrategy[Any]:
    one = (
        numbers(field.kind)
        if field.kind in KINDS
        else TEXT
        if field.kind == "string"
        else fields(field.kind)
    )
    if not field.many:
        return one
    size = field.size
    return st.lists(one, min_size=size or 0, max_size=3 if size is None else size)


def fields(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({field.name: values(field) for field in message(name).fields})


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, memoryview | np.ndarray):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_every_message_comes_back_as_it_was(name: str) -> None:
    @settings(max_examples=10, deadline=None)
    @given(fields(name))
    def check(given_fields: dict[str, Any]) -> None:
        assert plain(decode(name, encode(name, given_fields))) == given_fields

    check()


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_fields_that_are_not_given_are_zero(name: str) -> None:
    data = encode(name, {})
    assert len(data) - 4 >= message(name).least
    assert plain(decode(name, data)) == plain(decode(name, encode(name, decode(name, data))))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(DEFINITIONS)), st.sampled_from([0, 1, 6, 7]), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(name: str, form: int, body: bytes) -> None:
    try:
        decode(name, bytes([0, form, 0, 0]) + body)
    except ProtocolError as error:
        assert str(error)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(["sensor_msgs/msg/Image", "vision_msgs/msg/Detection2DArray"]))
def test_a_message_that_is_cut_off_is_refused(data: st.DataObject, name: str) -> None:
    whole = encode(name, data.draw(fields(name)))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ProtocolError):
        decode(name, whole[:cut])


def test_an_image_is_laid_out_as_the_standard_says() -> None:
    image = {
        "header": {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "cam"},
        "height": 1,
        "width": 2,
        "encoding": "bgr8",
        "step": 6,
        "data": b"abcdef",
    }
    expected = (
        b"\0\1\0\0"
        + struct.pack("<iI", 1, 2)
        + struct.pack("<I4s", 4, b"cam\0")
        + struct.pack("<II", 1, 2)
        + struct.pack("<I5s", 5, b"bgr8\0")
        + b"\0"  # is_bigendian
        + b"\0\0"  # to a multiple of four
        + struct.pack("<II", 6, 6)
        + b"abcdef"
    )
    assert encode("sensor_msgs/msg/Image", image) == expected
    found = decode("sensor_msgs/msg/Image", expected)
    assert bytes(found["data"]) == b"abcdef"
    assert found["header"]["frame_id"] == "cam"


@pytest.mark.parametrize(
    ("form", "order", "padding"), [(0, ">", 4), (1, "<", 4), (6, ">", 0), (7, "<", 0)]
)
def test_all_plain_forms_are_read(form: int, order: str, padding: int) -> None:
    """Eight-byte numbers begin at multiples of eight in version 1, and of four in version 2."""
    body = struct.pack(order + "iII1s", 5, 6, 1, b"\0") + bytes(3)
    body += struct.pack(order + "dd", 21.5, 0.25)
    found = decode("sensor_msgs/msg/Temperature", bytes([0, form, 0, 0]) + body)
    assert (found["temperature"], found["variance"]) == (21.5, 0.25)
    shifted = struct.pack(order + "i", 3) + bytes(padding) + struct.pack(order + "d", 1.5)
    reader = CdrReader(bytes([0, form, 0, 0]) + shifted)
    assert (reader.number("int32"), reader.number("float64")) == (3, 1.5)
    reader.finish()


def test_big_endian_arrays_become_this_machines() -> None:
    body = struct.pack(">I3f", 3, 1.0, 2.0, 3.0)
    reader = CdrReader(b"\0\0\0\0" + body)
    found = reader.numbers("float32", reader.count(4))
    assert found.tolist() == [1.0, 2.0, 3.0]
    assert found.dtype == np.float32


def test_large_data_is_not_copied() -> None:
    data = encode("sensor_msgs/msg/LaserScan", {"ranges": np.ones(1000, np.float32)})
    ranges = decode("sensor_msgs/msg/LaserScan", data)["ranges"]
    assert np.shares_memory(ranges, np.frombuffer(data, np.uint8))
    assert not ranges.flags.writeable


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\1\0", b"\0\3\0\0" + bytes(8), b"\xff\xff\0\0"],
    ids=["nothing", "half a header", "parameter list", "no form"],
)
def test_what_is_no_plain_cdr_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode("std_msgs/msg/String", data)


def test_counts_that_lie_are_refused_before_memory_is_taken() -> None:
    huge = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(ProtocolError):
        decode("std_msgs/msg/String", b"\0\1\0\0" + huge)
    joints = encode("sensor_msgs/msg/JointState", {})
    with pytest.raises(ProtocolError, match="4294967295 elements"):
        decode("sensor_msgs/msg/JointState", joints[:20] + huge + joints[24:])


def test_objects_in_one_message_are_bounded() -> None:
    header = encode("std_msgs/msg/Header", {})
    names = struct.pack("<I", 100_001) + struct.pack("<I", 0) * 100_001
    rest = struct.pack("<III", 0, 0, 0)
    body = header[4:] + bytes(-len(header) % 4) + names + rest
    with pytest.raises(ProtocolError, match="more than 100000 strings"):
        decode("sensor_msgs/msg/JointState", b"\0\1\0\0" + body)


def test_what_stands_behind_the_end_is_refused_but_for_padding() -> None:
    data = encode("std_msgs/msg/Int32", {"data": 1})
    assert decode("std_msgs/msg/Int32", data + bytes(3)) == {"data": 1}
    with pytest.raises(ProtocolError, match="4 bytes behind"):
        decode("std_msgs/msg/Int32", data + bytes(4))


def test_messages_that_are_too_long_are_refused() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        CdrReader(bytes(MAX_BYTES + 1))
    with pytest.raises(PayloadError, match="more than"):
        CdrWriter().numbers("uint8", np.zeros(MAX_BYTES + 1, np.uint8))


def test_text_that_is_no_utf8_is_replaced() -> None:
    data = b"\0\1\0\0" + struct.pack("<I3s", 3, b"a\xff\0")
    assert decode("std_msgs/msg/String", data) == {"data": "a�"}


@pytest.mark.parametrize(
    ("name", "given_fields", "said"),
    [
        ("std_msgs/msg/String", {"date": "x"}, "no field 'date'"),
        ("std_msgs/msg/String", {"data": 3}, "data: 3 is no text"),
        ("std_msgs/msg/String", {"data": "a\0b"}, "NUL"),
        ("std_msgs/msg/UInt8", {"data": 256}, "data: 256 is no uint8"),
        ("std_msgs/msg/Float32", {"data": 1e300}, "is no float32"),
        ("std_msgs/msg/Header", {"stamp": 5}, "stamp: int is no dict"),
        ("std_msgs/msg/Header", {"stamp": {"sec": "now"}}, "stamp: sec: 'now' is no int32"),
        ("sensor_msgs/msg/Imu", {"orientation_covariance": [1.0]}, "1 elements and not 9"),
        ("sensor_msgs/msg/Image", {"data": [1, 256]}, "data: "),
        ("sensor_msgs/msg/Image", {"data": [1.5]}, "no uint8"),
        ("sensor_msgs/msg/Image", {"data": "text"}, "str is no sequence"),
        ("sensor_msgs/msg/LaserScan", {"ranges": ["1.5"]}, "no float32"),
        ("sensor_msgs/msg/JointState", {"name": "left"}, "str is no sequence"),
    ],
)
def test_values_that_do_not_fit_are_named(name: str, given_fields: Any, said: str) -> None:
    with pytest.raises(PayloadError) as caught:
        encode(name, given_fields)
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)


def test_names_are_completed_and_corrected() -> None:
    assert full_name("std_msgs/String") == "std_msgs/msg/String"
    assert full_name("std_msgs/msg/String") == "std_msgs/msg/String"
    with pytest.raises(ConfigError, match="std_msgs/msg/String"):
        full_name("std_msgs/Sting")
