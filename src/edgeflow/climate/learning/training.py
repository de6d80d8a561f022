"""Training before anybody lives with it: a home is lived through, and a version is written."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgeflow.climate.learning.confidence import TOLERANCE, Reliability, reliability
from edgeflow.climate.learning.labels import LABELS, Labels, values_of
from edgeflow.climate.learning.learner import LEAST_HELD_OUT, Comparison, Learner
from edgeflow.climate.learning.practice import Lived, Practice
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.simulate.household import Home, Household, HouseholdOptions
from edgeflow.climate.simulate.office import ASSET, Office
from edgeflow.climate.simulate.people import Person

__all__ = [
    "Lessons",
    "RoomReport",
    "TrainingOptions",
    "TrainingReport",
    "lessons",
    "train",
]

DAY = 86_400.0
OFFICE_SHARE = 0.7
"""Of the office's days, what is learnt from; the rest shows what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What is lived through.

    Attributes:
        data: ``home`` is simulated; ``office`` is a real room's air.
        days: to learn in, and ``test_days`` after them. rooms: of the home. seed: of all chance.
        people: who live there, as ``HouseholdOptions`` has them.
    """

    data: Literal["home", "office"] = "home"
    days: float = 7.0
    test_days: float = 3.0
    rooms: int = 4
    seed: int = 1
    people: tuple[Person, ...] = (Person(),)


class RoomReport(msgspec.Struct):
    """One room in the days after, while somebody was there; points, and a share of decisions."""

    room: str
    decisions: int
    error_before: float
    error: float
    within: float


class TrainingReport(msgspec.Struct, kw_only=True):
    """What came of it.

    Attributes:
        version: that was written. parent: that was in use. promoted: it is in use now.
        overrides: that were said. tries: models that took over in the home.
        error_before, error: mean points from what was wanted in the days after: by the parent, and
            as it was decided. within: share of decisions within 10 points.
        reliability: what was promised in those days and kept; ``calibration_error`` of it.
        judged_on: ``people``, if they have said enough, or ``practice``. comparison: on these.
    """

    version: str
    parent: str
    promoted: bool
    data: str
    overrides: int
    tries: int
    error_before: float
    error: float
    within: float
    calibration_error: float
    reliability: Reliability
    rooms: list[RoomReport]
    judged_on: Literal["people", "practice"]
    comparison: Comparison


@dataclass(slots=True)
class Lessons:
    """What was lived through: the model at the end, labels, all decisions, and those after.

    ``models`` decided one after the other.
    """

    model: Model
    models: list[Model]
    labels: Labels
    decisions: list[Lived]
    after: list[Lived]
    overrides: int
    tries: int
    now: float


def train(
    folder: Path,
    options: TrainingOptions,
    now: Callable[[], float],
    office: Path | None = None,
) -> TrainingReport:
    """Learn on from the model in use, write a version, and use it if it is better.

    What people have said in real life decides, if they have said enough; else what was held out.

    Args:
        folder: of versions and labels.
        options: what is lived through.
        now: seconds since the Unix epoch.
        office: file of the series, for ``data="office"``; pulled if not given.

    Raises:
        StoreError: the folder cannot be written. EngineError: the model in use is damaged.
    """
    versions = Versions(folder)
    parent = versions.load_or_begin()
    lived = lessons(parent, options, office, ends=True)
    made = _named(lived.model, parent, versions.next_name(), now(), options)
    people = Labels(folder / LABELS)
    is_enough = len(people.examples(now(), held_out=True)) >= LEAST_HELD_OUT
    judge, when = (people, now()) if is_enough else (lived.labels, lived.now)
    found = Learner(judge).compare(made, parent, when)
    errors = {"error": found.error, "parent_error": found.parent_error}
    versions.add(replace(made, metadata=msgspec.structs.replace(made.metadata, **errors)))
    if found.better:
        versions.use(made.metadata.version)
    kept = _kept(lived.after)
    return TrainingReport(
        version=made.metadata.version,
        parent=parent.metadata.version,
        promoted=found.better,
        data=options.data,
        overrides=lived.overrides,
        tries=lived.tries,
        error_before=_error_of(parent, lived.after),
        error=_error(lived.after),
        within=_within(lived.after),
        calibration_error=kept.error,
        reliability=kept,
        rooms=[_room(parent, lived.after, name) for name in _names(lived.after)],
        judged_on="people" if is_enough else "practice",
        comparison=found,
    )


def lessons(
    parent: Model, options: TrainingOptions, office: Path | None = None, *, ends: bool = False
) -> Lessons:
    """Live through a home with a model, by the learning service, in a folder of its own.

    With ``ends``, all that was said is learnt before the days after, on held-out labels alone.
    """
    home, days, test_days = _home(options, office)
    with tempfile.TemporaryDirectory(prefix="edgeflow-train-") as place:
        versions = Versions(Path(place), exported=False)
        versions.add(parent)
        versions.use(parent.metadata.version)
        labels = Labels()
        practice = Practice(home, versions, labels=labels)

        async def live() -> int:
            await practice.live(days * DAY)
            if ends:
                _learn_the_rest(practice, versions, labels)
            learnt = len(practice.decisions)
            await practice.live(test_days * DAY)
            return learnt

        learnt = asyncio.run(live())
        return Lessons(
            practice.service.model,
            [versions.load(name) for name in versions.names()],
            labels,
            practice.decisions,
            [one for one in practice.decisions[learnt:] if one.lived_in],
            practice.overrides,
            practice.service.stats.promotions,
            practice.now,
        )


def _learn_the_rest(practice: Practice, versions: Versions, labels: Labels) -> None:
    """What was said since the last promotion counts as well; the service takes it over."""
    model, learner = practice.service.model, Learner(labels)
    made = learner.candidate(model, practice.now, versions.next_name())
    if made is not None and learner.compare(made, model, practice.now).better:
        versions.add(made)
        versions.use(made.metadata.version)


def _home(options: TrainingOptions, office: Path | None) -> tuple[Home, float, float]:
    if options.data == "home":
        made = Household(
            HouseholdOptions(rooms=options.rooms, people=options.people, seed=options.seed)
        )
        return made, options.days, options.test_days
    if office is None:
        from edgeflow import assets

        office = assets.pull(ASSET)
    real = Office(office, seed=options.seed)
    days = real.seconds / DAY
    return real, OFFICE_SHARE * days, (1.0 - OFFICE_SHARE) * days


def _named(model: Model, parent: Model, name: str, now: float, options: TrainingOptions) -> Model:
    metadata = msgspec.structs.replace(
        model.metadata,
        version=name,
        parent=parent.metadata.version,
        created=now,
        notes={"learnt_from": options.data, "seed": options.seed, "days": options.days},
    )
    return replace(model, metadata=metadata)


def _names(decisions: Sequence[Lived]) -> list[str]:
    return sorted({one.room for one in decisions})


def _room(parent: Model, decisions: Sequence[Lived], name: str) -> RoomReport:
    own = [one for one in decisions if one.room == name]
    return RoomReport(name, len(own), _error_of(parent, own), _error(own), _within(own))


def _distances(decisions: Sequence[Lived]) -> np.ndarray:
    return np.array([one.position - one.wanted for one in decisions], np.float64)


def _error(decisions: Sequence[Lived]) -> float:
    return float(np.abs(_distances(decisions)).mean()) if decisions else 0.0


def _within(decisions: Sequence[Lived]) -> float:
    return float((np.abs(_distances(decisions)) <= TOLERANCE).mean()) if decisions else 0.0


def _error_of(model: Model, decisions: Sequence[Lived]) -> float:
    if not decisions:
        return 0.0
    said, _ = model.decide(np.stack([values_of(one.features) for one in decisions]))
    return float(np.abs(said - [one.wanted for one in decisions]).mean())


def _kept(decisions: Sequence[Lived]) -> Reliability:
    confidence = np.array([one.confidence for one in decisions], np.float64)
    return reliability(confidence, _distances(decisions))
