"""The core's checksums against zlib, hashlib and published check values."""

import hashlib
import zlib

from hypothesis import given
from hypothesis import strategies as st

from edgeflow._native.library import ffi, lib


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc32_goes_on_where_it_stopped(first: bytes, second: bytes) -> None:
    assert lib.ef_crc32(lib.ef_crc32(0, first, len(first)), second, len(second)) == zlib.crc32(
        first + second
    )


def test_crc16_has_the_published_check_value() -> None:
    assert lib.ef_crc16(b"123456789", 9) == 0x29B1


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_sha256_in_two_parts(first: bytes, second: bytes) -> None:
    hashing = ffi.new("ef_sha256 *")
    lib.ef_sha256_begin(hashing)
    lib.ef_sha256_update(hashing, first, len(first))
    lib.ef_sha256_update(hashing, second, len(second))
    digest = ffi.new("uint8_t[32]")
    lib.ef_sha256_end(hashing, digest)
    assert bytes(digest) == hashlib.sha256(first + second).digest()
