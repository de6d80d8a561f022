"""The command line: one file per verb group, found through a table so that help stays quick."""

from edgeflow.cli.dispatch import main

__all__ = ["main"]
