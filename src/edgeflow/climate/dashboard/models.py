"""Versions of the model, as people see and exchange them."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.climate.dashboard.learning import Model
from edgeflow.climate.learning.versions import Versions
from edgeflow.core.climate import ModelRow
from edgeflow.errors import ConfigError, EngineError, StoreError, UnknownModelError

if TYPE_CHECKING:
    from edgeflow.climate.learning.service import LearningService

__all__ = ["Models"]


class Models:
    """The versions in a folder. The service notices itself which one is in use.

    Args:
        folder: of the versions. service: decides, if it runs in this process.
    """

    def __init__(self, folder: Path, service: "LearningService | None") -> None:
        self._folder, self._service = folder, service

    def told(self) -> Model:
        """What is known of versions and service now."""
        return Model(
            models=self._rows(),
            can_change=self._folder.is_dir(),
            counters=self._counters(),
            drift=self._service.drift if self._service is not None else {},
            curve=self._curve(),
        )

    def promote(self, version: str) -> None:
        """Let another version decide, once it was read and found whole.

        Raises:
            ConfigError: there are no versions here. UnknownModelError: not this one.
            EngineError: it is damaged.
        """
        versions = self._versions()
        if version not in versions.names():
            raise UnknownModelError(
                f"no version {version[:40]!r}", hint=f"there are {', '.join(versions.names())}"
            )
        versions.load(version)
        versions.use(version)

    def roll_back(self) -> str:
        """Let the version before decide again, and return its name.

        Raises:
            ConfigError: there are no versions here, or none is before the one in use.
        """
        versions = self._versions()
        try:
            return versions.rollback()
        except StoreError as error:
            raise ConfigError(error.message, hint=error.hint) from error

    def _versions(self) -> Versions:
        if not self._folder.is_dir():
            raise ConfigError(
                "the model runs elsewhere", hint="edgeflow climate models rollback, where it does"
            )
        return Versions(self._folder)

    def _rows(self) -> list[ModelRow]:
        if not self._folder.is_dir():
            return []
        versions = Versions(self._folder)
        found = []
        for name in versions.names():
            try:
                known = versions.metadata(name)
            except EngineError:
                continue  # it is being written, or was swept away meanwhile
            found.append(
                ModelRow(
                    version=name,
                    current=name == versions.current,
                    created=known.created,
                    parent=known.parent,
                    labels=known.labels,
                    error=known.error,
                    parent_error=known.parent_error,
                )
            )
        return found

    def _curve(self) -> list[tuple[float, float]]:
        if self._service is None:
            return []
        points = self._service.status.curve
        return [(one.time, one.error) for one in points if one.corrected + one.accepted]

    def _counters(self) -> dict[str, float]:
        if self._service is None:
            return {}
        stats = self._service.stats
        return {
            "decided": stats.decided,
            "refused": stats.refused,
            "labels": stats.labels,
            "doubted": stats.doubted,
            "candidates": stats.candidates,
            "promotions": stats.promotions,
            "dropped": stats.dropped,
            "decision_ms": stats.decision_ms,
        }
