"""Projects that come with the package, as folders of one's own."""

from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["copy_project"]


def copy_project(source: Traversable, target: Path) -> list[Path]:
    """Copy a folder of the package, over what is in the target; return the files written."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            written += copy_project(entry, target / entry.name)
        elif entry.is_file():
            (target / entry.name).write_bytes(entry.read_bytes())
            written.append(target / entry.name)
    return written
