#!/usr/bin/env python3
"""Let simulated nodes send: test_mqtt_simulator.py --broker mqtt://localhost; see --help."""

import sys

from edgeflow.cli import main

sys.exit(main(["climate", "simulate", *sys.argv[1:]]))
