"""Models on disk: a folder per version, one of which is in use."""

import functools
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import structlog

from edgeflow.climate.learning.confidence import Calibration, doubt_of
from edgeflow.climate.learning.drift import Edges
from edgeflow.climate.learning.examples import Floats
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.outcomes import Outcome
from edgeflow.errors import EngineError, StoreError

__all__ = ["Live", "Metadata", "Model", "Versions"]

_log = structlog.get_logger(__name__)

WEIGHTS, PROGRAM, METADATA = "window_regressor.pth", "model.pt2", "metadata.json"
LIVE = "live.json"
CURRENT = "current"
KEPT = 20
_NAME = re.compile(r"v(\d{1,6})")
MAX_METADATA = 1 << 20


class Metadata(msgspec.Struct, kw_only=True):
    """What is known of a version beside its weights.

    Attributes:
        version: ``v1``, ``v2``... created: seconds since the Unix epoch.
        parent: the version that it learnt on from. labels: how many overrides it knows.
        error: mean distance from held-out labels, in points. parent_error: its parent's on those.
        calibration: of its confidence. prior: the one that it began with, if it is another.
        deciles: of the features that it learnt from, (3, 9).
        situations: some of these features, (n, 3).
    """

    version: str
    created: float
    parent: str = ""
    labels: int = 0
    error: float = 0.0
    parent_error: float = 0.0
    calibration: Calibration = Calibration()
    prior: Calibration | None = None
    deciles: list[list[float]] = []
    situations: list[list[float]] = []
    notes: dict[str, Any] = {}


class Live(msgspec.Struct, kw_only=True):
    """What was learnt about a version while it decided.

    Attributes:
        calibration: of its confidence, instead of the first one. outcomes: of its decisions.
    """

    calibration: Calibration | None = None
    outcomes: list[Outcome] = []


@dataclass(frozen=True)
class Model:
    """A network with what belongs to it."""

    network: WindowNetwork
    metadata: Metadata

    @property
    def edges(self) -> Edges:
        """What drift is measured against."""
        return Edges(np.array(self.metadata.deciles))

    def decide(self, features: Floats) -> tuple[Floats, Floats]:
        """Positions and confidences for features (n, 3), each float64 (n,)."""
        positions, doubt = self.doubt(features)
        return positions, self.metadata.calibration.confidence(doubt)

    def doubt(self, features: Floats) -> tuple[Floats, Floats]:
        """Positions, and how doubtful they are in points, each float64 (n,)."""
        said = self.network.positions(features)
        return said.mean(axis=1), doubt_of(said.std(axis=1), features, self._situations)

    @functools.cached_property
    def _situations(self) -> Floats:
        return np.array(self.metadata.situations).reshape(-1, 3)


class Versions:
    """A folder of versions; each is written once, and switched to by one rename.

    Args:
        folder: is made if it is not there.
        exported: versions are written as exported programs, too, for whoever runs them elsewhere.

    Raises:
        StoreError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, exported: bool = True) -> None:
        self.folder, self._exported = folder, exported
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder}: {error}", hint="where may models be written?") from error

    def names(self) -> list[str]:
        """All versions, oldest first."""
        found = [entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name)]
        return sorted(found, key=lambda name: int(name[1:]))

    @property
    def current(self) -> str | None:
        """The version in use."""
        try:
            name = (self.folder / CURRENT).read_text().strip()
        except FileNotFoundError:
            return None
        return name if _NAME.fullmatch(name) else None

    def next_name(self) -> str:
        """What the next version is called."""
        known = self.names()
        return f"v{int(known[-1][1:]) + 1}" if known else "v1"

    def add(self, model: Model) -> None:
        """Write a version. It is there whole, or not at all.

        Raises:
            StoreError: it cannot be written, or exists.
        """
        made = self.folder / f".{model.metadata.version}.part"
        try:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            model.network.save(made / WEIGHTS, made / PROGRAM if self._exported else None)
        except OSError as error:
            raise StoreError(f"{made}: {error}") from error
        self.adopt(made, model.metadata)

    def adopt(self, made: Path, metadata: Metadata) -> None:
        """Make a version of a folder of weights, and of what is known of them by now.

        Raises:
            StoreError: it cannot be written, or exists.
        """
        place = self.folder / metadata.version
        if place.exists():
            raise StoreError(f"{place} exists", hint="versions are written once")
        try:
            told = msgspec.json.format(msgspec.json.encode(metadata), indent=2)
            (made / METADATA).write_bytes(told)
            made.rename(place)
        except OSError as error:
            raise StoreError(f"{place}: {error}") from error
        self._sweep()

    def use(self, name: str) -> None:
        """Switch to a version.

        Raises:
            StoreError: there is none of this name.
        """
        if name not in self.names():
            raise StoreError(f"no version {name!r}", hint=f"there are {', '.join(self.names())}")
        fresh = self.folder / f".{CURRENT}.part"
        fresh.write_text(f"{name}\n")
        fresh.replace(self.folder / CURRENT)

    def rollback(self) -> str:
        """Switch to what was there before the version in use, and return its name.

        Raises:
            StoreError: there is nothing before it.
        """
        current = self.current
        if not current:
            raise StoreError(f"{self.folder}: no versions yet", hint="edgeflow climate serve")
        parent = self.metadata(current).parent
        if not parent or parent not in self.names():
            raise StoreError(f"nothing is before {current}", hint="edgeflow climate models list")
        self.use(parent)
        return parent

    def metadata(self, name: str) -> Metadata:
        """What is known of a version.

        Raises:
            EngineError: its file is damaged or missing.
        """
        path = self.folder / name / METADATA
        try:
            if path.stat().st_size > MAX_METADATA:
                raise EngineError(f"{path} is too large to be metadata")
            return msgspec.json.decode(path.read_bytes(), type=Metadata)
        except (OSError, msgspec.DecodeError) as error:
            raise EngineError(f"{path}: {error}", hint="roll back, or train anew") from error

    def keep_live(self, name: str, live: Live) -> None:
        """Write down what was learnt about a version; the rest of it stays as it was written.

        Raises:
            StoreError: it cannot be written.
        """
        place = self.folder / name
        fresh = place / f".{LIVE}.part"
        try:
            fresh.write_bytes(msgspec.json.encode(live))
            fresh.replace(place / LIVE)
        except OSError as error:
            raise StoreError(f"{place / LIVE}: {error}") from error

    def live(self, name: str) -> Live:
        """What was learnt about a version; nothing if that was never written, or is damaged."""
        path = self.folder / name / LIVE
        try:
            if path.stat().st_size > MAX_METADATA:
                raise EngineError(f"{path} is too large")
            return msgspec.json.decode(path.read_bytes(), type=Live)
        except FileNotFoundError:
            return Live()
        except (OSError, msgspec.DecodeError, EngineError) as error:
            _log.warning("calibration_left_out", path=str(path), error=str(error))
            return Live()

    def load(self, name: str | None = None) -> Model:
        """Read a version and check it; the one in use by default.

        Raises:
            EngineError: it is damaged.
            StoreError: there is none.
        """
        chosen = name or self.current
        if chosen is None:
            raise StoreError(f"{self.folder} holds no model", hint="edgeflow train climate")
        network = WindowNetwork.load(self.folder / chosen / WEIGHTS)
        metadata, live = self.metadata(chosen), self.live(chosen)
        if live.calibration is not None:
            prior = metadata.prior or metadata.calibration
            metadata = msgspec.structs.replace(metadata, calibration=live.calibration, prior=prior)
        return Model(network, metadata)

    def load_or_begin(self) -> Model:
        """The version in use; of an empty folder, a first one is made of the rule to begin with.

        Raises:
            EngineError: the version in use is damaged.
        """
        if self.current is None:
            from edgeflow.climate.learning.learner import first_model

            self.add(first_model(time.time()))
            self.use("v1")
        return self.load()

    def _sweep(self) -> None:
        known = self.names()
        keep = {self.current, *known[-KEPT:]}
        for name in known:
            if name not in keep:
                shutil.rmtree(self.folder / name, ignore_errors=True)
