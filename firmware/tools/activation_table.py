"""Writes ``firmware/core/src/activation_table.h``: cubics that follow tanh from 0 to where it is 1.

With b = 1 + |x|, a piece is one sixteenth of an octave of b: fine where tanh bends, coarse where it
is flat, and its number is made of b's highest bits.
"""

import sys
from pathlib import Path

import numpy as np

PIECES_PER_OCTAVE = 16
LIMIT = 9.0  # from here on tanh rounds to 1
TARGET = Path(__file__).parents[1] / "core/src/activation_table.h"


def edges() -> list[tuple[float, float]]:
    """Return the pieces' ends in |x|."""
    pieces = []
    octave = 1.0
    while octave - 1.0 < LIMIT:
        width = octave / PIECES_PER_OCTAVE
        starts = [octave - 1.0 + index * width for index in range(PIECES_PER_OCTAVE)]
        pieces += [(start, min(start + width, LIMIT)) for start in starts if start < LIMIT]
        octave *= 2.0
    return pieces


def cubic(start: float, end: float) -> np.ndarray:
    """Return c0..c3 of a cubic in (x - start), close to the best in the largest error."""
    nodes = np.cos((np.arange(64) + 0.5) * np.pi / 64)
    steps = (end - start) * (nodes + 1.0) / 2.0
    values = np.tanh(start + steps)
    if start == 0.0:
        # Exact at 0, and as good in relative error as in absolute.
        higher = np.linalg.lstsq(
            np.stack([steps, steps**2], axis=1), values / steps - 1.0, rcond=None
        )[0]
        return np.array([0.0, 1.0, *higher])
    fitted = np.polynomial.Chebyshev.fit(steps, values, 3, domain=[0.0, end - start])
    return fitted.convert(kind=np.polynomial.Polynomial).coef


def table() -> str:
    """Return the header."""
    pieces = edges()
    rows = []
    for start, end in pieces:
        cells = ", ".join(f"{float(np.float32(c)).hex()}f" for c in cubic(start, end))
        rows.append(f"    {{{cells}}}, /* {start:g} */")
    size = 16 * len(pieces)
    return "\n".join(
        [
            f"/* Cubics of tanh, {size} bytes; written by firmware/tools/activation_table.py. */",
            "#ifndef EDGEFLOW_ACTIVATION_TABLE_H",
            "#define EDGEFLOW_ACTIVATION_TABLE_H",
            "",
            f"#define EF_TANH_LIMIT {LIMIT:.1f}f /* from here on tanh is 1 */",
            "",
            f"static const float tanh_cubic[{len(pieces)}][4] = {{",
            *rows,
            "};",
            "",
            "#endif",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(TARGET.write_text(table()) == 0)
