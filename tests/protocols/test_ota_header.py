"""The header in front of an image, written from its table."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.ota import (
    HEADER_BYTES,
    UpdateHeader,
    describe_image,
    key_id,
    pack_update,
    split_update,
)

IMAGE = b"\xe9" + bytes(range(199))


def packed(**changes: object) -> bytes:
    given: dict[str, object] = {"version": "1.2.0", "board": "csi_node", "chip": 9, "counter": 3}
    given |= changes
    return pack_update(IMAGE, public_key=b"k" * 32, sign=lambda _: b"s" * 64, **given)  # type: ignore[arg-type]


def test_the_header_to_the_byte() -> None:
    data = packed()
    assert data[:16] == b"EFO1" + struct.pack("<HHII", 192, 9, len(IMAGE), 3)
    assert data[16:24] == hashlib.sha256(b"k" * 32).digest()[:8] == key_id(b"k" * 32)
    assert data[24:56] == b"1.2.0".ljust(32, b"\0")
    assert data[56:88] == b"csi_node".ljust(32, b"\0")
    assert data[88:120] == hashlib.sha256(IMAGE).digest()
    assert data[120:128] == bytes(8)
    assert data[128:192] == b"s" * 64
    assert data[192:] == IMAGE


def test_what_is_signed_is_all_before_the_signature() -> None:
    seen = []
    pack_update(
        IMAGE, version="1", board="b", chip=9, counter=0, public_key=bytes(32),
        sign=lambda data: seen.append(data) or bytes(64),  # type: ignore[func-returns-value]
    )  # fmt: skip
    assert [len(data) for data in seen] == [128]


def test_round_trip() -> None:
    header, image = split_update(packed())
    assert image == IMAGE
    assert (header.version, header.board, header.chip, header.counter) == (
        "1.2.0",
        "csi_node",
        9,
        3,
    )
    assert header.encode() == packed()[:HEADER_BYTES]


@pytest.mark.parametrize(
    "changes",
    [{"version": ""}, {"version": "x" * 32}, {"version": "1 2"}, {"version": "ü"}, {"board": "a\n"},
     {"chip": 1 << 16}, {"counter": -1}, {"counter": 1 << 32}],
)  # fmt: skip
def test_what_does_not_fit_is_told(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        packed(**changes)


@given(st.integers(0, len(packed()) - 1), st.integers(1, 255))
def test_one_changed_byte_of_the_image_or_of_the_frame_is_found(at: int, flip: int) -> None:
    data = bytearray(packed())
    data[at] ^= flip
    try:
        header, _ = split_update(bytes(data))
    except ProtocolError:
        return
    # What the digest does not cover, the signature does.
    assert at < HEADER_BYTES and header.encode() != packed()[:HEADER_BYTES]


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    for read in (UpdateHeader.decode, split_update, describe_image):
        try:
            read(data)
        except ProtocolError:
            continue


def test_what_an_image_says_of_itself() -> None:
    app = struct.pack("<II8x32s32s16s16s", 0xABCD5432, 4, b"2.0.1", b"csi_node", b"", b"")
    image = b"\xe9\x01" + bytes(10) + b"\x09\x00" + bytes(18) + app
    found = describe_image(image)
    assert (found.chip, found.version, found.project, found.secure_version) == (
        9, "2.0.1", "csi_node", 4,
    )  # fmt: skip
    assert describe_image(image[:60]).version == ""
