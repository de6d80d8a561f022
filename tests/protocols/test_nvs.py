"""NVS partitions: what Espressif's generator writes is read, whatever else comes is survived."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.devices.provisioning.image import build_image
from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.nvs import NvsContent, NvsEntry, NvsType, decode_nvs

SIZE = 0x6000
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=15)
BITS = {NvsType.U8: 8, NvsType.U16: 16, NvsType.U32: 32, NvsType.U64: 64,
        NvsType.I8: 8, NvsType.I16: 16, NvsType.I32: 32, NvsType.I64: 64}  # fmt: skip


def integers(kind: NvsType) -> st.SearchStrategy[int]:
    bits = BITS[kind]
    low, high = (0, 2**bits - 1) if kind < NvsType.I8 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.integers(low, high)


VALUES = st.one_of(
    st.sampled_from(list(BITS)).flatmap(lambda kind: integers(kind).map(lambda v: (kind, v))),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80).map(
        lambda text: (NvsType.STRING, text)
    ),
    st.binary(max_size=3000).map(lambda blob: (NvsType.BLOB, blob)),
)
ENTRIES = st.lists(
    st.tuples(NAMES, NAMES, VALUES), max_size=6, unique_by=lambda row: (row[0], row[1])
).map(lambda rows: [NvsEntry(space, key, *value) for space, key, value in rows])


def some() -> list[NvsEntry]:
    return [
        NvsEntry("csi_cfg", "ssid", NvsType.STRING, "home"),
        NvsEntry("csi_cfg", "edge_tier", NvsType.U8, 2),
        NvsEntry("phy", "cal_data", NvsType.BLOB, bytes(range(256)) * 20),
        NvsEntry("other", "sta.ssid", NvsType.STRING, "kept"),
        NvsEntry("csi_cfg", "vital_int", NvsType.U16, 1000),
    ]


def found(image: bytes) -> dict[tuple[str, str], object]:
    return {(each.namespace, each.key): each.value for each in decode_nvs(image).entries}


@given(ENTRIES)
@settings(max_examples=60, deadline=None)
def test_what_the_generator_writes_is_read(entries: list[NvsEntry]) -> None:
    image = build_image(entries, SIZE)
    assert len(image) == SIZE
    content = decode_nvs(image)
    assert content.damaged == 0
    assert {(e.namespace, e.key, e.type, e.value) for e in content.entries} == {
        (e.namespace, e.key, e.type, e.value) for e in entries
    }


@given(st.lists(st.tuples(st.integers(0, 12287), st.binary(min_size=1, max_size=40)), max_size=30))
@settings(max_examples=150, deadline=None)
def test_damage_never_invents_a_value(hits: list[tuple[int, bytes]]) -> None:
    image = bytearray(build_image(some(), SIZE))
    truth = found(bytes(image))
    for at, data in hits:
        image[at : at + len(data)] = data
    for name, value in found(bytes(image)).items():
        assert truth.get(name) == value


@given(st.binary(max_size=600), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_arbitrary_bytes_are_survived(data: bytes, pages: int) -> None:
    whole = (data * (pages * 4096 // max(1, len(data)) + 1)).ljust(pages * 4096)[: pages * 4096]
    assert isinstance(decode_nvs(whole), NvsContent)


@given(st.binary(min_size=126 * 32, max_size=126 * 32), st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_arbitrary_entries_of_a_valid_page_are_survived(entries: bytes, bitmap: bytes) -> None:
    body = bytearray(entries)
    for at in range(0, len(body), 32):  # right checksums let the rest of the reader be reached
        body[at + 1] = (0x42, 0x48, 0x21, 0x41, 0x01)[body[at + 1] % 5]
        body[at + 8] = 0x41
        body[at + 9 : at + 24] = bytes(15)
        checksum = zlib.crc32(bytes(body[at : at + 4] + body[at + 8 : at + 32]), 0xFFFFFFFF)
        struct.pack_into("<I", body, at + 4, checksum)
    head = struct.pack("<IB19x", 0, 0xFE)
    page = struct.pack("<I", 0xFFFFFFFE) + head
    page += struct.pack("<I", zlib.crc32(head, 0xFFFFFFFF)) + bitmap + body
    assert len(decode_nvs(page).entries) <= 126


def test_an_erased_partition_holds_nothing() -> None:
    assert decode_nvs(b"\xff" * SIZE) == NvsContent((), 0)


@pytest.mark.parametrize("size", [0, 100, 4095, 2 << 20])
def test_what_is_no_partition_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match="pages of 4096"):
        decode_nvs(bytes(size))


def test_of_two_copies_the_later_page_counts() -> None:
    old = bytearray(build_image([NvsEntry("a", "k", NvsType.U8, 1)], 0x3000)[:4096])
    new = bytearray(build_image([NvsEntry("a", "k", NvsType.U8, 2)], 0x3000)[:4096])
    struct.pack_into("<I", old, 0, 0xFFFFFFF8)  # being emptied when the power went
    struct.pack_into("<I", new, 4, 7)
    struct.pack_into("<I", new, 28, zlib.crc32(bytes(new[4:28]), 0xFFFFFFFF))
    for pages in (old + new, new + old):
        assert found(bytes(pages)) == {("a", "k"): 2}


def test_erased_entries_and_half_a_blob_do_not_count() -> None:
    image = bytearray(build_image(some(), SIZE))
    first = image.index(b"ssid\0") - 8
    at = (first - 64) // 32
    image[32 + at // 4] &= ~(3 << 2 * (at % 4))
    assert ("csi_cfg", "ssid") not in found(bytes(image))
    image[4096 + 64 + 40] ^= 1  # within the second part of the blob
    assert ("phy", "cal_data") not in found(bytes(image))
    assert decode_nvs(bytes(image)).damaged


def test_values_are_not_part_of_what_is_printed() -> None:
    assert "home" not in repr(decode_nvs(build_image(some(), SIZE)))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        build_image([NvsEntry("a", "k", NvsType.BLOB, bytes(30000))], SIZE)
    with pytest.raises(ConfigError, match="12288"):
        build_image([], 0x2000)
