"""Decisions put together from the tables that know of them, and what else happened."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.core.climate import NAN, DecisionRow, Trouble

__all__ = ["following", "newest_decisions", "preceding", "troubles_of_events"]

Rows = Sequence[Mapping[str, Any]]
SLACK_SECONDS = 60.0
"""How much earlier than the first of the decisions shown what belongs to them may have come."""


def newest_decisions(
    questions: Questions, since: float, until: float, limit: int, *, device: str | None = None
) -> list[DecisionRow]:
    """The newest decisions, newest first, each with its prediction, its request and its fate."""
    actions = questions.ask(
        "newest decisions",
        lambda store: store.rows(
            "window_actions", device=device, since=since, until=until, limit=limit
        ),
    )
    if not actions:
        return []
    first = actions[0]["timestamp"] - SLACK_SECONDS
    predictions = _by_correlation(questions, "ml_predictions", device, (first, until), limit)
    requests = _by_correlation(questions, "inference_history", device, (first, until), limit)
    overrides = questions.ask(
        "newest overrides",
        lambda store: store.rows(
            "window_overrides", device=device, since=actions[0]["timestamp"], limit=limit
        ),
    )
    wanted = following(actions, overrides)
    return [
        _row(action, predictions, requests, wanted.get(at, NAN))
        for at, action in reversed(list(enumerate(actions)))
    ]


def following(actions: Rows, overrides: Rows) -> dict[int, float]:
    """By the place of an action, the position that a person set first after it, before the next."""
    found: dict[int, float] = {}
    for at, override in preceding(actions, overrides):
        found.setdefault(at, override["position"])
    return found


def preceding(actions: Rows, overrides: Rows) -> list[tuple[int, Mapping[str, Any]]]:
    """Each override with the place of the newest action of its device that is not after it."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for at, action in enumerate(actions):
        places[action["device_id"]].append(at)
    times = {device: [actions[at]["timestamp"] for at in own] for device, own in places.items()}
    found = []
    for override in overrides:
        device = override["device_id"]
        before = bisect_right(times.get(device, []), override["timestamp"])
        if before:
            found.append((places[device][before - 1], override))
    return found


def troubles_of_events(
    questions: Questions, since: float, until: float, limit: int, *, device: str | None = None
) -> list[Trouble]:
    """What happened, newest first."""
    rows = questions.ask(
        "events",
        lambda store: store.rows("events", device=device, since=since, until=until, limit=limit),
    )
    return [
        Trouble(
            time=row["timestamp"],
            device_id=row["device_id"],
            kind=row["kind"],
            source=row["source"],
            detail=_told(row["details"]),
        )
        for row in reversed(rows)
    ]


def _told(details: Mapping[str, Any]) -> str:
    if set(details) == {"why"}:
        return str(details["why"])
    return ", ".join(f"{key} {value}" for key, value in details.items())[:400]


def _by_correlation(
    questions: Questions, table: str, device: str | None, times: tuple[float, float], limit: int
) -> dict[tuple[str, str], Mapping[str, Any]]:
    rows = questions.ask(
        f"newest of {table}",
        lambda store: store.rows(
            table, device=device, since=times[0], until=times[1], limit=2 * limit
        ),
    )
    return {(row["device_id"], row["correlation_id"]): row for row in rows if row["correlation_id"]}


def _row(
    action: Mapping[str, Any],
    predictions: Mapping[tuple[str, str], Mapping[str, Any]],
    requests: Mapping[tuple[str, str], Mapping[str, Any]],
    wanted: float,
) -> DecisionRow:
    key = (action["device_id"], action["correlation_id"])
    prediction, request = predictions.get(key, {}), requests.get(key, {})
    return DecisionRow(
        device_id=action["device_id"],
        time=action["timestamp"],
        position=action["position"],
        confidence=action["confidence"],
        temperature=action["temperature"],
        humidity=action["humidity"],
        sound_volume=action["sound_volume"],
        rule=action["rule"],
        model_version=prediction.get("model_version", ""),
        inference_time_ms=prediction.get("inference_time_ms", NAN),
        reason=request.get("trigger_reason", ""),
        z_scores=(
            request.get("temp_z_score", NAN),
            request.get("humidity_z_score", NAN),
            request.get("volume_z_score", NAN),
        ),
        wanted=wanted,
    )
