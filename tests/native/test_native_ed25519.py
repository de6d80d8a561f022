"""The core's signatures beside those of the ``cryptography`` package."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.ed25519 import is_key, verify
from edgeflow._native.library import ffi, lib

FIRMWARE = Path(__file__).parents[2] / "firmware"
ORDER = 2**252 + 27742317777372353535851937790883648493
SEEDS = st.binary(min_size=32, max_size=32)


def signed(seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.sign(message), key.public_key().public_bytes_raw()


def theirs(signature: bytes, message: bytes, key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.binary(max_size=600))
def test_what_was_signed_is_taken(seed: bytes, message: bytes) -> None:
    signature, key = signed(seed, message)
    assert is_key(key)
    assert verify(signature, message, key)
    assert not verify(signature, message + b"\0", key)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.binary(min_size=1, max_size=64), st.integers(0, 2**31), st.integers(1, 255))
def test_what_was_changed_is_not(seed: bytes, message: bytes, where: int, flip: int) -> None:
    signature, key = signed(seed, message)
    parts = bytearray(signature + key + message)
    parts[where % len(parts)] ^= flip
    changed = bytes(parts[:64]), bytes(parts[96:]), bytes(parts[64:96])
    assert not theirs(*changed)
    assert not verify(*changed)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=64, max_size=64), st.binary(max_size=8), SEEDS)
def test_noise_is_not(signature: bytes, message: bytes, key: bytes) -> None:
    assert not verify(signature, message, key)


def test_a_key_of_small_order_is_none() -> None:
    key, signature = bytes(32), bytes(64)
    taken = [bytes([first]) for first in range(64) if theirs(signature, bytes([first]), key)]
    assert taken, "nothing here that another library would take"
    assert not is_key(key)
    assert not any(verify(signature, message, key) for message in taken)


def test_a_signature_has_one_form() -> None:
    signature, key = signed(bytes(32), b"image")
    scalar = int.from_bytes(signature[32:], "little")
    other = signature[:32] + (scalar + ORDER).to_bytes(32, "little")
    assert verify(signature, b"image", key)
    assert not verify(other, b"image", key)


def test_lengths_that_are_none() -> None:
    signature, key = signed(bytes(32), b"")
    assert verify(signature, b"", key)
    assert not verify(signature[:-1], b"", key)
    assert not verify(signature, b"", key + b"\0")
    assert not is_key(key[:-1]) and not is_key(b"")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_sha512_in_pieces(pieces: list[bytes]) -> None:
    state, digest = ffi.new("ef_sha512 *"), ffi.new("uint8_t[64]")
    lib.ef_sha512_begin(state)
    for piece in pieces:
        lib.ef_sha512_update(state, ffi.from_buffer(piece), len(piece))
    lib.ef_sha512_end(state, digest)
    assert bytes(digest) == hashlib.sha512(b"".join(pieces)).digest()


def test_what_a_check_costs(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        pytest.skip("valgrind or gcc is missing")
    core, made = FIRMWARE / "core", tmp_path / "cost"
    names = ("sha512.c", "ed25519.c", "ed25519_field.c")
    sources = [FIRMWARE / "tools/verify_cost.c", *(core / "src" / name for name in names)]
    compiler = ["gcc", "-std=c11", "-O2", f"-I{core / 'include'}", *map(str, sources)]
    subprocess.run([*compiler, "-o", str(made)], check=True, timeout=60)
    counting = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path / 'out'}"]
    ran = subprocess.run(
        [*counting, str(made)], check=True, capture_output=True, text=True, timeout=120
    )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found is not None
    # Two cycles of an ESP32-S3 for each: 100 ms at 160 MHz, once per image.
    assert 1_000_000 < int(found.group(1)) < 8_000_000
