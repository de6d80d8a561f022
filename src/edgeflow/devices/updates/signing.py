"""Keys that sign firmware, and signed updates made of images."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError, MissingExtraError, ProtocolError
from edgeflow.protocols.ota import (
    MAX_IMAGE,
    UpdateHeader,
    describe_image,
    key_id,
    pack_update,
)

__all__ = ["KeyPair", "load_key", "make_key", "read_file", "sign_image", "write_file"]

_MAX_KEY = 4096


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key: its own object of ``cryptography``, and the 32 public bytes."""

    private: Any
    public: bytes

    @property
    def name(self) -> str:
        """As a node's status shows it, 16 hexadecimal digits."""
        return key_id(self.public).hex()


def make_key(path: Path, passphrase: bytes | None = None) -> KeyPair:
    """Write a new private key (PKCS #8 PEM, mode 0600) and beside it ``PATH.pub``.

    Raises:
        ConfigError: one of the files is there already, or cannot be written.
        MissingExtraError: ``cryptography`` is not installed.
    """
    keys, form = _library()
    shown = path.with_name(path.name + ".pub")
    if shown.exists():
        raise _there(shown)
    private = keys.Ed25519PrivateKey.generate()
    cover = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, cover)
    public = private.public_key()
    plain = public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    _write_new(path, secret, 0o600)
    _write_new(shown, plain, 0o644)
    return KeyPair(private, public.public_bytes_raw())


def load_key(path: Path, passphrase: bytes | None = None) -> KeyPair:
    """Read a private key.

    Raises:
        ConfigError: there is none, it is no Ed25519 key, or the passphrase is missing or wrong.
        MissingExtraError: ``cryptography`` is not installed.
    """
    keys, form = _library()
    data = read_file(path, _MAX_KEY)
    try:
        private = form.load_pem_private_key(data, passphrase or None)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is no private key that can be read: {error}",
            hint="make one with: edgeflow ota keygen FILE",
        ) from None
    if not isinstance(private, keys.Ed25519PrivateKey):
        raise ConfigError(f"{path} is no Ed25519 key", hint="edgeflow ota keygen makes one")
    return KeyPair(private, private.public_key().public_bytes_raw())


def sign_image(
    image: bytes,
    key: KeyPair,
    *,
    version: str | None = None,
    board: str | None = None,
    counter: int | None = None,
) -> tuple[bytes, UpdateHeader]:
    """Return the signed update of an image of ESP-IDF, and its header.

    Args:
        image: the ``.bin`` of a build.
        key: that signs.
        version: None takes that of the image.
        board: None takes the image's project.
        counter: None takes the image's ``secure_version``.

    Raises:
        ConfigError: it is no image, a value does not fit, or contradicts the image: the node tells
            versions from its images, so an update would seem never to arrive.
    """
    try:
        found = describe_image(image)
    except ProtocolError as error:
        raise ConfigError(str(error), hint="give the .bin of the build, not the .elf") from None
    if len(image) > MAX_IMAGE:
        raise ConfigError(f"an image of {len(image)} bytes", hint=f"{MAX_IMAGE} at most")
    names = {"version": (version, found.version), "board": (board, found.project)}
    chosen = {what: _choose(what, *pair) for what, pair in names.items()}
    data = pack_update(
        image,
        **chosen,
        chip=found.chip,
        counter=found.secure_version if counter is None else counter,
        public_key=key.public,
        sign=key.private.sign,
    )
    return data, UpdateHeader.decode(data)


def _choose(what: str, given: str | None, found: str) -> str:
    if given and found and given != found:
        raise ConfigError(
            f"the image says {what} {found!r}, not {given!r}",
            hint=f"leave --{what} out, or build the image with it (PROJECT_VER in ESP-IDF)",
        )
    if not (given or found):
        raise ConfigError(f"the image has no {what}", hint=f"give --{what}")
    return given or found


def read_file(path: Path, most: int) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: it cannot be read, or has more than ``most``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > most:
        raise ConfigError(f"{path} is longer than {most} bytes")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write a file, or replace it.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, mode), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise _there(path) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _there(path: Path) -> ConfigError:
    hint = "a key that nodes know must not be overwritten"
    return ConfigError(f"{path} is there already", hint=hint)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError("cryptography", "mcu") from error
    return ed25519, serialization
