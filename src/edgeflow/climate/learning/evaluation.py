"""How well windows are learnt, measured: ``python -m edgeflow.climate.learning.evaluation``.

``--page FILE`` puts the tables between the page's marks, ``--plots FOLDER`` draws.
"""

import argparse
import itertools
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from edgeflow.climate.learning.confidence import TOLERANCE, Reliability, reliability
from edgeflow.climate.learning.labels import values_of
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.practice import Lived
from edgeflow.climate.learning.training import Lessons, TrainingOptions, lessons
from edgeflow.climate.learning.versions import Model
from edgeflow.climate.simulate.people import Person
from edgeflow.sensing.evaluation_chart import Chart, Series
from edgeflow.sensing.evaluation_report import put

__all__ = ["Case", "cases", "main", "measure", "table"]

HOURS = 24 * 10
SMOOTHED = 6
FOUR = (
    Person(comfortable=21.5, damp=58.0),
    Person(comfortable=22.5, quiet=-42.0),
    Person(comfortable=24.0),
    Person(comfortable=25.0, damp=70.0, quiet=-30.0),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One life that is measured."""

    name: str
    options: TrainingOptions


@dataclass(slots=True)
class Measured:
    """A life, and the model it began with."""

    case: Case
    beginning: Model
    lived: Lessons


def cases() -> list[Case]:
    """What the page tells of."""
    homes = [Case(f"home {seed}", TrainingOptions(seed=seed)) for seed in (1, 2, 3, 4)]
    return [
        *homes,
        Case("every fifth override a lie", TrainingOptions(people=(Person(lies=5),))),
        Case("another person in each room", TrainingOptions(people=FOUR)),
        Case("the office", TrainingOptions(data="office")),
    ]


def measure(case: Case) -> Measured:
    """Live through it."""
    beginning = first_model(0.0)
    return Measured(case, beginning, lessons(beginning, case.options))


def table(measured: Sequence[Measured]) -> str:
    """What came of each life, in the days after it was learnt from, as Markdown."""
    lines = [
        "| life | overrides | points off before | after | within 10 | confidence off by "
        "| promotions | for the worse |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(each) for each in measured]
    return "\n".join(lines)


def _row(each: Measured) -> str:
    after, lived = each.lived.after, each.lived
    off = np.array([one.position - one.wanted for one in after])
    worse = _worse(lived)
    told = f"{len(worse)}" + (f" (by {max(worse):.1f} points)" if worse else "")
    return (
        f"| {each.case.name} | {lived.overrides} | {_truth(each.beginning, after):.1f} "
        f"| {np.abs(off).mean():.1f} | {(np.abs(off) <= TOLERANCE).mean():.0%} "
        f"| {100 * _kept(after).error:.1f} points | {lived.tries} | {told} |"
    )


def _worse(lived: Lessons) -> list[float]:
    """By how many points models that took over were worse than those before, by the truth."""
    present = [one for one in lived.decisions if one.lived_in]
    errors = [_truth(model, present) for model in lived.models]
    return [after - before for before, after in itertools.pairwise(errors) if after > before]


def _truth(model: Model, decisions: Sequence[Lived]) -> float:
    said, _ = model.decide(np.stack([values_of(one.features) for one in decisions]))
    return float(np.abs(said - [one.wanted for one in decisions]).mean())


def _kept(decisions: Sequence[Lived]) -> Reliability:
    confidence = np.array([one.confidence for one in decisions])
    return reliability(confidence, np.array([one.position - one.wanted for one in decisions]))


def promises(measured: Sequence[Measured]) -> str:
    """Promised and kept in all homes together, as Markdown."""
    found = _kept([one for each in measured for one in each.lived.after])
    lines = ["| promised | kept | decisions |", "| --- | --- | --- |"]
    lines += [
        f"| {said:.0%} | {was:.0%} | {count} |"
        for said, was, count in zip(found.promised, found.kept, found.counts, strict=True)
    ]
    return "\n".join([*lines, f"| off by {100 * found.error:.1f} points | | {sum(found.counts)} |"])


def draw_promises(measured: Sequence[Measured]) -> str:
    """The reliability plot, as SVG."""
    chart = Chart(
        "Confidence: promised and kept, three days after a week",
        "promised, per cent",
        "kept, per cent",
        (0.0, 100.0),
        (0.0, 100.0),
    )
    chart.series.append(Series("as promised", [(0.0, 0.0), (100.0, 100.0)], colour=4, kind="level"))
    found = _kept([one for each in measured for one in each.lived.after])
    places = [(100 * said, 100 * was) for said, was in zip(found.promised, found.kept, strict=True)]
    chart.series.append(Series("all homes", places, kind="line"))
    return chart.svg()


def draw_curve(measured: Sequence[Measured]) -> str:
    """Points off over the hours of ten days, of the homes together, as SVG."""
    learnt: list[list[float]] = [[] for _ in range(HOURS)]
    unlearnt: list[list[float]] = [[] for _ in range(HOURS)]
    for each in measured:
        present = [one for one in each.lived.decisions if one.lived_in]
        first, _ = each.beginning.decide(np.stack([values_of(one.features) for one in present]))
        for one, said in zip(present, first, strict=True):
            hour = min(HOURS - 1, int(one.time / 3600.0))
            learnt[hour].append(abs(one.position - one.wanted))
            unlearnt[hour].append(abs(float(said) - one.wanted))
    chart = Chart(
        "Distance of decisions from what is wanted",
        "days",
        "points of position",
        (0.0, HOURS / 24.0),
        (0.0, 30.0),
    )
    chart.series += [
        Series("learns", _smooth(learnt)),
        Series("never learns", _smooth(unlearnt), colour=1),
    ]
    return chart.svg()


def _smooth(hours: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    points = []
    for start in range(0, len(hours), SMOOTHED):
        values = [value for hour in hours[start : start + SMOOTHED] for value in hour]
        if values:
            points.append(((start + SMOOTHED / 2) / 24.0, float(np.mean(values))))
    return points


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description="Measure how well windows are learnt.")
    parser.add_argument("--page", type=Path, help="its tables are replaced")
    parser.add_argument("--plots", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    measured = [measure(case) for case in cases()]
    homes = [each for each in measured if each.case.name.startswith("home ")]
    put(table(measured) + "\n", given.page)
    put(promises(homes) + "\n", given.page, "promises")
    if given.plots is not None:
        (given.plots / "climate-reliability.svg").write_text(draw_promises(homes))
        (given.plots / "climate-learning.svg").write_text(draw_curve(homes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
