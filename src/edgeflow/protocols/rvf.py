"""RVF, the container that sensing modules travel in: bytes only; keys are the caller's.

Header of 32 bytes, manifest of 96, WebAssembly, signature of 64, test vectors. The C form is
``firmware/core/include/edgeflow/module_container.h``; ``docs/reference/csi-modules.md`` has it to
the byte.
"""

import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from edgeflow.errors import ConfigError, ProtocolError

__all__ = [
    "API",
    "CAPABILITIES",
    "HEADER_BYTES",
    "MANIFEST_BYTES",
    "MAX_BYTES",
    "MAX_VERSION",
    "MAX_WASM",
    "Container",
    "Manifest",
    "capability_bits",
    "capability_names",
]

MAGIC, VERSION, API = 0x01465652, 1, 1
HEADER_BYTES, MANIFEST_BYTES, SIGNATURE_BYTES = 32, 96, 64
MIN_BYTES = 136
MAX_WASM = 131_072
MAX_BYTES = 135_360
MAX_VERSION = 0xFFFFFFFF
SIGNED, VECTORS, ED25519 = 1, 2, 4
CAPABILITIES = ("phase", "amplitude", "variance", "vitals", "history", "events", "log")
"""Names of the bits, from bit 0."""

_HEADER = struct.Struct("<IHHIIIIII")
_MANIFEST = struct.Struct("<32sHIIHHH32sHH10s2x")
_WASM = b"\0asm\1\0\0\0"
_NAME = re.compile(r"[ -~]{1,31}")
_AUTHOR = re.compile(r"[ -~]{0,10}")


def capability_bits(names: list[str]) -> int:
    """Return the bits of names.

    Raises:
        ConfigError: there is no such capability.
    """
    for name in names:
        if name not in CAPABILITIES:
            raise ConfigError(
                f"no capability {name!r}", hint=f"there are {', '.join(CAPABILITIES)}"
            )
    return sum(1 << CAPABILITIES.index(name) for name in set(names))


def capability_names(bits: int) -> list[str]:
    """Return the names of bits."""
    return [name for place, name in enumerate(CAPABILITIES) if bits >> place & 1]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a module says of itself; 0 stands for the default, or for no limit.

    Attributes:
        name: 1 to 31 printable characters. author: at most 10.
        capabilities: bits in the order of ``CAPABILITIES``; 0 for none.
        max_frame_us: what a call may take.
        min_subcarriers, max_subcarriers: frames of other sizes are not given to it.
    """

    name: str
    capabilities: int = 0
    max_frame_us: int = 0
    max_events_per_second: int = 0
    memory_limit_kb: int = 0
    event_schema: int = 1
    min_subcarriers: int = 0
    max_subcarriers: int = 0
    author: str = ""
    host_api: int = API

    def encode(self, wasm: bytes) -> bytes:
        """Return the 96 bytes, with the hash of the module.

        Raises:
            ConfigError: a field does not fit.
        """
        if not _NAME.fullmatch(self.name) or not _AUTHOR.fullmatch(self.author):
            raise ConfigError(
                f"module name {self.name!r}, author {self.author!r}",
                hint="a name has 1 to 31 printable characters, an author at most 10",
            )
        if not 0 <= self.capabilities < 1 << len(CAPABILITIES) or not 0 <= self.host_api <= API:
            raise ConfigError(f"capabilities {self.capabilities:#x}, host API {self.host_api}")
        if 0 < self.max_subcarriers < self.min_subcarriers:
            raise ConfigError(f"subcarriers {self.min_subcarriers} to {self.max_subcarriers}")
        try:
            return _MANIFEST.pack(
                self.name.encode(),
                self.host_api,
                self.capabilities,
                self.max_frame_us,
                self.max_events_per_second,
                self.memory_limit_kb,
                self.event_schema,
                hashlib.sha256(wasm).digest(),
                self.min_subcarriers,
                self.max_subcarriers,
                self.author.encode(),
            )
        except struct.error as error:
            raise ConfigError(f"manifest of {self.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Container:
    """A module with its manifest.

    Attributes:
        signature: of ``signed``, 64 bytes; empty where there is none.
        flags: as they were read.
        version: of the module, 0 for none; nodes refuse an older one of the same name. It counts
            where an Ed25519 signature vouches for it.
    """

    manifest: Manifest
    wasm: bytes
    signature: bytes = b""
    vectors: bytes = b""
    flags: int = 0
    version: int = 0

    @property
    def has_signature(self) -> bool:
        """It carries an Ed25519 signature; the hash that the reference calls one does not count."""
        return bool(self.signature) and bool(self.flags & ED25519)

    @property
    def signed(self) -> bytes:
        """What a signature is over: header, manifest and WebAssembly."""
        return self._head() + self.manifest.encode(self.wasm) + self.wasm

    def sign(self, sign: Callable[[bytes], bytes]) -> "Container":
        """Return it with a signature that ``sign`` makes of bytes.

        Raises:
            ConfigError: that has not 64 bytes.
        """
        flags = SIGNED | ED25519 | (VECTORS if self.vectors else 0)
        bare = replace(self, signature=bytes(SIGNATURE_BYTES), flags=flags)
        signature = sign(bare.signed)
        if len(signature) != SIGNATURE_BYTES:
            raise ConfigError(f"a signature of {len(signature)} bytes", hint="Ed25519 has 64")
        return replace(bare, signature=signature)

    def encode(self) -> bytes:
        """Return the container.

        Raises:
            ConfigError: the module is none, or too large.
        """
        if not self.wasm.startswith(_WASM) or len(self.wasm) > MAX_WASM:
            raise ConfigError(
                f"{self.manifest.name}: {len(self.wasm)} bytes that are no module of 128 KB at most"
            )
        whole = self.signed + self.signature + self.vectors
        if len(whole) > MAX_BYTES:
            raise ConfigError(f"{self.manifest.name}: {len(whole)} bytes, over {MAX_BYTES}")
        return whole

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a container, with the checks of the node in its order; signatures are not verified.

        Raises:
            ProtocolError: it is none.
        """
        wasm_bytes, signature_bytes, flags, version = _check_header(data)
        start = HEADER_BYTES + MANIFEST_BYTES
        after = start + wasm_bytes
        wasm = data[start:after]
        manifest = _read_manifest(data[HEADER_BYTES:start], wasm)
        vectors = data[after + signature_bytes :]
        _check_flags(flags, signature_bytes, len(vectors))
        if 0 < manifest.max_subcarriers < manifest.min_subcarriers:
            raise ProtocolError("module: min_subcarriers is above max_subcarriers")
        if manifest.capabilities >> len(CAPABILITIES):
            raise ProtocolError(f"module: capabilities {manifest.capabilities:#x} do not exist")
        return cls(manifest, wasm, data[after : after + signature_bytes], vectors, flags, version)

    def _head(self) -> bytes:
        flags = self.flags or (SIGNED if self.signature else 0) | (VECTORS if self.vectors else 0)
        total = HEADER_BYTES + MANIFEST_BYTES
        total += len(self.wasm) + len(self.signature) + len(self.vectors)
        lengths = (MANIFEST_BYTES, len(self.wasm), len(self.signature), len(self.vectors))
        if not 0 <= self.version <= MAX_VERSION:
            raise ConfigError(f"version {self.version}", hint=f"a version is 0 to {MAX_VERSION}")
        return _HEADER.pack(MAGIC, VERSION, flags, *lengths, total, self.version)


def _check_header(data: bytes) -> tuple[int, int, int, int]:
    if len(data) < MIN_BYTES:
        raise ProtocolError(f"module: {len(data)} bytes are shorter than a container")
    magic, form, flags, manifest, wasm, signature, vectors, total, version = _HEADER.unpack_from(
        data
    )
    checks = (
        (magic == MAGIC, "not a container"),
        (form == VERSION, f"version {form}, not {VERSION}"),
        (manifest == MANIFEST_BYTES, f"a manifest of {manifest} bytes, not {MANIFEST_BYTES}"),
        (1 <= wasm <= MAX_WASM, f"{wasm} bytes of WebAssembly, not 1 to {MAX_WASM}"),
        (signature in {0, SIGNATURE_BYTES}, f"a signature of {signature} bytes"),
        (
            total == HEADER_BYTES + MANIFEST_BYTES + wasm + signature + vectors == len(data)
            and total <= MAX_BYTES,
            f"the lengths do not add up to {len(data)} bytes",
        ),
    )
    for holds, what in checks:
        if not holds:
            raise ProtocolError(f"module: {what}")
    return wasm, signature, flags, version


def _read_manifest(data: bytes, wasm: bytes) -> Manifest:
    name, api, capabilities, frame, events, memory, schema, digest, least, most, author = (
        _MANIFEST.unpack(data)
    )
    if name[31]:
        raise ProtocolError("module: its name does not end")
    if api > API:
        raise ProtocolError(f"module: made for host API {api}; here is {API}")
    if digest != hashlib.sha256(wasm).digest():
        raise ProtocolError("module: its WebAssembly has another hash")
    if not wasm.startswith(_WASM):
        raise ProtocolError("module: what it carries is no WebAssembly")
    return Manifest(
        name=name.split(b"\0")[0].decode("latin-1"),
        capabilities=capabilities,
        max_frame_us=frame,
        max_events_per_second=events,
        memory_limit_kb=memory,
        event_schema=schema,
        min_subcarriers=least,
        max_subcarriers=most,
        author=author.split(b"\0")[0].decode("latin-1"),
        host_api=api,
    )


def _check_flags(flags: int, signature: int, vectors: int) -> None:
    known = SIGNED | VECTORS | ED25519
    fits = bool(flags & SIGNED) == bool(signature) and bool(flags & VECTORS) == bool(vectors)
    if flags & ~known or not fits or (flags & ED25519 and not signature):
        raise ProtocolError(f"module: flags {flags:#x} contradict its lengths")
