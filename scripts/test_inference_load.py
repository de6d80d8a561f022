#!/usr/bin/env python3
"""Load on the learning service: test_inference_load.py; see --help."""

import sys

from edgeflow.cli import main

sys.exit(main(["climate", "load", *sys.argv[1:]]))
