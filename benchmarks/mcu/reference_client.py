"""The reference system's way of asking a board: open the port, META, INFR, close; every time.

Written from a description of its behaviour: both buffers are reset, the magic of an answer is
sought one byte per read call, and the port's time limit is 0.1 s.
"""

import struct
import time

import numpy as np
import serial

__all__ = ["ask"]

READ_SECONDS = 0.1
INFO_SECONDS = 6.0
ANSWER_SECONDS = 10.0


def ask(port: str, baud: int, sample: np.ndarray) -> np.ndarray:
    """Return the forecast for one sample.

    Raises:
        TimeoutError: no answer.
        ValueError: the answer does not fit.
    """
    with serial.Serial(port, baud, timeout=READ_SECONDS) as line:
        line.reset_input_buffer()
        line.reset_output_buffer()
        line.write(b"META")
        _seek(line, b"INFO", INFO_SECONDS)
        steps, features, horizon, _ = struct.unpack("<4H", _read(line, 8, INFO_SECONDS))
        if sample.shape != (steps, features):
            raise ValueError(f"the board takes {steps} x {features}")
        line.write(b"INFR" + struct.pack("<I", sample.size) + sample.astype("<f4").tobytes())
        line.flush()
        _seek(line, b"PRED", ANSWER_SECONDS)
        (count,) = struct.unpack("<I", _read(line, 4, ANSWER_SECONDS))
        if count != horizon:
            raise ValueError(f"{count} values came, {horizon} should")
        return np.frombuffer(_read(line, 4 * count, ANSWER_SECONDS), "<f4")


def _seek(line: serial.Serial, magic: bytes, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    window = b""
    while window != magic:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {magic.decode()}")
        window = (window + line.read(1))[-4:]


def _read(line: serial.Serial, count: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    data = b""
    while len(data) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(data)} of {count} bytes")
        data += line.read(count - len(data))
    return data
