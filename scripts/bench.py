#!/usr/bin/env python3
"""Measure how long POST /v2/infer takes: bench.py --url http://localhost:8080 --input X.npy."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from edgeflow.errors import EdgeFlowError, describe
from edgeflow.inference.client.mcu import McuClient


def main() -> None:
    """Read the command line, ask, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8080/v2/infer")
    parser.add_argument("--input", type=Path, required=True, help="samples (.npy)")
    parser.add_argument("--model_bin", type=Path, help="a model to put on the board every time")
    parser.add_argument("--model_meta", type=Path, help="its model_meta.json")
    parser.add_argument("--runs", type=int, default=20, help="requests, one after the other")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs starts at 1")
    try:
        client = McuClient(options.url)
        taken = []
        for run in range(options.runs):
            started = time.perf_counter()
            answer = client.infer(options.input, options.model_bin, options.model_meta)
            taken.append((time.perf_counter() - started) * 1000)
            if run == 0:
                print("device", json.dumps(answer.get("device", {}), indent=2))
    except EdgeFlowError as error:
        raise SystemExit(describe(error)) from None
    middle, high = np.percentile(taken, [50, 95])
    print(f"runs={len(taken)} mean_ms={np.mean(taken):.2f} p50_ms={middle:.2f} p95_ms={high:.2f}")


if __name__ == "__main__":
    main()
