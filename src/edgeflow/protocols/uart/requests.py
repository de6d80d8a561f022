"""What a host sends."""

from binascii import crc32, crc_hqx
from struct import pack

import numpy as np
import numpy.typing as npt

from edgeflow.protocols.uart.messages import HEADER, MAGIC, MAX_MODEL_IDS, MAX_PAYLOAD

__all__ = ["encode", "encode_infr", "encode_meta", "quantise", "scales_of"]


def encode(
    kind: int, request: int, payload: bytes = b"", *, model: int = 0, status: int = 0
) -> bytes:
    """Return a message of the extended protocol.

    Raises:
        ValueError: the payload is too large, or a number does not fit its field.
    """
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"{len(payload)} bytes are more than a message takes ({MAX_PAYLOAD})")
    if not (
        0 <= kind < 256
        and 0 <= request < 65536
        and 0 <= model < MAX_MODEL_IDS
        and 0 <= status < 256
    ):
        raise ValueError("type, request id, model id or status does not fit its field")
    body = HEADER.pack(MAGIC, kind, status, request, model, 0, len(payload), 0)[4:14]
    middle = body + crc_hqx(body, 0xFFFF).to_bytes(2, "little") + payload
    return b"".join((MAGIC, middle, crc32(middle).to_bytes(4, "little")))


def encode_meta() -> bytes:
    """Return the question of the reference protocol for the dimensions."""
    return b"META"


def encode_infr(sample: npt.NDArray[np.float32]) -> bytes:
    """Return an inference request of the reference protocol for float32 (T, F)."""
    return b"INFR" + pack("<I", sample.size) + np.ascontiguousarray(sample, "<f4").tobytes()


def scales_of(sample: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return per feature the smallest scale with which float32 (T, F) fits int8."""
    largest = np.abs(sample).max(axis=0) / np.float32(127)
    return np.where(largest > np.finfo(np.float32).tiny, largest, 1).astype(np.float32)


def quantise(
    sample: npt.NDArray[np.float32], scales: npt.NDArray[np.float32]
) -> npt.NDArray[np.int8]:
    """Return round(sample / scale), half away from zero, clamped to -127..127."""
    scaled = sample / scales
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    fitting: npt.NDArray[np.int8] = np.clip(rounded, -127, 127).astype(np.int8)
    return fitting
