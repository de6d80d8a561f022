"""Pairs of bytes predicted from the pairs before them, the rest in adaptive Rice code.

The bits of a number u, of 0 to 255, with the parameter k: u >> k ones and a zero, then the k low
bits; from 16 ones on, the 8 bits of u follow instead. Highest bits first.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeflow.errors import ProtocolError

__all__ = ["PREDICTORS", "read_pairs", "write_pairs"]

PREDICTORS = 3
"""0: the pair before; 1: and half the step to it; 2: and the whole step."""
_ESCAPE = 16
_START = 8


def write_pairs(payload: bytes, left_out: bytes) -> tuple[int, bytes]:
    """Code pairs with the best predictor.

    Args:
        payload: two bytes per pair.
        left_out: one byte per pair; those other than 0 are not coded.

    Returns:
        The predictor, and whole bytes of code.
    """
    pairs = np.frombuffer(payload, np.int8).reshape(-1, 2).astype(np.int16)
    kept = pairs[np.frombuffer(left_out, np.uint8) == 0]
    rests = [_rest(kept, predictor) for predictor in range(PREDICTORS)]
    best = int(np.argmin([np.abs(rest).sum() for rest in rests]))
    folded = np.where(rests[best] < 0, -2 * rests[best] - 1, 2 * rests[best])
    return best, _write_bits(folded.ravel().tolist())


def read_pairs(data: bytes, predictor: int, left_out: bytes, blank: bytearray) -> bytes:
    """Put the pairs that were coded between those that are left out.

    Args:
        data: the code.
        predictor: 0 to 2.
        left_out: one byte per pair; those other than 0 were not coded.
        blank: what the pairs hold that are left out; overwritten.

    Raises:
        ProtocolError: the code ends too early, or goes on behind its end.
    """
    numbers = _read_bits(data, 2 * left_out.count(0))
    before = [0, 0]
    last = [0, 0]
    for place, out in enumerate(left_out):
        if out:
            continue
        for part in (0, 1):
            folded = next(numbers)
            step = last[part] - before[part]
            guess = last[part] + (0, step >> 1, step)[predictor]
            value = guess + (~(folded >> 1) if folded & 1 else folded >> 1)
            before[part], last[part] = last[part], (value + 128 & 255) - 128
            blank[2 * place + part] = value & 255
    next(numbers, None)
    return bytes(blank)


def _rest(kept: NDArray[np.int16], predictor: int) -> NDArray[np.int16]:
    padded = np.concatenate([np.zeros((2, 2), np.int16), kept])
    last, step = padded[1:-1], padded[1:-1] - padded[:-2]
    guess = last + (0, step >> 1, step)[predictor]
    wrapped: NDArray[np.int16] = ((kept - guess + 128) & 255).astype(np.int16)
    return wrapped - np.int16(128)


def _parameter(state: int) -> int:
    """The smallest k for which 2**k is at least 0.69 times the mean that the state keeps."""
    return max(0, ((11 * state + 127) // 128 - 1).bit_length())


def _write_bits(numbers: list[int]) -> bytes:
    state, parts = _START, []
    for number in numbers:
        k = _parameter(state)
        ones = number >> k
        if ones >= _ESCAPE:
            parts.append("1" * _ESCAPE + f"{number:08b}")
        else:
            parts.append("1" * ones + "0" + (f"{number & ((1 << k) - 1):0{k}b}" if k else ""))
        state += number - (state >> 3)
    bits = "".join(parts)
    size = (len(bits) + 7) // 8
    return int(bits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")


def _read_bits(data: bytes, count: int) -> Iterator[int]:
    """Yield so many numbers, then check what is behind them."""
    size = 8 * len(data)
    bits = f"{int.from_bytes(data, 'big'):0{size}b}" if size else ""
    state, at = _START, 0
    for _ in range(count):
        k = _parameter(state)
        stop = bits.find("0", at, at + _ESCAPE)
        ones, width = (stop - at, k) if stop >= 0 else (_ESCAPE, 8)
        start = stop + 1 if stop >= 0 else at + _ESCAPE
        at = start + width
        if at > size:
            raise ProtocolError(f"a compressed CSI packet ends in its code, {len(data)} bytes long")
        low = int(bits[start:at], 2) if width else 0
        number = low if stop < 0 else ones << k | low
        if number > 255 or (stop < 0 and number >> k < _ESCAPE):
            raise ProtocolError(f"a compressed CSI packet has no such code at bit {at}")
        state += number - (state >> 3)
        yield number
    if (at + 7) // 8 != len(data) or "1" in bits[at:]:
        raise ProtocolError(f"a compressed CSI packet has code behind its end at bit {at}")
