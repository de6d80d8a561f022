"""The command line: ``dispatch`` finds a verb in ``table``; ``verbs`` do it, ``display`` draws."""

from edgeflow.cli.dispatch import main

__all__ = ["main"]
