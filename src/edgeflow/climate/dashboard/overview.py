"""All devices over a stretch of time."""

from collections.abc import Sequence

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.climate.dashboard.charts import (
    FEATURE_TABLES,
    Sources,
    counted,
    feature_chart,
)
from edgeflow.climate.dashboard.decisions import newest_decisions
from edgeflow.core.climate import OverviewPage
from edgeflow.store.tables import TableStore

__all__ = ["MESSAGES", "SHOWN_DEVICES", "count_of", "overview_page"]

SHOWN_DEVICES = 8
"""Devices with a line in a chart: more cannot be told apart."""
DECISIONS = 20
DAY = 86_400.0
MESSAGES: Sources = {
    "temperature": ("sensor_temperature", None),
    "humidity": ("sensor_humidity", None),
    "audio": ("sensor_audio", None),
    "other": ("sensor_readings", None),
}


def overview_page(
    questions: Questions, devices: Sequence[str], now: float, seconds: float
) -> OverviewPage:
    """The last so many seconds; ``devices`` are those that charts may show."""
    since = now - seconds
    return OverviewPage(
        time=now,
        seconds=seconds,
        features={
            feature: feature_chart(questions, feature, devices[:SHOWN_DEVICES], since, now)
            for feature in FEATURE_TABLES
        },
        throughput=counted(questions, MESSAGES, since, now, per=60.0),
        decisions=newest_decisions(questions, since, now, DECISIONS),
        decided=count_of(questions, "window_actions", since, now),
        overridden=count_of(questions, "window_overrides", since, now),
    )


def count_of(questions: Questions, table: str, since: float, until: float) -> int:
    """Rows of a table in a stretch of time, by whole minutes; of more than a day, by hours."""
    step = 60.0 if until - since <= DAY else 3600.0

    def ask(store: TableStore) -> int:
        found = store.counts(table, step=step, since=since, until=until)
        return sum(count for _, count in found)

    return questions.ask(f"count {table}", ask)
