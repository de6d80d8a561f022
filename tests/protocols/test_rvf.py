"""Containers of sensing modules, beside the core's own reading of them."""

import hashlib
import struct
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.modules import check_container
from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.rvf import Container, Manifest, capability_bits, capability_names

WASM = b"\0asm\1\0\0\0" + bytes(range(40))
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
MANIFEST = Manifest("wdp-bld-hvac-presence", 0x28, 2000, 4, 32, 1, 52, 192, "EdgeFlow")
SIGNED = Container(MANIFEST, WASM).sign(KEY.sign)


def test_every_byte_is_where_the_table_has_it() -> None:
    image = SIGNED.encode()
    assert image[:4] == b"RVF\x01"
    assert struct.unpack_from("<HH", image, 4) == (1, 5)
    lengths = (96, len(WASM), 64, 0, 32 + 96 + len(WASM) + 64, 0)
    assert struct.unpack_from("<6I", image, 8) == lengths
    manifest = image[32:128]
    assert manifest[:32] == b"wdp-bld-hvac-presence".ljust(32, b"\0")
    assert struct.unpack_from("<HIIHHH", manifest, 32) == (1, 0x28, 2000, 4, 32, 1)
    assert manifest[48:80] == hashlib.sha256(WASM).digest()
    assert struct.unpack_from("<HH10s2x", manifest, 80) == (52, 192, b"EdgeFlow\0\0")
    assert image[128 : 128 + len(WASM)] == WASM
    KEY.public_key().verify(image[-64:], image[:-64])


def test_what_was_encoded_is_decoded_and_the_core_agrees() -> None:
    assert Container.decode(SIGNED.encode()) == SIGNED
    assert check_container(SIGNED.encode(), PUBLIC) is None
    assert check_container(Container(MANIFEST, WASM).encode()) is None
    with_vectors = replace(Container(MANIFEST, WASM), vectors=b"some").sign(KEY.sign)
    assert Container.decode(with_vectors.encode()) == with_vectors
    assert check_container(with_vectors.encode(), PUBLIC) is None


def test_signatures_of_others_and_of_the_references_kind_do_not_count() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert check_container(Container(MANIFEST, WASM).sign(other.sign).encode(), PUBLIC)

    def reference(signed: bytes) -> bytes:
        return hashlib.sha256(PUBLIC + signed).digest().ljust(64, b"\0")

    fake = Container(MANIFEST, WASM).sign(reference)
    assert check_container(fake.encode(), PUBLIC) == "not signed by this key"
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(fake.signature, fake.signed)
    reference_flags = bytearray(fake.encode())
    reference_flags[6] = 1
    assert not Container.decode(bytes(reference_flags)).has_signature
    assert check_container(bytes(reference_flags), PUBLIC) == "not signed by this key"


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, b"X", "not a container"),
        (4, b"\2", "version 2"),
        (8, b"\x61", "manifest of 97"),
        (12, b"\0\0\0\0", "0 bytes of WebAssembly"),
        (12, b"\1\0\2\0", "131073 bytes"),
        (16, b"\x3f", "signature of 63"),
        (20, b"\xff\xff\xff\xff", "add up"),
        (24, b"\0", "add up"),
        (32 + 31, b"x", "does not end"),
        (32 + 32, b"\2", "host API 2"),
        (32 + 48, b"\0\0", "another hash"),
        (6, b"\4", "flags"),
        (6, b"\x0d", "flags"),
        (32 + 35, b"\1", "capabilities"),
        (32 + 80, b"\xff", "min_subcarriers"),
    ],
)
def test_refusals_with_their_reason_also_by_the_core(at: int, value: bytes, reason: str) -> None:
    image = bytearray(SIGNED.encode())
    image[at : at + len(value)] = value
    with pytest.raises(ProtocolError, match=reason):
        Container.decode(bytes(image))
    assert check_container(bytes(image)) is not None


def test_checks_come_in_their_order() -> None:
    image = bytearray(SIGNED.encode())
    for at, value, reason in (
        (128, b"text", "another hash"),
        (64, b"\2", "host API"),
        (63, b"x", "not end"),
        (24, b"\0", "add up"),
        (16, b"\1", "signature"),
        (12, b"\0", "WebAssembly"),
        (8, b"\1", "manifest"),
        (4, b"\3", "version"),
        (0, b"\0", "not a container"),
    ):
        image[at : at + len(value)] = value
        if at == 12:
            image[12:16] = bytes(4)
        with pytest.raises(ProtocolError, match=reason):
            Container.decode(bytes(image))
    with pytest.raises(ProtocolError, match="shorter"):
        Container.decode(bytes(image[:135]))


def test_what_does_not_fit_is_refused_before_it_is_written() -> None:
    for wrong in (
        Manifest(""),
        Manifest("x" * 32),
        Manifest("ä"),
        Manifest("x", author="longer than it"),
        Manifest("x", capabilities=128),
        Manifest("x", max_events_per_second=65536),
        Manifest("x", min_subcarriers=9, max_subcarriers=8),
    ):
        with pytest.raises(ConfigError):
            Container(wrong, WASM).encode()
    with pytest.raises(ConfigError, match="no module"):
        Container(MANIFEST, b"text").encode()
    with pytest.raises(ConfigError):
        Container(MANIFEST, WASM + bytes(131072)).encode()
    assert capability_names(capability_bits(["log", "phase"])) == ["phase", "log"]
    with pytest.raises(ConfigError, match="hearing"):
        capability_bits(["hearing"])


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=300),
    flips=st.lists(st.tuples(st.integers(0, 239), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 250),
)
def test_hostile_bytes_never_crash_and_the_core_agrees(
    data: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    image = bytearray(SIGNED.encode())
    for at, value in flips:
        image[at] = value
    for candidate in (data, bytes(image), bytes(image[:cut])):
        try:
            found = Container.decode(candidate)
        except ProtocolError:
            assert check_container(candidate) is not None
        else:
            assert check_container(candidate) is None
            assert len(found.wasm) < len(candidate)
