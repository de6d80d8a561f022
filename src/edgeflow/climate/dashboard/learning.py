"""The model over a stretch of time: how often it decides, how sure, how fast, and how right."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.climate.dashboard.charts import counted, percentiles, placed
from edgeflow.climate.dashboard.decisions import preceding
from edgeflow.climate.dashboard.judging import Judged, correlations, judge, kept_promises
from edgeflow.climate.dashboard.overview import count_of
from edgeflow.climate.learning.drift import SHIFTED
from edgeflow.climate.triggers import FEATURES
from edgeflow.core.climate import NAN, Chart, LearningPage, ModelRow

__all__ = ["Model", "learning_page"]

Rows = Sequence[Mapping[str, Any]]
SAMPLE = 20_000
"""Newest decisions that numbers about all of them are of."""
OVERRIDES = 5000
POINTS = 400
LOOKED_UP = 50
"""Devices whose decision before their first override is looked up."""
MAX_SHOWN = 100
BINS = 20
HOUR = 3600.0


class Model(msgspec.Struct, kw_only=True, frozen=True):
    """What the service says of itself; ``models`` are all versions on disk.

    ``curve`` has hours of its time, with points off of what was corrected or left alone.
    """

    models: list[ModelRow]
    can_change: bool
    counters: dict[str, float]
    drift: dict[str, float]
    curve: list[tuple[float, float]] = []


def learning_page(questions: Questions, model: Model, now: float, seconds: float) -> LearningPage:
    """The last so many seconds."""
    since = now - seconds
    actions = _newest(questions, "window_actions", since, now, SAMPLE)
    predictions = _newest(questions, "ml_predictions", since, now, SAMPLE)
    requests = _newest(questions, "inference_history", since, now, SAMPLE)
    overrides = _newest(questions, "window_overrides", since, now, OVERRIDES)
    decided = count_of(questions, "window_actions", since, now)
    overridden = count_of(questions, "window_overrides", since, now)
    judged = judge(*_with_earlier(questions, actions, overrides))
    features = {name: _column(actions, name) for name in FEATURES}
    position, confidence = _column(actions, "position"), _column(actions, "confidence")
    sure = confidence[np.isfinite(confidence)]
    return LearningPage(
        time=now,
        seconds=seconds,
        decided=decided,
        overridden=overridden,
        devices=len({row["device_id"] for row in actions}),
        sampled=len(actions),
        confidence=(float(sure.mean()), float(sure.min())) if len(sure) else (NAN, NAN),
        error=judged.mean,
        within=judged.within,
        kept=1.0 - overridden / decided if decided else NAN,
        by_device=_by_device(actions),
        histogram=np.histogram(sure, BINS, (0.0, 1.0))[0].tolist(),
        rate=counted(questions, {"decisions": ("window_actions", None)}, since, now, per=60.0),
        latency=percentiles(
            [(row["timestamp"], row["inference_time_ms"]) for row in predictions], since, now
        ),
        response=percentiles(_responses(requests, actions), since, now),
        errors=_in_time_of_rooms(model.curve, now) or _by_hour(judged, since, now),
        reliability=kept_promises(actions, overrides, now),
        correlations=correlations(features, position),
        points=_points(actions),
        reasons=dict(
            Counter(row["trigger_reason"] or "unknown" for row in requests).most_common(20)
        ),
        models=_used(model.models, predictions),
        can_change=model.can_change,
        counters=model.counters,
        drift=model.drift,
        shifted=SHIFTED,
    )


def _newest(questions: Questions, table: str, since: float, until: float, limit: int) -> Rows:
    return questions.ask(
        f"sample of {table}",
        lambda store: store.rows(table, since=since, until=until, limit=limit),
    )


def _with_earlier(questions: Questions, actions: Rows, overrides: Rows) -> tuple[Rows, Rows]:
    """The actions, and before them those that the first overrides of devices were about."""
    known = {id(override) for _, override in preceding(actions, overrides)}
    first: dict[str, float] = {}
    for override in overrides:
        if id(override) not in known:
            first.setdefault(override["device_id"], override["timestamp"])
    earlier: list[Mapping[str, Any]] = []
    for device, time in list(first.items())[:LOOKED_UP]:
        earlier += _before(questions, device, time)
    return [*earlier, *actions], overrides


def _before(questions: Questions, device: str, time: float) -> Rows:
    return questions.ask(
        "decision before an override",
        lambda store: store.rows("window_actions", device=device, until=time + 0.001, limit=1),
    )


def _column(rows: Rows, name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.array([row[name] for row in rows], np.float64)


def _by_device(actions: Rows) -> list[tuple[str, int, float]]:
    counts = Counter(row["device_id"] for row in actions)
    sums = dict.fromkeys(counts, 0.0)
    for row in actions:
        sums[row["device_id"]] += row["confidence"]
    return [
        (device, count, sums[device] / count) for device, count in counts.most_common(MAX_SHOWN)
    ]


def _responses(requests: Rows, actions: Rows) -> list[tuple[float, float]]:
    """When each decision was asked for, and milliseconds until it came."""
    asked = {
        (row["device_id"], row["correlation_id"]): row["timestamp"]
        for row in requests
        if row["correlation_id"]
    }
    found = []
    for row in actions:
        begun = asked.get((row["device_id"], row["correlation_id"]))
        if begun is not None:
            found.append((begun, 1000.0 * (row["timestamp"] - begun)))
    return found


def _in_time_of_rooms(curve: list[tuple[float, float]], now: float) -> Chart | None:
    """The service's own curve, where simulated time has overtaken ours."""
    if len(curve) < 2 or curve[-1][0] <= now:
        return None
    return placed(curve[0][0], curve[-1][0], HOUR, {"error": curve})


def _by_hour(judged: Judged, since: float, until: float) -> Chart:
    sums: dict[float, list[float]] = {}
    for time, error in zip(judged.times, judged.errors, strict=True):
        sums.setdefault(time // HOUR * HOUR, []).append(error)
    means = [(time, float(np.mean(errors))) for time, errors in sorted(sums.items())]
    return placed(since, until, HOUR, {"error": means})


def _points(actions: Rows) -> list[tuple[float, float, float, float]]:
    every = max(1, math.ceil(len(actions) / POINTS))
    return [
        (row["temperature"], row["humidity"], row["sound_volume"], row["position"])
        for row in actions[::every]
    ]


def _used(models: list[ModelRow], predictions: Rows) -> list[ModelRow]:
    """Versions with how often they decided; those that only the tables know of, too."""
    confidences: dict[str, list[float]] = {}
    for row in predictions:
        if row["model_version"]:
            confidences.setdefault(row["model_version"], []).append(row["confidence"])
    unknown = [
        ModelRow(
            version=version,
            current=False,
            created=NAN,
            parent="",
            labels=0,
            error=NAN,
            parent_error=NAN,
        )
        for version in confidences.keys() - {model.version for model in models}
    ]
    return [
        msgspec.structs.replace(
            model,
            decisions=len(confidences.get(model.version, [])),
            mean_confidence=float(np.mean(confidences.get(model.version, [NAN]))),
        )
        for model in sorted([*models, *unknown], key=lambda each: _number(each.version))[
            -MAX_SHOWN:
        ]
    ]


def _number(version: str) -> int:
    digits = version.removeprefix("v")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else -1
