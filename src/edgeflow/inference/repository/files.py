"""The files of models as values: which models, which versions, in which state on disk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from edgeflow.errors import ConfigError
from edgeflow.inference.repository.settings import ModelSettings
from edgeflow.inference.repository.state import ModelState

__all__ = ["ModelFiles", "ModelSource", "Stamp", "VersionFile", "check_name", "version_key"]

Stamp: TypeAlias = tuple[int, int, int]
"""Changes when a file does: inode, size in bytes, time of modification in nanoseconds."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class VersionFile:
    """One version of a model."""

    version: str
    path: Path | str
    stamp: Stamp
    settings: ModelSettings


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One model as it lies on disk.

    Attributes:
        name: how requests call it.
        versions: oldest first.
        settings: of the model, with the operator's decisions; a version may have its own.
        problem: why some of its metadata cannot be used.
        state: the operator's decisions.
    """

    name: str
    versions: tuple[VersionFile, ...]
    settings: ModelSettings
    problem: str = ""
    state: ModelState = field(default_factory=ModelState)

    def find(self, version: str | None = None) -> VersionFile | None:
        """Return a version; without a name the one that should answer."""
        wanted = version or self.settings.version
        if wanted is None:
            return self.versions[-1] if self.versions else None
        return next((each for each in self.versions if each.version == wanted), None)


class ModelSource(Protocol):
    """Where models come from."""

    def scan(self) -> Mapping[str, ModelFiles]:
        """Look what is there now.

        Raises:
            ConfigError: it cannot be read at all.
        """
        ...


def check_name(name: str, what: str = "model") -> str:
    """Return a name that can be a file name and a label.

    Raises:
        ConfigError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a {what}",
            hint="letters, digits, '.', '_' and '-', at most 128, not starting with a sign",
        )
    return name


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order versions as people do: 2 before 10, 1.9 before 1.10."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)
