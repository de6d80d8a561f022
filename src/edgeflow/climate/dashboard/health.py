"""Whether all is well: services, messages, the store, what went wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgeflow.climate.dashboard.asking import Questions, error_text
from edgeflow.climate.dashboard.charts import (
    Sources,
    count_step,
    counted,
    counts,
    placed,
    rates,
    step_for,
)
from edgeflow.climate.dashboard.decisions import troubles_of_events
from edgeflow.climate.dashboard.overview import MESSAGES
from edgeflow.climate.health import HEALTH_SECONDS, ServiceState
from edgeflow.core.climate import Chart, HealthPage, ServiceRow, Trouble
from edgeflow.errors import StoreError

__all__ = ["health_page"]

COUNTED: Sources = {
    table: (table, None)
    for table in (
        "sensor_temperature",
        "sensor_humidity",
        "sensor_audio",
        "sensor_readings",
        "window_actions",
        "window_overrides",
        "ml_predictions",
        "dead_letters",
    )
}
TROUBLES = 100
SERVICES = 400
SILENT_SECONDS = 4 * HEALTH_SECONDS
RATES: Sources = {
    **MESSAGES,
    "decisions": ("window_actions", None),
}
WRONG: Sources = {
    "refused messages": ("dead_letters", None),
    "failed services": ("health", {"state": "failed"}),
}
HOUR = 3600.0


def health_page(
    questions: Questions,
    live: Sequence[ServiceState],
    counters: dict[str, float],
    now: float,
    seconds: float,
) -> HealthPage:
    """The last so many seconds; without the store, what this process knows by itself."""
    since, step = now - seconds, count_step(now - seconds, now)
    try:
        every = counts(questions, COUNTED, since, now, step)
        heard = {label: every[table] for label, (table, _) in RATES.items()}
        kept = _services(questions, since, now)
        return HealthPage(
            time=now,
            seconds=seconds,
            store_error="",
            services=_merged(live, kept, now),
            rates=rates(heard, since, now, step, per=1.0),
            ingest=rates(heard, since, now, max(HOUR, step), per=HOUR),
            rows={table: sum(count for _, count in found) for table, found in every.items()},
            batches=_batches(questions, since, now),
            errors=counted(questions, WRONG, since, now, per=60.0),
            troubles=_troubles(questions, since, now),
            queries=questions.times(),
            counters=counters,
        )
    except StoreError as error:
        nothing = placed(since, now, step_for(seconds), {})
        return HealthPage(
            time=now,
            seconds=seconds,
            store_error=error_text(error),
            services=_merged(live, [], now),
            rates=nothing,
            ingest=nothing,
            rows={},
            batches=nothing,
            errors=nothing,
            troubles=[],
            queries=questions.times(),
            counters=counters,
        )


def _services(questions: Questions, since: float, now: float) -> list[ServiceRow]:
    """The newest word of each service, silent ones as such."""
    rows = questions.ask(
        "services",
        lambda store: store.rows("health", since=since, until=now, limit=SERVICES),
    )
    newest = {row["service"]: row for row in rows}
    return [_service(row, now) for _, row in sorted(newest.items())]


def _service(row: Mapping[str, Any], now: float) -> ServiceRow:
    silent = now - row["timestamp"] > SILENT_SECONDS
    return ServiceRow(
        service=row["service"],
        state="silent" if silent else row["state"],
        detail=row["detail"],
        time=row["timestamp"],
        value=row["value"],
    )


def _merged(
    live: Sequence[ServiceState], kept: Sequence[ServiceRow], now: float
) -> list[ServiceRow]:
    """What runs in this process says so itself; of others the table has the newest word."""
    own = [
        ServiceRow(
            service=state.service,
            state="failed" if state.problem else "ok",
            detail=state.problem,
            time=now,
            value=state.milliseconds,
        )
        for state in live
    ]
    names = {row.service for row in own}
    return [*own, *(row for row in kept if row.service not in names)]


def _batches(questions: Questions, since: float, until: float) -> Chart:
    """Milliseconds that the store took for a batch."""
    step = step_for(until - since)
    found = questions.ask(
        "batches",
        lambda store: store.series(
            "health", "value", step=step, where={"service": "store"}, since=since, until=until
        ),
    )
    return placed(
        since,
        until,
        step,
        {
            "mean": [(bucket.time, bucket.mean) for bucket in found],
            "most": [(bucket.time, bucket.most) for bucket in found],
        },
    )


def _troubles(questions: Questions, since: float, until: float) -> list[Trouble]:
    """Events, dead letters and failures of services, newest first."""
    letters = questions.ask(
        "dead letters",
        lambda store: store.rows("dead_letters", since=since, until=until, limit=TROUBLES),
    )
    failures = questions.ask(
        "failures of services",
        lambda store: store.rows(
            "health", where={"state": "failed"}, since=since, until=until, limit=TROUBLES
        ),
    )
    found = [
        *troubles_of_events(questions, since, until, TROUBLES),
        *(_trouble(row, "message", row["topic"], row["reason"]) for row in letters),
        *(_trouble(row, row["state"], row["service"], row["detail"]) for row in failures),
    ]
    return sorted(found, key=lambda each: -each.time)[:TROUBLES]


def _trouble(row: Mapping[str, Any], kind: str, source: str, detail: str) -> Trouble:
    return Trouble(
        time=row["timestamp"],
        device_id=row["device_id"],
        kind=kind,
        source=source,
        detail=detail,
    )
