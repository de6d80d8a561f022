"""A folder of models: ``NAME.onnx``, or ``NAME/VERSION/model.onnx``."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError, EdgeFlowError
from edgeflow.inference.engines.open import SUFFIXES
from edgeflow.inference.repository.files import (
    ModelFiles,
    Stamp,
    VersionFile,
    check_name,
    version_key,
)
from edgeflow.inference.repository.metadata import read_mapping, validate
from edgeflow.inference.repository.settings import ModelSettings
from edgeflow.inference.repository.state import ModelState, read_state

__all__ = ["FLAT_VERSION", "METADATA_SUFFIXES", "FolderSource", "stamp_of"]

FLAT_VERSION = "1"
"""Version of a model that is a single file."""

METADATA_SUFFIXES = (".yaml", ".yml", ".json")

MAX_MODELS = 1000
MAX_VERSIONS = 1000
MAX_NEIGHBOURS = 100
_MODEL = "model"
_HINT = "name the folder of models; edgeflow models pull NAME --models DIR makes one"


class FolderSource:
    """Models in a folder; a ``ModelSource``.

    Names that begin with a dot are not looked at: write a new version under such a name and
    rename it when it is complete.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._read: dict[Path, tuple[Stamp, dict[str, Any]]] = {}

    def scan(self) -> dict[str, ModelFiles]:
        """Look what is there now.

        A model whose metadata has become wrong keeps those it had before; one that never had
        right ones has no versions.

        Raises:
            ConfigError: the folder cannot be read.
        """
        try:
            entries = sorted(self.folder.iterdir())
        except OSError as error:
            raise ConfigError(f"{self.folder}: {error.strerror}", hint=_HINT) from None
        models: dict[str, ModelFiles] = {}
        for entry in entries:
            name = _name_of(entry)
            if name is not None and name not in models and len(models) < MAX_MODELS:
                found = self._model(name, entry)
                if found is not None:
                    models[name] = found
        return models

    def _model(self, name: str, entry: Path) -> ModelFiles | None:
        folder = entry.is_dir()
        files = list(_versions(entry) if folder else _file(FLAT_VERSION, entry))
        if not files:
            return None
        files.sort(key=lambda each: version_key(each[0]))
        problems: list[str] = []
        base = entry / _MODEL if folder else entry.with_suffix("")
        common, settings = self._settings(base, {}, problems)
        state = self._state(name, problems)
        versions = []
        for version, path, stamp in files[-MAX_VERSIONS:]:
            own = self._settings(path.parent / _MODEL, common, problems)[1] if folder else settings
            if settings is not None and own is not None:
                versions.append(VersionFile(version, path, stamp, own))
        decided = _decide(settings or ModelSettings(), state)
        return ModelFiles(name, tuple(versions), decided, "\n".join(problems), state)

    def _settings(
        self, base: Path, common: dict[str, Any], problems: list[str]
    ) -> tuple[dict[str, Any], ModelSettings | None]:
        """Return the values of a metadata file over ``common``, and what they mean, if anything."""
        found = ((path, stamp_of(path)) for path in (_beside(base, s) for s in METADATA_SUFFIXES))
        path, stamp = next((each for each in found if each[1] is not None), (base, (0, 0, 0)))
        before = self._read.get(base)
        if before is not None and before[0] == stamp:
            values: dict[str, Any] | None = before[1]
        else:
            values = self._fresh(path, common, problems) if path is not base else {}
            if values is not None and stamp is not None:
                self._read[base] = (stamp, values)
            elif before is not None:
                values = before[1]
        if values is None:
            return common, None
        values = {**common, **values}
        return values, ModelSettings.model_validate(values)

    def _fresh(
        self, path: Path, common: dict[str, Any], problems: list[str]
    ) -> dict[str, Any] | None:
        """Return what a metadata file holds; None, and its mistakes among the problems."""
        try:
            values, places = read_mapping(path)
            validate(ModelSettings, {**common, **values}, path, places)
        except EdgeFlowError as error:
            problems.append(str(error))
            return None
        return values

    def _state(self, name: str, problems: list[str]) -> ModelState:
        try:
            return read_state(self.folder, name)
        except ConfigError as error:
            problems.append(str(error))
            return ModelState()


def stamp_of(path: Path) -> Stamp | None:
    """Return what changes when the file does; None when it is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) if path.is_file() else None


def _beside(base: Path, suffix: str) -> Path:
    return base.with_name(base.name + suffix)


def _name_of(entry: Path) -> str | None:
    if entry.name.startswith("."):
        return None
    try:
        return check_name(entry.name if entry.is_dir() else entry.stem)
    except ConfigError:
        return None


def _versions(folder: Path) -> Iterator[tuple[str, Path, Stamp]]:
    try:
        entries = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError:
        return
    for entry in entries:
        for suffix in SUFFIXES if entry.is_dir() else ():
            path = entry / f"{_MODEL}{suffix}"
            stamp = stamp_of(path)
            if stamp is not None:
                yield entry.name, path, _with_neighbours(stamp, entry)
                break


def _with_neighbours(stamp: Stamp, folder: Path) -> Stamp:
    """Add the files beside a model, such as its weights, to its stamp."""
    others = (stamp_of(each) for each in islice(folder.iterdir(), MAX_NEIGHBOURS))
    inode, size, changed = stamp
    for other in others:
        if other is not None and other != stamp:
            size += other[1]
            changed = max(changed, other[2])
    return inode, size, changed


def _file(version: str, path: Path) -> Iterator[tuple[str, Path, Stamp]]:
    stamp = stamp_of(path) if path.suffix.lower() in SUFFIXES else None
    if stamp is not None:
        yield version, path, stamp


def _decide(settings: ModelSettings, state: ModelState) -> ModelSettings:
    """Return the settings with an operator's decisions in force."""
    decided: dict[str, Any] = {}
    if state.version is not None:
        decided["version"] = state.version
    if state.pinned is not None:
        decided["pinned"] = state.pinned
    return settings.model_copy(update=decided) if decided else settings
