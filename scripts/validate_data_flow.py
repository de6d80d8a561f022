#!/usr/bin/env python3
"""From a reading to a decision, once: validate_data_flow.py; see --help."""

import sys

from edgeflow.cli import main

sys.exit(main(["climate", "validate", *sys.argv[1:]]))
