"""Partition tables: byte for byte those of ESP-IDF, and nothing from outside is trusted."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.partitions import (
    TABLE_BYTES,
    Partition,
    decode_table,
    encode_table,
    find_partition,
    read_csv,
)

REFERENCE = """\
# Name, Type, SubType, Offset, Size, Flags
nvs,      data, nvs,     0x9000,   24K,
phy_init, data, phy,     0xF000,   4K,
factory,  app,  factory, 0x10000,  2M,
model,    data, spiffs,  0x210000, 5120K,
"""


def test_the_reference_table_is_that_of_the_official_tool() -> None:
    table = encode_table(read_csv(REFERENCE))
    assert len(table) == TABLE_BYTES
    assert table[0x90:0xA0].hex() == "193d76d84f80b4409969307f26153a48"
    assert (
        hashlib.sha256(table).hexdigest()
        == "b5cbb2acdd8a5f70798febe7640ac6dc12142071d9a7d4d5848111a7dca20f2e"
    )
    assert find_partition(decode_table(table), "model") == Partition(
        "model", 1, 0x82, 0x210000, 5120 * 1024
    )


def test_empty_offsets_follow_the_row_before() -> None:
    rows = read_csv(
        "nvs,data,nvs,,24K\nfactory,app,factory,,1M,readonly\n\nslots,0x40,1,,0x2000,encrypted:readonly"
    )
    assert [(row.label, row.offset, row.flags) for row in rows] == [
        ("nvs", 0x9000, 0),
        ("factory", 0x10000, 2),
        ("slots", 0x110000, 3),
    ]


row = st.builds(
    Partition,
    st.text("abcdefghij_", max_size=16),
    st.integers(0, 254),
    st.integers(0, 255),
    st.integers(0, 2**31),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**32 - 1),
)


@given(st.lists(row, min_size=1, max_size=95))
def test_what_is_encoded_is_decoded(rows: list[Partition]) -> None:
    assert list(decode_table(encode_table(rows))) == rows


@given(st.binary(max_size=4000))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    for start in (b"", b"\xaa\x50"):
        try:
            assert len(decode_table(start + data)) <= TABLE_BYTES // 32
        except ProtocolError as error:
            assert str(error)


@given(st.text(max_size=300))
def test_arbitrary_csv_never_crashes(text: str) -> None:
    for start in ("", "model, data, spiffs, "):
        try:
            read_csv(start + text)
        except ConfigError as error:
            assert str(error)


@given(st.integers(0, 4 * 32 - 1), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(place: int, bit: int) -> None:
    table = bytearray(encode_table(read_csv(REFERENCE)))
    table[place] ^= 1 << bit
    with pytest.raises(ProtocolError):
        decode_table(bytes(table))


def test_empty_flash_has_no_table() -> None:
    with pytest.raises(ProtocolError, match="no partition table"):
        decode_table(b"\xff" * TABLE_BYTES)


def test_a_missing_label_names_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match=r"no partition 'model'.*nvs, phy_init"):
        find_partition(read_csv(REFERENCE)[:2], "model")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("model,data,spiffs,0x9000", "5 or 6 fields"),
        ("model,data,nothing,0x9000,4K", "neither a number nor one of"),
        ("model,0x100,0,0x9000,4K", "not within"),
        ("model,data,spiffs,0x9001,4K", "no multiple of 0x1000"),
        ("model,app,factory,0x11000,4K", "no multiple of 0x10000"),
        ("model,data,spiffs,0x8000,4K", "lies before"),
        ("model,data,spiffs,0x9000,lots", "no size"),
        ("model,data,spiffs,0x9000,0", "does not fit"),
        ("model,data,spiffs,0x9000,4K,wild", "no flag"),
        ("a-very-long-label-indeed,data,spiffs,0x9000,4K", "1 to 16 bytes"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"line 2: .*{message}"):
        read_csv("# heading\n" + line)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="95 partitions"):
        encode_table([Partition("a", 1, 2, 0, 0)] * 96)


def test_a_label_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        read_csv("a,data,nvs,,4K\na,data,nvs,,4K")
