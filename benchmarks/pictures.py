"""A moving scene whose pictures carry the time they were made at, readable after JPEG.

Every bit of the time is a black or white square of one JPEG block; decoding at an eighth of the
size yields one grey pixel per block.
"""

import time
from typing import Any

import cv2
import numpy as np

__all__ = ["QUALITY", "Scene", "made_at"]

QUALITY = 80
BLOCK = 8
BITS = 64
STEP = 4


class Scene:
    """Soft noise of natural detail that moves to the left."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        height, width, channels = shape
        noise = np.random.default_rng(1).integers(0, 256, (height // 8, width // 8, channels))
        scene = cv2.resize(noise.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
        self._wide = np.concatenate([scene, scene], axis=1)
        self._width = width
        self._offset = 0

    def next(self) -> "np.ndarray[Any, Any]":
        """Return a picture of its own memory, uint8 of the shape, stamped now."""
        self._offset = (self._offset + STEP) % self._width
        picture = self._wide[:, self._offset : self._offset + self._width].copy()
        bits = np.unpackbits(np.array([time.monotonic_ns()], ">u8").view(np.uint8)) * 255
        row = np.repeat(bits, BLOCK)
        picture[:BLOCK, : row.size] = row[None, :, None]
        return picture


def made_at(jpeg: bytes) -> int:
    """Return the time in a picture of ``Scene``, CLOCK_MONOTONIC in ns."""
    small = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    packed = np.packbits(small[0, :BITS] > 127)
    return int(packed.view(">u8")[0])
