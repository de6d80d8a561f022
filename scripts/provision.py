#!/usr/bin/env python3
"""Tell a CSI node its settings: provision.py --edge-tier 2 --pres-thresh 0.05; see --help."""

import sys

from edgeflow.cli import main

sys.exit(main(["provision", *sys.argv[1:]]))
