"""A ``models.yaml``: models by id, each with the path of its file."""

from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError
from edgeflow.inference.repository.files import ModelFiles, ModelSource, VersionFile, check_name
from edgeflow.inference.repository.folder import FLAT_VERSION, FolderSource, stamp_of
from edgeflow.inference.repository.metadata import read_mapping, validate
from edgeflow.inference.repository.settings import (
    ListedModel,
    ModelList,
    ModelSettings,
    ServerSettings,
)

__all__ = ["ListSource", "source_of"]

_OWN = ("id", "engine", "concurrency", "input", "outputs")


class ListSource:
    """Models that a file lists; a ``ModelSource``.

    A relative path of a model is looked for beside the file, then in the folder above it (so
    that ``config/models.yaml`` may name ``models/a.onnx``), then in the working folder.

    Args:
        path: of the file.

    Raises:
        ConfigError: it has mistakes; the message has all of them.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._stamp = stamp_of(self.path)
        self._places: dict[str, str] = {}
        self._list = self._load()

    @property
    def server(self) -> ServerSettings:
        """How the file wants its models to be served."""
        return self._list.server

    def scan(self) -> dict[str, ModelFiles]:
        """Look what is there now.

        Raises:
            ConfigError: the file has changed, and has mistakes now.
        """
        stamp = stamp_of(self.path)
        if stamp != self._stamp:
            self._list = self._load()
            self._stamp = stamp
        return {each.id: self._model(each) for each in self._list.models}

    def _load(self) -> ModelList:
        values, places = read_mapping(self.path)
        read = validate(ModelList, values, self.path, places)
        seen: set[str] = set()
        for index, each in enumerate(read.models):
            place = f"{self.path}:{places[('models', index)]}"
            try:
                check_name(each.id)
            except ConfigError as error:
                raise ConfigError(f"{place}: {error.message}", hint=error.hint) from None
            if each.id in seen:
                raise ConfigError(f"{place}: a second model has the id {each.id!r}")
            seen.add(each.id)
            self._places[each.id] = f"{self.path}:{places[('models', index, 'engine')]}"
        return read

    def _model(self, listed: ListedModel) -> ModelFiles:
        settings = self._settings(listed)
        path: Path | str = listed.engine
        stamp = (0, 0, 0)
        problem = ""
        if "://" not in listed.engine and ":" not in listed.engine:
            path = self._find(listed.engine)
            found = stamp_of(path)
            problem = "" if found else f"{self._places[listed.id]}: {path}: there is no such file"
            stamp = found or stamp
        version = VersionFile(FLAT_VERSION, path, stamp, settings)
        return ModelFiles(listed.id, () if problem else (version,), settings, problem)

    def _settings(self, listed: ListedModel) -> ModelSettings:
        values: dict[str, Any] = {
            name: getattr(listed, name) for name in listed.model_fields_set if name not in _OWN
        }
        values.setdefault("instances", listed.concurrency)
        if "queue" not in values:
            values["queue"] = {"capacity": self._list.server.queue_depth}
        return ModelSettings.model_validate(values)

    def _find(self, engine: str) -> Path:
        path = Path(engine)
        if path.is_absolute():
            return path
        folder = self.path.resolve().parent
        places = [folder / path, folder.parent / path, path]
        return next((place for place in places if place.is_file()), places[0])


def source_of(models: Path | str) -> ModelSource:
    """Return the models of a folder, or those that a file lists.

    Raises:
        ConfigError: the file has mistakes.
    """
    path = Path(models)
    return FolderSource(path) if path.is_dir() or not path.suffix else ListSource(path)
