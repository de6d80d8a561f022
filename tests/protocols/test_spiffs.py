"""Images are byte for byte those of ESP-IDF's own generator, and are read back from any state."""

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols import spiffs

META = b'{"T":32,"F":4,"H":8,"hidden":32}'
K = 1024


def pattern(count: int) -> bytes:
    return bytes((7 * i + 3) & 255 for i in range(count))


MODEL = {"/model_fp32.bin": pattern(20016), "/model_meta.json": META}
GOLDEN = {
    "A": (64, {"/a.bin": b""}, "90a65c9e519e7dc39b3fe7b028ae33282d11b54fa9d00e0293cff8d82f38bc40"),
    "B": (64, MODEL, "54d41e8650a981150f113421a82c4f8b5150a764b609e25e878507349186422e"),
    "C": (5120, MODEL, "8bc91b1abee2ffde667507e2c6299e3835f7576af20fa8834c56eba44966f7a2"),
    "D": (
        256,
        {"/x.bin": pattern(100_000)},
        "68b2e7db597763c31e0f567b794beba31bc303a8bb19fe045357764304bad74e",
    ),
    "E": (
        64,
        {"/x.bin": pattern(251 * 103)},
        "716e0cc3c6ca84f271acca7b6f0a35eb090e68a4ef815ffec4e34cb853e4f696",
    ),
    "F": (
        64,
        {"/x.bin": pattern(251 * 103 + 1)},
        "9a9ba7d3f711ed1447e102b1801dc02fce4803b7239ca196dcac68ec5c25125c",
    ),
    "G": (
        64,
        {"/" + 30 * "n": pattern(10)},
        "2852e437c73fd733bf55545ab0ae27bc512ab56016eaa7ea81f2ef0de9806191",
    ),
    "H": (64, {}, "5b9023fc696cca8f2ae60dc8dda8621ec3f12518fc7a3f36a306d26714841746"),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_images_are_those_of_the_official_generator(case: str) -> None:
    kilobytes, files, expected = GOLDEN[case]
    image = spiffs.pack(files, kilobytes * K)
    assert len(image) == kilobytes * K
    assert hashlib.sha256(image).hexdigest() == expected
    assert spiffs.unpack(image) == {name[1:]: content for name, content in files.items()}


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.text("abcdefgh._-", min_size=1, max_size=20), st.binary(max_size=9000), max_size=5
    )
)
def test_what_is_packed_is_unpacked(files: dict[str, bytes]) -> None:
    assert spiffs.unpack(spiffs.pack(files, 64 * K)) == files


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 64 * K - 1), st.integers(0, 255)), max_size=40))
def test_damage_gives_files_or_a_clear_error(damage: list[tuple[int, int]]) -> None:
    image = bytearray(spiffs.pack({"model_fp32.bin": pattern(20016), "m.json": META}, 64 * K))
    for place, value in damage:
        image[place] = value
    try:
        files = spiffs.unpack(bytes(image))
    except ProtocolError:
        return
    assert sum(map(len, files.values())) <= len(image)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=3000), st.integers(0, 3))
def test_arbitrary_bytes_never_crash(junk: bytes, blocks: int) -> None:
    image = (junk * 5)[: blocks * spiffs.BLOCK].ljust(blocks * spiffs.BLOCK, b"\0")
    for block in range(blocks):
        magic = (0x20140529 ^ 256 ^ (blocks - block)) & 0xFFFF
        image = bytearray(image)
        struct.pack_into("<H", image, block * 4096 + 252, magic)
    try:
        spiffs.unpack(bytes(image))
    except ProtocolError as error:
        assert str(error)


def test_deleted_and_unfinished_pages_are_passed_over() -> None:
    image = bytearray(spiffs.pack({"old": b"old words", "new": b"new words"}, 16 * K))
    struct.pack_into("<HH", image, 0, 0, 0)  # the lookup calls the first file's two pages deleted
    assert spiffs.unpack(bytes(image)) == {"new": b"new words"}
    image[3 * 256 + 4] &= 0x7F  # the second file's index page says itself that it is deleted
    assert spiffs.unpack(bytes(image)) == {}


def test_a_file_with_a_missing_page_is_refused() -> None:
    image = bytearray(spiffs.pack({"x": pattern(1000)}, 16 * K))
    struct.pack_into("<H", image, 2 * 2, 0)
    with pytest.raises(ProtocolError, match="x: 4 pages are needed, 3 are there"):
        spiffs.unpack(bytes(image))


def test_blocks_without_magic_are_no_file_system() -> None:
    image = bytearray(spiffs.pack({"x": b"1"}, 16 * K))
    image[252:254] = b"\xff\xff"
    assert spiffs.unpack(bytes(image)) == {"x": b"1"}  # as the board's own code accepts it
    image[4096 + 252 : 4096 + 254] = b"\xff\xff"
    with pytest.raises(ProtocolError, match="2 of 4 blocks lack the magic"):
        spiffs.unpack(bytes(image))
    with pytest.raises(ProtocolError):
        spiffs.unpack(b"\xff" * 64 * K)


def test_a_file_longer_than_asked_is_refused() -> None:
    image = spiffs.pack({"x": pattern(1000)}, 16 * K)
    with pytest.raises(ProtocolError, match="1000 bytes, at most 999"):
        spiffs.unpack(image, max_file=999)


@pytest.mark.parametrize("size", [0, -4096, 100, 16 * K * K + 4096])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        spiffs.pack({}, size)


@pytest.mark.parametrize("name", ["", "/", 31 * "n", "a\0b"])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no name for SPIFFS"):
        spiffs.pack({name: b""}, 16 * K)


def test_files_that_do_not_fit_are_refused() -> None:
    most = 15 * 251 - 2 * 251  # one block: 15 pages, one of them an index, and one to spare
    spiffs.pack({"x": bytes(most + 251)}, 4 * K)
    with pytest.raises(ConfigError, match="do not fit into 4096 bytes"):
        spiffs.pack({"x": bytes(most + 252)}, 4 * K)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        spiffs.pack({"a": b"", "/a": b""}, 16 * K)
