"""From steps of time in the store to lines of a chart."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.core.climate import NAN, Chart, Line
from edgeflow.store.tables import Bucket

__all__ = [
    "FEATURE_TABLES",
    "Sources",
    "count_step",
    "counted",
    "counts",
    "empty_chart",
    "feature_chart",
    "percentiles",
    "placed",
    "rates",
    "step_for",
]

Sources = Mapping[str, tuple[str, Mapping[str, str] | None]]
"""By label, a table and a condition."""
Counts = Mapping[str, Sequence[tuple[float, int]]]
"""By label, when steps begin and the rows in them."""
FEATURE_TABLES: Mapping[str, tuple[str, str]] = {
    "temperature": ("sensor_temperature", "value"),
    "humidity": ("sensor_humidity", "value"),
    "sound_volume": ("sensor_audio", "sound_volume"),
}
"""Table and column of each feature."""
STEPS = (5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0)
LEAST_WHOLE = 0.25
"""Share of a step from which the beginning tells how the rest will be."""
POINTS = 400
"""Steps of a chart at most."""


def step_for(seconds: float) -> float:
    """The finest step that gives at most ``POINTS``."""
    return next((step for step in STEPS if seconds / step <= POINTS), STEPS[-1])


def empty_chart(since: float, until: float, step: float) -> tuple[float, int]:
    """Where the first step begins, and how many there are."""
    first = math.floor(since / step) * step
    return first, max(1, math.ceil((until - first) / step))


def placed(
    since: float,
    until: float,
    step: float,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    missing: float = NAN,
) -> Chart:
    """Put pairs of time and value on the steps of a chart."""
    first, count = empty_chart(since, until, step)
    made = []
    for label, pairs in lines.items():
        values = [missing] * count
        for time, value in pairs:
            at = round((time - first) / step)
            if 0 <= at < count:
                values[at] = value
        made.append(Line(label=label, values=values))
    return Chart(since=first, step=step, lines=made)


def feature_chart(
    questions: Questions, feature: str, devices: Sequence[str], since: float, until: float
) -> Chart:
    """A feature of some devices, a line each."""
    table, column = FEATURE_TABLES[feature]
    step = step_for(until - since)

    def series(device: str) -> list[Bucket]:
        return questions.ask(
            f"series {feature}",
            lambda store: store.series(
                table, column, step=step, device=device, since=since, until=until
            ),
        )

    lines = {
        device: [(bucket.time, bucket.mean) for bucket in series(device)] for device in devices
    }
    return placed(since, until, step, lines)


def counted(
    questions: Questions, tables: Sources, since: float, until: float, *, per: float
) -> Chart:
    """Rows in ``per`` seconds; a line for each label."""
    step = count_step(since, until)
    return rates(counts(questions, tables, since, until, step), since, until, step, per=per)


def count_step(since: float, until: float) -> float:
    """The step that rows are counted in: what rollups have, and no more than a chart shows."""
    return max(60.0, step_for(until - since))


def counts(
    questions: Questions, tables: Sources, since: float, until: float, step: float
) -> Counts:
    """Rows by step, for each label with its table and condition."""

    def count(table: str, where: Mapping[str, str] | None) -> list[tuple[float, int]]:
        return questions.ask(
            f"count {table}",
            lambda store: store.counts(table, step=step, where=where, since=since, until=until),
        )

    return {label: count(*source) for label, source in tables.items()}


def rates(counted: Counts, since: float, until: float, step: float, *, per: float) -> Chart:
    """Counts as rows in ``per`` seconds, in steps that hold those of the counts."""
    lines = {}
    for label, found in counted.items():
        sums: dict[float, int] = {}
        for time, count in found:
            begin = time // step * step
            sums[begin] = sums.get(begin, 0) + count
        # The step that is not over yet holds less, and is no fall.
        lines[label] = [
            (time, count * per / min(step, max(until - time, LEAST_WHOLE * step)))
            for time, count in sums.items()
        ]
    return placed(since, until, step, lines, missing=0.0)


def percentiles(pairs: Sequence[tuple[float, float]], since: float, until: float) -> Chart:
    """The median, the 95th percentile and the most of pairs of time and value, by step."""
    step = step_for(until - since)
    times = np.array([time for time, _ in pairs])
    values = np.array([value for _, value in pairs])
    known = np.isfinite(values)
    times, values = times[known], values[known]
    lines: dict[str, list[tuple[float, float]]] = {"p50": [], "p95": [], "most": []}
    steps = np.floor(times / step)
    for own in np.unique(steps):
        inside = values[steps == own]
        for label, value in zip(
            lines, (*np.percentile(inside, [50, 95]), inside.max()), strict=True
        ):
            lines[label].append((float(own) * step, float(value)))
    return placed(since, until, step, lines)
