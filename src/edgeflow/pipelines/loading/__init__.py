"""Reads a ``pipelines.yaml``: everything that is wrong with it at once, each with its place."""

from importlib.util import find_spec

from edgeflow.errors import MissingExtraError

for _package in ("pydantic", "yaml"):
    if find_spec(_package) is None:
        raise MissingExtraError(_package, "pipelines")
