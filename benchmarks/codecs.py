"""What codecs of links make of a frame, and what that costs each end in processor time.

Depth map and mask are of a simulated room: a floor that recedes, and two boxes on it.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.pictures import Scene
from benchmarks.report import Options, Result, main
from edgeflow.core.frame import Frame
from edgeflow.protocols.frames import decode, encode_bytes

__all__ = ["run"]

CODECS = ("raw", "lz4", "jpeg:80")
HEIGHT, WIDTH = 480, 640
PASSES, QUICK_PASSES = 15, 3
Array = np.ndarray[Any, Any]


def _frames() -> dict[str, Array]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[120:400, 80:200] = mask[200:360, 380:560] = True
    rows = np.arange(HEIGHT, dtype=np.float64)[:, None]
    floor = np.broadcast_to(8000 - 12 * rows, (HEIGHT, WIDTH))
    noise = np.random.default_rng(7).normal(0, 3, (HEIGHT, WIDTH))
    depth = np.where(mask, 2500, floor)
    return {
        "picture of a camera, uint8 x3": Scene((HEIGHT, WIDTH, 3)).next(),
        "mask, bool": mask,
        "depth map, uint16": depth.astype(np.uint16),
        "depth map with 3 mm of noise, uint16": (depth + noise).astype(np.uint16),
    }


def _cost_ms(work: Callable[[], object], passes: int) -> float:
    spent = []
    for _ in range(passes):
        begun = time.process_time_ns()
        work()
        spent.append((time.process_time_ns() - begun) / 1e6)
    return median(spent)


def _row(name: str, array: Array, codec: str, passes: int) -> tuple[str, float, bool]:
    frame = Frame(data=array)
    message = encode_bytes(frame, codec)
    exact = np.array_equal(decode(message).data, array)
    encoding = _cost_ms(lambda: encode_bytes(frame, codec), passes)
    decoding = _cost_ms(lambda: decode(message, copy=True), passes)
    kept = "yes" if exact else "no"
    cells = (name, codec, f"{len(message) / 1000:,.0f}", f"{encoding:.2f}", f"{decoding:.2f}", kept)
    return f"| {' | '.join(cells)} |", array.nbytes / len(message), exact


def run(options: Options) -> list[Result]:
    """Measure every codec with every kind of frame that it does not leave raw."""
    passes = QUICK_PASSES if options.quick else PASSES
    lines = [
        "| 640x480 | codec | kB | encoding ms | decoding ms | every bit kept |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    result = Result("codecs of links")
    for name, array in _frames().items():
        for codec in CODECS:
            if codec.startswith("jpeg") and array.dtype != np.uint8:
                continue
            line, smaller, exact = _row(name, array, codec, passes)
            lines.append(line)
            if codec == "lz4":
                result.expect(f"{name}: times smaller", smaller, "every bit kept", exact)
    result.notes.append("\n".join(lines))
    return [result]


if __name__ == "__main__":
    sys.exit(main({"codecs": run}))
