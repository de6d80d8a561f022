#!/usr/bin/env python3
"""Send samples to the server of boards: client_submit.py --input X.npy --out pred.npy."""

import argparse
import json
from pathlib import Path

from edgeflow.errors import EdgeFlowError, describe
from edgeflow.inference.client.mcu import McuClient


def main() -> None:
    """Read the command line, ask, and write or print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="http://127.0.0.1:8080", help="URL of the server")
    parser.add_argument("--input", type=Path, required=True, help="float (N, T, F) or (T, F), .npy")
    parser.add_argument("--model", type=Path, help="a model to put on the board first")
    parser.add_argument("--meta", type=Path, help="its model_meta.json")
    parser.add_argument("--out", type=Path, default=Path("pred.npy"), help="the .npy file to write")
    parser.add_argument("--json", action="store_true", help="print the JSON answer instead")
    options = parser.parse_args()
    given = (options.input, options.model, options.meta)
    try:
        client = McuClient(options.host)
        if options.json:
            print(json.dumps(client.infer(*given)))
            return
        options.out.write_bytes(client.infer_npy(*given))
    except EdgeFlowError as error:
        raise SystemExit(describe(error)) from None
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
