"""What vision nodes expect of a payload, said clearly when it is something else."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.errors import PayloadError

__all__ = ["bgr"]


def bgr(data: Any, node: str) -> npt.NDArray[np.uint8]:
    """Return a payload as a uint8 [height, width, 3] BGR image; gray and BGRA are converted.

    Raises:
        PayloadError: it is not an 8-bit image.
    """
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.size:
        if data.ndim == 2 or (data.ndim == 3 and data.shape[2] == 1):
            return np.repeat(data.reshape(*data.shape[:2], 1), 3, axis=2)
        if data.ndim == 3 and data.shape[2] in (3, 4):
            return data[:, :, :3]
    what = f"{data.dtype}{list(data.shape)}" if isinstance(data, np.ndarray) else type(data)
    raise PayloadError(
        f"node {node!r} takes uint8 images [height, width, 1, 3 or 4], and was given {what}",
        hint="link it to a node that sends images, or decode them before",
    )
