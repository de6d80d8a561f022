"""Many short lives, to count promotions and how many of them were for the worse."""

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgeflow.climate.learning.labels import values_of
from edgeflow.climate.learning.practice import Lived, Practice
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.simulate.household import Household, HouseholdOptions
from edgeflow.climate.simulate.people import Person

__all__ = ["KINDS", "Kind", "Tried", "changes", "table", "tried", "truth"]

DAY = 86_400.0
DAYS, MORE_DAYS = 2.0, 3.0
"""Before what is wanted changes, if it does, and after."""
ROOMS = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """Somebody who teaches; after two days it is ``later``, in the same rooms."""

    name: str
    person: Person = field(default_factory=Person)
    later: Person | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one life.

    Attributes:
        gains: points by which each model that took over was nearer to what the person really
            wanted than the one before, in all situations of those days in which that was wanted.
        before, after: points off at the end of the first model, and of the last.
    """

    kind: str
    gains: list[float]
    before: float
    after: float


KINDS = (
    Kind("says what they want ± 3 points"),
    Kind("says what they want ± 10 points", Person(slip=10.0)),
    Kind("lies every fifth time", Person(lies=5)),
    Kind("wants another air after two days", later=Person(comfortable=26.0, damp=55.0)),
)


def tried(kind: Kind, seed: int) -> Tried:
    """Live five days, and judge every model that took over by the truth."""
    person = replace(kind.person)
    home = Household(HouseholdOptions(rooms=ROOMS, people=(person,), seed=seed))
    with tempfile.TemporaryDirectory(prefix="edgeflow-trial-") as place:
        versions = Versions(Path(place), exported=False)
        practice = Practice(home, versions)
        asyncio.run(practice.live(DAYS * DAY))
        if kind.later is not None:
            person.comfortable, person.damp = kind.later.comfortable, kind.later.damp
        asyncio.run(practice.live(MORE_DAYS * DAY))
        models = [versions.load(name) for name in versions.names()]
        lived = [one for one in practice.decisions if one.lived_in]
    phases = [
        [one for one in lived if kind.later is None or (one.time > DAYS * DAY) == late]
        for late in (False, True)
    ]
    return Tried(
        kind.name,
        changes(models, phases),
        truth(models[0], phases[1]),
        truth(models[-1], phases[1]),
    )


def changes(models: Sequence[Model], phases: Sequence[Sequence[Lived]]) -> list[float]:
    """Points that each model gained on the one before: in the phase in which it began to decide."""
    gains = []
    for before, after in itertools.pairwise(models):
        version = after.metadata.version
        phase = next(
            (each for each in phases if any(one.version == version for one in each)), phases[-1]
        )
        gains.append(truth(before, phase) - truth(after, phase))
    return gains


def truth(model: Model, decisions: Sequence[Lived]) -> float:
    """Mean points by which a model is off in situations that were lived through."""
    said, _ = model.decide(np.stack([values_of(one.features) for one in decisions]))
    return float(np.abs(said - [one.wanted for one in decisions]).mean())


def table(found: Sequence[Tried]) -> str:
    """Promotions by kind of life, as Markdown."""
    lines = [
        "| five days with somebody who | lives | points off before | after | promotions "
        "| for the worse | least gain |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in dict.fromkeys(each.kind for each in found):
        lines.append(_row(kind, [each for each in found if each.kind == kind]))
    lines.append(_row("all together", found))
    return "\n".join(lines)


def _row(name: str, found: Sequence[Tried]) -> str:
    gains = [gain for each in found for gain in each.gains]
    worse = sum(gain < 0 for gain in gains)
    least = f"{min(gains):.2f} points" if gains else "-"
    before, after = (
        np.mean(each) for each in ([f.before for f in found], [f.after for f in found])
    )
    return (
        f"| {name} | {len(found)} | {before:.1f} | {after:.1f} | {len(gains)} | {worse} | {least} |"
    )
