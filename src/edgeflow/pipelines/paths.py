"""Paths in the YAML: relative ones start at the folder of the file, wherever it is run from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["LocalPath", "StoreUrl", "beside", "relative_to"]

_folder: ContextVar[Path | None] = ContextVar("folder_of_the_file", default=None)


@contextmanager
def relative_to(folder: Path) -> Iterator[None]:
    """Let relative paths that are validated in this block start at ``folder``."""
    token = _folder.set(folder.absolute())
    try:
        yield
    finally:
        _folder.reset(token)


def beside(path: Path) -> Path:
    """Return ``path`` with ``~`` expanded, relative to the file that is being read, if any."""
    path = path.expanduser()
    folder = _folder.get()
    return path if folder is None else folder / path


LocalPath = Annotated[Path, AfterValidator(beside)]
"""A file or folder that an option names."""

_FILE = "sqlite:///"


def _url_beside(url: str) -> str:
    path = url.removeprefix(_FILE)
    if path == url or path.startswith((":", "/")) or not path:
        return url
    return f"{_FILE}{beside(Path(path))}"


StoreUrl = Annotated[str, AfterValidator(_url_beside)]
"""URL of a store; the file of ``sqlite:///home.db`` lies in that folder, too."""
