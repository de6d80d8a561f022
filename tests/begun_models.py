"""The model that climate systems begin with, made once for all that a test process starts."""

import functools
import shutil
import tempfile
from pathlib import Path

__all__ = ["begin_with_model"]


def begin_with_model(folder: Path) -> None:
    """Lay the first model into the folder of a system that has none; to make one takes seconds."""
    if not (folder / "models").exists():
        shutil.copytree(Path(_made().name), folder / "models")


@functools.cache
def _made() -> "tempfile.TemporaryDirectory[str]":
    from edgeflow.climate.learning.versions import Versions

    made = tempfile.TemporaryDirectory(prefix="ef-models-")
    Versions(Path(made.name)).load_or_begin()
    return made
