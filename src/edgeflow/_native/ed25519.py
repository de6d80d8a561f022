"""Ed25519 signatures, checked by the firmware core: what a node would take, and nothing else."""

from edgeflow._native.library import ffi, lib

__all__ = ["KEY_BYTES", "SIGNATURE_BYTES", "is_key", "verify"]

KEY_BYTES, SIGNATURE_BYTES = 32, 64


def verify(signature: bytes, message: bytes, public_key: bytes) -> bool:
    """Whether a signature of 64 bytes is that key's of that message; False for other lengths.

    Raises:
        MissingExtraError: cffi is not installed.
    """
    if len(signature) != SIGNATURE_BYTES or len(public_key) != KEY_BYTES:
        return False
    data = ffi.from_buffer("uint8_t[]", message)
    return bool(lib.ef_ed25519_verify(signature, data, len(message), public_key))


def is_key(public_key: bytes) -> bool:
    """Whether 32 bytes are the one encoding of a point that can verify anything."""
    return len(public_key) == KEY_BYTES and bool(lib.ef_ed25519_is_key(public_key))
