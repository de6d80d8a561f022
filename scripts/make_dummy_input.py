#!/usr/bin/env python3
"""Write random samples for a board: float32 (N, T, F), or (T, F) for a single one."""

import argparse
import json
from pathlib import Path

import numpy as np


def read_dimensions(meta: Path) -> tuple[int, int]:
    """Return T and F of a model_meta.json."""
    try:
        read = json.loads(meta.read_text(encoding="utf-8"))
        return int(read["T"]), int(read["F"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{meta}: no T and F in it ({type(error).__name__}: {error})") from None


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meta", type=Path, help="model_meta.json, for T and F")
    parser.add_argument("--T", type=int, help="time steps of a sample")
    parser.add_argument("--F", type=int, help="features of a time step")
    parser.add_argument("--n", type=int, default=1, help="samples (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="the .npy file to write")
    options = parser.parse_args()
    if options.meta is None and None in (options.T, options.F):
        parser.error("give --meta, or --T and --F")
    steps, features = read_dimensions(options.meta) if options.meta else (options.T, options.F)
    if min(steps, features, options.n) < 1:
        parser.error("T, F and n start at 1")
    shape = (steps, features) if options.n == 1 else (options.n, steps, features)
    samples = np.random.default_rng().standard_normal(shape, np.float32)
    with options.out.open("wb") as file:
        np.save(file, samples, allow_pickle=False)
    print(f"Wrote {options.out} with shape {samples.shape} dtype {samples.dtype}")


if __name__ == "__main__":
    main()
