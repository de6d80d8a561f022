"""A folder of models: ``NAME.onnx``, or ``NAME/VERSION/model.onnx``."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from edgeflow.errors import ConfigError
from edgeflow.inference.engines.open import SUFFIXES
from edgeflow.inference.repository.files import (
    ModelFiles,
    Stamp,
    VersionFile,
    check_name,
    version_key,
)
from edgeflow.inference.repository.settings import ModelSettings

__all__ = ["FLAT_VERSION", "FolderSource", "stamp_of"]

log = structlog.get_logger(__name__)

FLAT_VERSION = "1"
"""Version of a model that is a single file."""

MAX_MODELS = 1000
MAX_VERSIONS = 1000
_MODEL = "model"


class FolderSource:
    """Models in a folder; a ``ModelSource``.

    Names that begin with a dot are not looked at: write a new version under such a name and
    rename it when it is complete.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def scan(self) -> dict[str, ModelFiles]:
        """Look what is there now.

        Raises:
            ConfigError: the folder cannot be read.
        """
        try:
            entries = sorted(self.folder.iterdir())
        except OSError as error:
            raise ConfigError(f"{self.folder}: {error.strerror}") from None
        models: dict[str, ModelFiles] = {}
        for entry in entries:
            found = None if entry.name.startswith(".") else self._read(entry)
            if found is not None and len(models) < MAX_MODELS:
                models.setdefault(found.name, found)
        return models

    def _read(self, entry: Path) -> ModelFiles | None:
        name = entry.name if entry.is_dir() else entry.stem
        try:
            check_name(name)
        except ConfigError:
            return None
        settings = ModelSettings()
        if entry.is_dir():
            versions = sorted(
                _versions(entry, settings), key=lambda each: version_key(each.version)
            )
        else:
            versions = list(_file(FLAT_VERSION, entry, settings))
        if not versions:
            return None
        return ModelFiles(name, tuple(versions[-MAX_VERSIONS:]), settings)


def stamp_of(path: Path) -> Stamp | None:
    """Return what changes when the file does; None when it is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) if path.is_file() else None


def _versions(folder: Path, settings: ModelSettings) -> Iterator[VersionFile]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        for suffix in SUFFIXES:
            found = list(_file(entry.name, entry / f"{_MODEL}{suffix}", settings))
            if found:
                yield found[0]
                break


def _file(version: str, path: Path, settings: ModelSettings) -> Iterator[VersionFile]:
    if path.suffix.lower() not in SUFFIXES:
        return
    stamp = stamp_of(path)
    if stamp is not None:
        yield VersionFile(version, path, stamp, settings)
