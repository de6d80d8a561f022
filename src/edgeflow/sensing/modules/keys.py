"""The public key that modules must be signed by, from its file."""

from pathlib import Path

from edgeflow.devices.updates.signing import read_file
from edgeflow.errors import ConfigError, MissingExtraError

__all__ = ["read_public_key"]

MAX_BYTES = 16 << 10
HINT = "edgeflow ota keygen FILE makes FILE.pub"


def read_public_key(path: Path) -> bytes:
    """Return the 32 bytes of an Ed25519 public key (PEM).

    Raises:
        ConfigError: the file is none, or cannot be read.
        MissingExtraError: cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise MissingExtraError("cryptography", "mcu") from None
    try:
        key = load_pem_public_key(read_file(path, MAX_BYTES))
    except ValueError:
        raise ConfigError(f"{path} is no public key", hint=HINT) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is no Ed25519 key", hint=HINT)
    return key.public_bytes_raw()
