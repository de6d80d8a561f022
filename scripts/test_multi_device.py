#!/usr/bin/env python3
"""A day of three homes in two minutes, with a broker of its own unless one is named; see --help."""

import sys

from edgeflow.cli import main

usual = ["--devices", "3", "--speed", "720", "--seconds", "120", "--broker", "mqtt://embedded"]
sys.exit(main(["climate", "simulate", *usual, *sys.argv[1:]]))
