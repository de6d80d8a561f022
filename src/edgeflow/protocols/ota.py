"""Firmware updates of nodes: the signed header in front of an image, and what an image says.

The C form is ``firmware/core/include/edgeflow/ota_image.h``; ``docs/reference/ota.md`` has it to
the byte. Signatures are made and checked elsewhere: here are bytes only.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from edgeflow.errors import ConfigError, ProtocolError

__all__ = [
    "CHIPS",
    "HEADER_BYTES",
    "IMAGE_MAGIC",
    "MAX_IMAGE",
    "PORT",
    "PSK_LEAST",
    "PSK_MOST",
    "SIGNED_BYTES",
    "ImageDescription",
    "UpdateHeader",
    "describe_image",
    "key_id",
    "pack_update",
    "split_update",
]

PORT = 8032
"""Where nodes listen."""
PSK_LEAST, PSK_MOST = 16, 64
"""Characters of the key that an upload shows."""
HEADER_BYTES, SIGNED_BYTES = 192, 128
MAX_IMAGE = 16 << 20
"""No flash of a node is larger."""
IMAGE_MAGIC = 0xE9
CHIPS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c6": 13}
"""As ESP-IDF numbers them in the header of an image."""

_MAGIC = b"EFO1"
_HEADER = struct.Struct("<4sHHII8s32s32s32s8x64s")
_NAME_BYTES = 32
_RESERVED = slice(120, 128)
_APP = struct.Struct("<II8x32s32s16s16s")
_APP_AT, _APP_MAGIC, _CHIP_AT = 32, 0xABCD5432, 12


@dataclass(frozen=True, slots=True)
class UpdateHeader:
    """What stands in front of an image.

    Attributes:
        version: 1 to 31 printable characters without spaces; what the node says afterwards.
        board: the same, the project that the image was built from.
        chip: see ``CHIPS``.
        size: bytes of the image.
        counter: never goes down on a node.
        digest: SHA-256 of the image.
        key: first 8 bytes of the SHA-256 of the public key.
        signature: 64 bytes over the first 128 of the header.
    """

    version: str
    board: str
    chip: int
    size: int
    counter: int
    digest: bytes
    key: bytes
    signature: bytes = bytes(64)

    def encode(self) -> bytes:
        """Return the 192 bytes.

        Raises:
            ConfigError: a field does not fit.
        """
        names = [_put_name(what, getattr(self, what)) for what in ("version", "board")]
        if not 0 < self.size <= MAX_IMAGE:
            raise ConfigError(f"an image of {self.size} bytes", hint=f"1 to {MAX_IMAGE}")
        if not (0 <= self.chip <= 0xFFFF and 0 <= self.counter <= 0xFFFFFFFF):
            raise ConfigError(f"chip {self.chip} or counter {self.counter} does not fit")
        fields = (self.chip, self.size, self.counter, self.key, *names, self.digest)
        return _HEADER.pack(_MAGIC, HEADER_BYTES, *fields, self.signature)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the header at the start of ``data``; the signature is not checked.

        Raises:
            ProtocolError: it is none.
        """
        if len(data) < HEADER_BYTES:
            raise ProtocolError(f"an update of {len(data)} bytes has no header")
        magic, length, chip, size, counter, key, version, board, digest, signature = (
            _HEADER.unpack_from(data)
        )
        if magic != _MAGIC or length != HEADER_BYTES or any(data[_RESERVED]):
            raise ProtocolError("no update: it does not begin with EFO1 and 192")
        if not 0 < size <= MAX_IMAGE:
            raise ProtocolError(f"an update with an image of {size} bytes")
        names = _get_name(version), _get_name(board)
        return cls(*names, chip, size, counter, digest, key, signature)


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What an image of ESP-IDF says of itself: all but ``chip`` is empty where it has no
    description.
    """

    chip: int
    version: str = ""
    project: str = ""
    secure_version: int = 0
    date: str = ""
    time: str = ""


def describe_image(image: bytes) -> ImageDescription:
    """Read the header and the application's description of an image of ESP-IDF.

    Raises:
        ProtocolError: it is none.
    """
    if len(image) < _APP_AT or image[0] != IMAGE_MAGIC:
        raise ProtocolError("no image of ESP-IDF: it does not begin with 0xE9")
    chip = int.from_bytes(image[_CHIP_AT : _CHIP_AT + 2], "little")
    if len(image) >= _APP_AT + _APP.size:
        magic, secure, version, project, time, date = _APP.unpack_from(image, _APP_AT)
        if magic == _APP_MAGIC:
            names = _text(version), _text(project)
            return ImageDescription(chip, *names, secure, _text(date), _text(time))
    return ImageDescription(chip)


def key_id(public_key: bytes) -> bytes:
    """Return the 8 bytes that name a public key."""
    return hashlib.sha256(public_key).digest()[:8]


def pack_update(
    image: bytes,
    *,
    version: str,
    board: str,
    chip: int,
    counter: int,
    public_key: bytes,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """Return header and image; ``sign`` gives the 64 bytes for the first 128 of the header.

    Raises:
        ConfigError: a field does not fit.
    """
    digest = hashlib.sha256(image).digest()
    plain = UpdateHeader(version, board, chip, len(image), counter, digest, key_id(public_key))
    signed = plain.encode()[:SIGNED_BYTES]
    return signed + sign(signed) + image


def split_update(data: bytes) -> tuple[UpdateHeader, bytes]:
    """Return the header and the image, whose length and digest fit.

    Raises:
        ProtocolError: they do not.
    """
    header = UpdateHeader.decode(data)
    image = data[HEADER_BYTES:]
    if len(image) != header.size:
        raise ProtocolError(
            f"the update has {len(image)} bytes of image, its header says {header.size}"
        )
    if hashlib.sha256(image).digest() != header.digest:
        raise ProtocolError("the image is not the one that was signed: its SHA-256 differs")
    return header, image


def _put_name(what: str, name: str) -> bytes:
    data = name.encode("ascii", "replace")
    if not name.isascii() or not 0 < len(data) < _NAME_BYTES or not _is_plain(data):
        raise ConfigError(
            f"{what} {name!r} does not fit into the header",
            hint="1 to 31 printable ASCII characters without spaces",
        )
    return data


def _get_name(field: bytes) -> str:
    name = field.rstrip(b"\0")
    if not 0 < len(name) < _NAME_BYTES or not _is_plain(name):
        raise ProtocolError("an update whose version or board is no printable name")
    return name.decode("ascii")


def _is_plain(data: bytes) -> bool:
    return all(0x20 < byte < 0x7F for byte in data)


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("ascii", "replace")
