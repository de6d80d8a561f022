"""What travels on a board's serial port: types, statuses, and what a receiver makes of bytes."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "BASE_BAUD",
    "HEADER",
    "HEADER_BYTES",
    "INFER_REPLY",
    "MAGIC",
    "MAX_INPUTS",
    "MAX_MODEL_IDS",
    "MAX_PAYLOAD",
    "OVERHEAD",
    "REPLY",
    "Capability",
    "Event",
    "Info",
    "Message",
    "Prediction",
    "Status",
    "Text",
    "Type",
]

MAGIC = b"EFX1"
MAX_PAYLOAD = 32768
MAX_INPUTS = 1 << 18
"""Values of one sample, at most."""
MAX_MODEL_IDS = 256
HEADER = Struct("<4sBBHBBIH")
HEADER_BYTES = 16
OVERHEAD = 20
"""Bytes of a message beside its payload."""
BASE_BAUD = 115200
REPLY = 0x80
INFER_REPLY = Struct("<II")


class Type(IntEnum):
    """Types of messages; a reply has bit 7 set besides."""

    HELLO = 0x01
    MODEL_INFO = 0x02
    INFER = 0x03
    STREAM_OPEN = 0x04
    STREAM_STEP = 0x05
    STREAM_CLOSE = 0x06
    UPLOAD_BEGIN = 0x10
    UPLOAD_DATA = 0x11
    UPLOAD_END = 0x12
    ACTIVATE = 0x13
    CONFIRM = 0x14
    ROLL_BACK = 0x15
    UPLOAD_ABORT = 0x16
    READ = 0x17
    SET_BAUD = 0x20
    STATISTICS = 0x21
    RESTART = 0x22
    ECHO = 0x23
    BOOTED = 0xC1
    DAMAGED = 0xFF


class Status(IntEnum):
    """What a board says of a request."""

    OK = 0
    CHECKSUM = 1
    UNKNOWN_TYPE = 2
    LENGTH = 3
    DIMENSIONS = 4
    NO_MODEL = 5
    BAD_MODEL = 6
    BUSY = 7
    FLASH = 8
    MEMORY = 9
    NOT_NOW = 10
    SELF_TEST = 11
    NOT_FINITE = 12
    NOT_SUPPORTED = 13
    TOO_LARGE = 14


class Capability(IntFlag):
    """What a board can do beyond inference."""

    SLOTS = 1
    STREAMS = 2
    INT8 = 4
    BAUD = 8
    RESTART = 16
    LAYERS = 32


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes that belong to no message: boot logs, noise."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Info:
    """``INFO`` of the reference protocol; zeros where there is no model."""

    steps: int
    features: int
    horizon: int
    hidden: int


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """``PRED`` of the reference protocol: float32[H], or no values for a refusal."""

    values: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the extended protocol whose checksums fit."""

    type: int
    status: int
    id: int
    model: int
    payload: bytes


Event: TypeAlias = Text | Info | Prediction | Message
