"""How well windows are learnt, measured: ``python -m edgeflow.climate.learning.evaluation``.

``--page FILE`` puts the tables between the page's marks, ``--plots FOLDER`` draws.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import structlog

from edgeflow.climate.learning.confidence import TOLERANCE, Reliability, reliability
from edgeflow.climate.learning.labels import values_of
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.practice import Lived
from edgeflow.climate.learning.training import TrainingOptions, lessons
from edgeflow.climate.learning.trials import KINDS, changes, tried
from edgeflow.climate.learning.trials import table as trials_table
from edgeflow.climate.simulate.people import Person
from edgeflow.sensing.evaluation_chart import Chart, Series
from edgeflow.sensing.evaluation_report import put

__all__ = ["Case", "Measured", "cases", "confidence_error", "main", "measure", "table"]

HOURS = 24 * 10
SMOOTHED = 6
HOMES = range(221, 226)
TRIALS = range(331, 347)
"""Seeds on which nothing was chosen."""
BLOCK_SECONDS = 3 * 3600.0
DRAWS = 200
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


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a life, while somebody was there.

    Attributes:
        decisions: of all days; ``after`` of these from the days after learning.
        first: what the model to begin with would have said, of each of ``decisions``.
        gains: points by which each model that took over was nearer to the truth.
    """

    name: str
    decisions: list[Lived]
    after: list[Lived]
    first: list[float]
    gains: list[float]
    overrides: int


def cases() -> list[Case]:
    """What the page tells of."""
    homes = [Case(f"home {seed}", TrainingOptions(seed=seed)) for seed in HOMES]
    return [
        *homes,
        Case("every fifth override a lie", TrainingOptions(people=(Person(lies=5),))),
        Case("another person in each room", TrainingOptions(people=FOUR)),
        Case("the office", TrainingOptions(data="office")),
    ]


def measure(case: Case) -> Measured:
    """Live through it."""
    beginning = first_model(0.0)
    lived = lessons(beginning, case.options)
    present = [one for one in lived.decisions if one.lived_in]
    first, _ = beginning.decide(np.stack([values_of(one.features) for one in present]))
    return Measured(
        case.name,
        present,
        lived.after,
        first.tolist(),
        changes(lived.models, [present]),
        lived.overrides,
    )


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
    after = each.after
    off = np.array([one.position - one.wanted for one in after])
    first = np.array(each.first[-len(after) :]) - [one.wanted for one in after]
    off_by, low, high = confidence_error(after)
    return (
        f"| {each.name} | {each.overrides} | {np.abs(first).mean():.1f} "
        f"| {np.abs(off).mean():.1f} | {(np.abs(off) <= TOLERANCE).mean():.0%} "
        f"| {off_by:.1f} points ({low:.1f} to {high:.1f}) "
        f"| {len(each.gains)} | {sum(gain < 0 for gain in each.gains)} |"
    )


def confidence_error(decisions: Sequence[Lived]) -> tuple[float, float, float]:
    """By how many points confidence is off, and from where to where nine in ten draws are.

    Whole blocks of three hours are drawn anew with repetition: what is decided within one is alike.
    """
    blocks: dict[int, list[Lived]] = {}
    for one in decisions:
        blocks.setdefault(int(one.time // BLOCK_SECONDS), []).append(one)
    parts, rng = list(blocks.values()), np.random.default_rng(1)
    drawn = [
        _kept([one for at in rng.integers(0, len(parts), len(parts)) for one in parts[at]]).error
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, [5.0, 95.0])
    return 100 * _kept(decisions).error, 100 * float(low), 100 * float(high)


def _kept(decisions: Sequence[Lived]) -> Reliability:
    confidence = np.array([one.confidence for one in decisions])
    return reliability(confidence, np.array([one.position - one.wanted for one in decisions]))


def promises(measured: Sequence[Measured]) -> str:
    """Promised and kept in all homes together, as Markdown."""
    found = _kept([one for each in measured for one in each.after])
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
    found = _kept([one for each in measured for one in each.after])
    places = [(100 * said, 100 * was) for said, was in zip(found.promised, found.kept, strict=True)]
    chart.series.append(Series("all homes", places, kind="line"))
    return chart.svg()


def draw_curve(measured: Sequence[Measured]) -> str:
    """Points off over the hours of ten days, of the homes together, as SVG."""
    learnt: list[list[float]] = [[] for _ in range(HOURS)]
    unlearnt: list[list[float]] = [[] for _ in range(HOURS)]
    for each in measured:
        for one, said in zip(each.decisions, each.first, strict=True):
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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), initializer=_quiet) as pool:
        tries = [pool.submit(tried, kind, seed) for kind in KINDS for seed in TRIALS]
        measured = list(pool.map(measure, cases()))
        found = [each.result() for each in tries]
    homes = [each for each in measured if each.name.startswith("home ")]
    put(table(measured) + "\n", given.page)
    put(promises(homes) + "\n", given.page, "promises")
    put(trials_table(found) + "\n", given.page, "trials")
    if given.plots is not None:
        (given.plots / "climate-reliability.svg").write_text(draw_promises(homes))
        (given.plots / "climate-learning.svg").write_text(draw_curve(homes))
    return 0


def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


if __name__ == "__main__":
    sys.exit(main())
