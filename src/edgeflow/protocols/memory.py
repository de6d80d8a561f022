"""Memory that messages are received into."""

from typing import Final

import numpy as np

__all__ = ["aligned_memory"]

ALIGNMENT: Final = 64


def aligned_memory(size: int, offset: int) -> memoryview:
    """Return ``size`` bytes, not initialised, of which the one at ``offset`` is aligned."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -(raw.__array_interface__["data"][0] + offset) % ALIGNMENT
    return raw[start : start + size].data
