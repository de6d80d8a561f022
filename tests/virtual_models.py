"""Small models for virtual boards, and a client that knows only the reference protocol."""

import struct
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeflow.protocols.model_file import LstmWeights, lstm_file

Floats = npt.NDArray[np.float32]


def lstm(
    steps: int = 8, features: int = 2, horizon: int = 3, hidden: int = 6, seed: int = 1
) -> bytes:
    """Return a reference file with random weights."""
    rng = np.random.default_rng(seed)
    gates = 4 * hidden
    shapes = ((gates, features), (gates, hidden), (gates,), (horizon, hidden), (horizon,))
    weights = [(rng.standard_normal(shape) * 0.3).astype(np.float32) for shape in shapes]
    return lstm_file(LstmWeights(*weights), steps=steps)


def sample(steps: int = 8, features: int = 2, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).standard_normal((steps, features)).astype(np.float32)


class Serial(Protocol):
    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> Any: ...


class ReferenceClient:
    """What a host does that follows the reference protocol to the letter."""

    def __init__(self, serial: Serial) -> None:
        self._serial = serial

    def info(self) -> tuple[int, ...]:
        self._serial.write(b"META")
        self._find(b"INFO")
        return struct.unpack("<4H", self._serial.read(8))

    def infer(self, values: Floats) -> Floats:
        data = values.astype("<f4").tobytes()
        self._serial.write(b"INFR" + struct.pack("<I", values.size) + data)
        self._find(b"PRED")
        (count,) = struct.unpack("<I", self._serial.read(4))
        return np.frombuffer(self._serial.read(4 * count), "<f4")

    def _find(self, magic: bytes) -> None:
        """Slide over whatever stands before the answer."""
        window = b""
        while window != magic:
            byte = self._serial.read(1)
            if not byte:
                raise TimeoutError(f"no {magic!r}; last bytes {window!r}")
            window = (window + byte)[-4:]
