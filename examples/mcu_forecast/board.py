"""Let a virtual board answer the test days, and compare it with forecasts that need no model.

::

    python board.py [FOLDER]    with the model that lies here, or the one in FOLDER
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from series import Floats, Samples, load, split

from edgeflow.devices.boards.opening import open_boards
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.inference.export.exporting import FLOAT_FILE, INT8_FILE

__all__ = ["MODEL", "Comparison", "answers_of_board", "compare", "read_model"]

MODEL = Path(__file__).parent / "model"

_AT_ONCE, _PATIENCE = 200, 60.0


@dataclass(frozen=True)
class Comparison:
    """Forecasts of the test days by name, each float32 (N, 8) in kelvin relative to now."""

    samples: Samples
    forecasts: dict[str, Floats]

    def errors(self) -> dict[str, Floats]:
        """Return the root mean square error of each, in kelvin, by the hour ahead: (8,)."""
        return {
            name: np.sqrt(np.mean(np.square(given - self.samples.targets), axis=0))
            for name, given in self.forecasts.items()
        }

    def error(self, name: str) -> float:
        """Return the root mean square error of one over all hours."""
        return float(np.sqrt(np.mean(np.square(self.errors()[name]))))

    def lines(self) -> list[str]:
        """Return a table for people."""
        hours = "".join(f"{hour + 1:>7}" for hour in range(self.samples.targets.shape[1]))
        rows = [f"RMSE in kelvin, {len(self.samples)} test samples; hours ahead:"]
        rows.append(f"  {'':<12}{hours}    all")
        for name, errors in self.errors().items():
            cells = "".join(f"{error:>7.3f}" for error in errors)
            rows.append(f"  {name:<12}{cells}{self.error(name):>7.3f}")
        return rows


def compare(files: Mapping[str, bytes], samples: Samples) -> Comparison:
    """Ask a virtual board with each of the two containers, and the two simplest forecasts."""
    forecasts = {
        "as now": np.zeros_like(samples.targets),
        "as yesterday": samples.day_before,
        "float32": answers_of_board(files[FLOAT_FILE], samples.inputs),
        "int8": answers_of_board(files[INT8_FILE], samples.inputs),
    }
    return Comparison(samples, forecasts)


def answers_of_board(model: bytes, inputs: Floats) -> Floats:
    """Return what a virtual board with this model answers over its port: float32 (N, 8)."""
    answers = []
    with VirtualBoard(model=model, instant=True) as virtual:
        (board,) = open_boards([virtual.port])
        with board:
            for start in range(0, len(inputs), _AT_ONCE):
                part = inputs[start : start + _AT_ONCE]
                waiting = [board.submit(sample, timeout=_PATIENCE) for sample in part]
                answers += [each.result(_PATIENCE).values for each in waiting]
    return np.stack(answers)


def read_model(folder: Path = MODEL) -> dict[str, bytes]:
    """Return the files of a trained model by name."""
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file()}


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    print("\n".join(compare(read_model(chosen), split(load()).test).lines()))
