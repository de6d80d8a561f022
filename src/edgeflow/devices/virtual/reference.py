"""The reference firmware: META and INFR, a model from SPIFFS, and its delays.

Without a model it never answers. It knows no checksums, bounds or errors beyond PRED 0.
"""

import struct

import numpy as np

from edgeflow._native.model import NativeModel
from edgeflow.devices.costs import compute_us, reference_tick_us
from edgeflow.devices.virtual.application import Work
from edgeflow.errors import ConfigError, ProtocolError, TensorError
from edgeflow.protocols.spiffs import unpack

__all__ = ["MODEL_FILE", "ReferenceFirmware", "load_model"]

MODEL_FILE = "model_fp32.bin"
COUNT_SECONDS, PAYLOAD_SECONDS = 2.0, 5.0
_NOTHING = b"PRED" + bytes(4)


def load_model(image: bytes) -> NativeModel | None:
    """Return the model of a SPIFFS partition, or None if it holds none that loads."""
    try:
        files = unpack(image)
        return NativeModel(files[MODEL_FILE]) if MODEL_FILE in files else None
    except (ProtocolError, ConfigError):
        return None


class ReferenceFirmware:
    """An ``Application``.

    Args:
        model: what lies in SPIFFS; None for a board that stays silent.
        instant: leave out the delays and the time of computing.
    """

    receive_bytes = 4096

    def __init__(self, model: NativeModel | None, *, instant: bool = False) -> None:
        self._model = model
        self._buffer = bytearray()
        self._since = 0.0
        self._instant = instant

    def start(self, now: float) -> Work:
        """Say nothing: the firmware's own log goes to the second UART."""
        return Work()

    def receive(self, data: bytes, now: float) -> None:
        """Keep the bytes; a board without a model never reads them."""
        if self._model is not None:
            self._buffer += data
            self._since = now

    def step(self, now: float) -> Work | None:
        """Answer the next message, if it is complete."""
        if self._model is None or not self._seek():
            return None
        if self._buffer.startswith(b"META"):
            del self._buffer[:4]
            info = self._model.info
            dims = (info.steps, info.features, info.horizon, info.hidden)
            return Work(b"INFO" + struct.pack("<4H", *dims), blocking=True)
        return self._infer(self._model, now)

    def close(self) -> None:
        """Forget everything."""
        self._buffer.clear()

    def _seek(self) -> bool:
        """Slide to the next magic."""
        found = [at for word in (b"META", b"INFR") if (at := self._buffer.find(word)) >= 0]
        at = min(found) if found else max(0, len(self._buffer) - 3)
        del self._buffer[:at]
        return bool(found)

    def _infer(self, model: NativeModel, now: float) -> Work | None:
        if len(self._buffer) < 8:
            return self._wait(COUNT_SECONDS, now)
        (count,) = struct.unpack_from("<I", self._buffer, 4)
        if count != model.info.steps * model.info.features:
            del self._buffer[:8]
            return Work(_NOTHING, blocking=True)
        size = 8 + 4 * count
        if len(self._buffer) < size:
            return self._wait(PAYLOAD_SECONDS, now)
        values = np.frombuffer(bytes(self._buffer[8:size]), "<f4")
        del self._buffer[:size]
        answer = self._run(model, values)
        reply = b"PRED" + struct.pack("<I", len(answer)) + answer.astype("<f4").tobytes()
        return Work(reply, self._seconds(model), blocking=True)

    def _wait(self, limit: float, now: float) -> Work | None:
        """Forget a message whose rest does not come."""
        if now - self._since < limit:
            return None
        self._buffer.clear()
        return Work()

    @staticmethod
    def _run(model: NativeModel, values: np.ndarray) -> np.ndarray:
        try:
            return model.run(values.reshape(model.info.steps, model.info.features))
        except TensorError:
            return np.full(model.info.horizon, np.nan, np.float32)

    def _seconds(self, model: NativeModel) -> float:
        if self._instant:
            return 0.0
        info = model.info
        compute = compute_us(info.multiply_adds, info.activations)
        return (compute + reference_tick_us(info.steps)) / 1e6
