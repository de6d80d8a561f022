#!/usr/bin/env python3
"""Health of a running system: monitor_system.py; see --help."""

import sys

from edgeflow.cli import main

sys.exit(main(["climate", "monitor", *sys.argv[1:]]))
