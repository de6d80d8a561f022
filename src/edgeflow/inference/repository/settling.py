"""Keep a file that is still being written from being loaded."""

from collections.abc import Mapping
from dataclasses import replace

from edgeflow.inference.repository.files import ModelFiles, Stamp, VersionFile

__all__ = ["Settling"]


class Settling:
    """Lets a version through when two looks in a row find its file the same.

    What the first look finds is there already and passes at once. While a model has a version
    that does not pass yet, a version that was held stays held: letting go of it is meant for the
    new one.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Stamp] | None = None
        self._passed: dict[tuple[str, str], VersionFile] = {}
        self._held: dict[str, str | None] = {}

    def pass_on(self, models: Mapping[str, ModelFiles]) -> dict[str, ModelFiles]:
        """Return the models without what is unsettled; a changed file stays as it was."""
        seen: dict[tuple[str, str], Stamp] = {}
        passed: dict[tuple[str, str], VersionFile] = {}
        result = {}
        for name, model in models.items():
            for file in model.versions:
                key = (name, file.version)
                seen[key] = file.stamp
                if self._seen is None or self._seen.get(key) == file.stamp:
                    passed[key] = file
                elif key in self._passed:
                    passed[key] = self._passed[key]
            kept = [passed.get((name, file.version)) for file in model.versions]
            versions = tuple(file for file in kept if file is not None)
            if versions or not model.versions or name in self._held:
                settings = model.settings
                held = self._held.get(name)
                if versions != model.versions and settings.version is None and held is not None:
                    settings = settings.model_copy(update={"version": held})
                result[name] = replace(model, versions=versions, settings=settings)
        self._seen, self._passed = seen, passed
        self._held = {name: model.settings.version for name, model in result.items()}
        return result
