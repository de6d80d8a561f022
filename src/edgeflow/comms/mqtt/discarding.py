"""Deletes what a broker of this process kept: a folder of a few files for each session."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

__all__ = ["discard"]

AT_ONCE = 8
MANY = 64


def discard(folder: Path) -> None:
    """Delete a folder, its folders side by side: a busy disk takes a while for each file.

    What cannot be deleted stays; nothing is raised.
    """
    inner = [Path(top, name) for top, names, _ in os.walk(folder) for name in names]
    if len(inner) > MANY:
        with suppress(RuntimeError), ThreadPoolExecutor(AT_ONCE, "edgeflow-discard") as pool:
            for path in reversed(inner):
                pool.submit(shutil.rmtree, path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
