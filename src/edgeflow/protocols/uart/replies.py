"""What the replies of the extended protocol hold."""

from dataclasses import dataclass
from struct import Struct, error
from typing import Any

from edgeflow.errors import ProtocolError
from edgeflow.protocols.uart.messages import Capability, Status

__all__ = [
    "COUNTERS",
    "Dimensions",
    "Hello",
    "Model",
    "Refusal",
    "decode_dimensions",
    "decode_hello",
    "decode_model",
    "decode_refusal",
    "decode_statistics",
]

_HELLO = Struct("<HHIII6sBxIII16s24sII")
_MODEL = Struct("<BBBBHHHHBBxxIIIIIIII32s32s")
_STATISTICS = Struct("<10IQQ")
_DIMENSIONS = Struct("<HHHxx")

COUNTERS = (
    "requests",
    "reference_requests",
    "inferences",
    "errors",
    "crc_errors",
    "skipped_bytes",
    "timeouts",
    "swaps",
    "roll_backs",
    "busiest_us",
    "compute_us",
    "uptime_us",
)
"""Names of a board's counters, in the order of the STATISTICS reply."""

_WORDS = {
    Status.CHECKSUM: "checksum wrong",
    Status.UNKNOWN_TYPE: "unknown type of request",
    Status.LENGTH: "wrong length of the request",
    Status.DIMENSIONS: "the values do not fit the model's dimensions",
    Status.NO_MODEL: "there is no model under this id",
    Status.BAD_MODEL: "the model's bytes contradict themselves",
    Status.BUSY: "busy",
    Status.FLASH: "the flash failed",
    Status.MEMORY: "not enough memory",
    Status.NOT_NOW: "not now",
    Status.SELF_TEST: "the model misses its self-test vector",
    Status.NOT_FINITE: "not finite",
    Status.NOT_SUPPORTED: "not supported",
    Status.TOO_LARGE: "it does not fit into the slot",
}


@dataclass(frozen=True, slots=True)
class Hello:
    """What a board says of itself; fields as on the protocol page."""

    version: int
    window: int
    window_bytes: int
    max_payload: int
    capabilities: Capability
    unique_id: str
    models: int
    baud: int
    slot_bytes: int
    arena_bytes: int
    chip: str
    firmware: str
    uptime_ms: int
    free_memory: int | None


@dataclass(frozen=True, slots=True)
class Model:
    """MODEL_INFO; fields as on the protocol page."""

    slot: int
    state: int
    previous: int
    kind: int
    steps: int
    features: int
    horizon: int
    hidden: int
    dtype: int
    is_reference: bool
    version: int
    parameters: int
    file_bytes: int
    crc32: int
    sequence: int
    multiply_adds: int
    activations: int
    arena_bytes: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Reply of STREAM_OPEN."""

    steps: int
    features: int
    horizon: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a board refused."""

    status: int
    detail: int
    text: str

    def __str__(self) -> str:
        known = self.status in Status.__members__.values()
        words = _WORDS.get(Status(self.status), "") if known else ""
        words = words or f"status {self.status}"
        return f"{words}: {self.text}" if self.text and self.text != words else words


def decode_hello(payload: bytes) -> Hello:
    """Read a HELLO reply.

    Raises:
        ProtocolError: its length is wrong, or its window is none.
    """
    version, window, window_bytes, most, able, unique, models, *rest = _unpack(_HELLO, payload)
    baud, slot, arena, chip, firmware, uptime, memory = rest
    if not window or window_bytes < 64:
        raise ProtocolError(f"HELLO: a window of {window} requests, {window_bytes} bytes is none")
    return Hello(
        version,
        window,
        window_bytes,
        most,
        Capability(able & sum(Capability)),
        unique.hex(":") if any(unique) else "",
        models,
        baud,
        slot,
        arena,
        _text(chip),
        _text(firmware),
        uptime,
        None if memory == 0xFFFFFFFF else memory,
    )


def decode_model(payload: bytes) -> Model:
    """Read a MODEL_INFO reply.

    Raises:
        ProtocolError: its length is wrong.
    """
    *fields, name, digest = _unpack(_MODEL, payload[: _MODEL.size])
    fields[9] = bool(fields[9])
    return Model(*[*fields, _text(name), digest.hex() if any(digest) else ""])


def decode_statistics(payload: bytes) -> dict[str, int]:
    """Read a STATISTICS reply: counters by name.

    Raises:
        ProtocolError: its length is wrong.
    """
    return dict(zip(COUNTERS, _unpack(_STATISTICS, payload), strict=True))


def decode_dimensions(payload: bytes) -> Dimensions:
    """Read a STREAM_OPEN reply.

    Raises:
        ProtocolError: its length is wrong.
    """
    return Dimensions(*_unpack(_DIMENSIONS, payload))


def decode_refusal(status: int, payload: bytes) -> Refusal:
    """Read the payload of a reply with a status; never fails."""
    detail = int.from_bytes(payload[:4], "little")
    text = payload[4:100].decode("utf-8", "replace")
    return Refusal(status, detail, "".join(each for each in text if each.isprintable()))


def _unpack(form: Struct, payload: bytes) -> tuple[Any, ...]:
    try:
        return form.unpack(payload)
    except error:
        raise ProtocolError(f"a reply of {len(payload)} bytes, {form.size} expected") from None


def _text(data: bytes) -> str:
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace")
    return "".join(each for each in text if each.isprintable())
