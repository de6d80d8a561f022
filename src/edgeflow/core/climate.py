"""What the dashboard shows of a climate system. A number that is not known is NaN (JSON: null)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "Chart",
    "ClimateDevice",
    "ClimateSummary",
    "DecisionRow",
    "DeviceEdit",
    "DeviceList",
    "DevicePage",
    "HealthPage",
    "LearningPage",
    "Line",
    "ModelRow",
    "Override",
    "OverviewPage",
    "QueryTime",
    "Reading",
    "Reliability",
    "ServiceRow",
    "Trouble",
    "WindowOrder",
    "WindowState",
]

NAN = float("nan")
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Words = Annotated[list[Word], Meta(max_length=32)]


class ClimateSummary(msgspec.Struct, kw_only=True, frozen=True):
    """The system in a few numbers, none of which is asked of the store.

    Attributes:
        devices, online: known but for those that left, and there.
        rate: readings a second, over the last seconds.
        decisions, overrides, refused: counts since the start.
        waiting_bytes: in the spool, for the store. problems: what keeps it from working.
    """

    devices: int
    online: int
    rate: float
    decisions: int
    overrides: int
    refused: int
    waiting_bytes: int
    problems: list[str]


class Reading(msgspec.Struct, kw_only=True, frozen=True):
    """The newest value of a sensor; degrees Celsius, per cent or dBFS."""

    value: float
    time: float


class WindowState(msgspec.Struct, kw_only=True, frozen=True):
    """Where a window was last told to be, in per cent open, and by whom.

    Attributes:
        by: ``model`` or ``person``. confidence: 0 to 1, of a model.
        note: the safety rule that limited a model, or the person's name.
    """

    position: float
    time: float
    by: Literal["model", "person"]
    confidence: float = NAN
    note: str = ""


class ClimateDevice(msgspec.Struct, kw_only=True, frozen=True):
    """A device as it is now; ``config`` are its own further settings.

    Attributes:
        left: it was only tried, long ago.
        silent: sensors that stopped. failure: what is wrong though it speaks.
        silence_seconds: without a word until it counts as offline.
        configuration: ``none``, ``pending``, ``applied`` or ``refused``.
        readings: by feature (``temperature``, ``humidity``, ``sound_volume``).
    """

    device_id: str
    name: str
    location: str
    kind: str
    online: bool
    left: bool = False
    registered_at: float
    last_seen: float
    groups: list[str]
    tags: list[str]
    silence_seconds: float
    silent: list[str]
    failure: str
    configuration: str
    sensors: dict[str, float]
    readings: dict[str, Reading] = {}
    window: WindowState | None = None


class DeviceList(msgspec.Struct, kw_only=True, frozen=True):
    """Some devices, by id; ``total`` fit what was asked for. ``groups``, ``tags``: of all.

    Of all that fit, ``online`` are there, and ``left`` were only tried, long ago.
    """

    devices: list[ClimateDevice]
    total: int
    online: int
    left: int = 0
    groups: list[str]
    tags: list[str]


class Line(msgspec.Struct, kw_only=True, frozen=True):
    """Values of a chart, one a step."""

    label: str
    values: list[float]


class Chart(msgspec.Struct, kw_only=True, frozen=True):
    """Lines over the same times: ``since``, ``since + step`` and so on."""

    since: float
    step: float
    lines: list[Line]


class DecisionRow(msgspec.Struct, kw_only=True, frozen=True):
    """A decision, what it was made from, and what a person made of it.

    Attributes:
        reason: why it was asked for; ``z_scores`` where that was counted.
        wanted: the position that a person set before the next decision.
    """

    device_id: str
    time: float
    position: float
    confidence: float
    temperature: float
    humidity: float
    sound_volume: float
    rule: str
    model_version: str = ""
    inference_time_ms: float = NAN
    reason: str = ""
    z_scores: tuple[float, float, float] = (NAN, NAN, NAN)
    wanted: float = NAN


class OverviewPage(msgspec.Struct, kw_only=True, frozen=True):
    """All devices over a stretch of time; charts of features show the first few devices.

    Attributes:
        features: by feature. throughput: messages a minute, by kind.
        decisions: the newest. decided, overridden: how many in that time.
    """

    time: float
    seconds: float
    features: dict[str, Chart]
    throughput: Chart
    decisions: list[DecisionRow]
    decided: int
    overridden: int


class Override(msgspec.Struct, kw_only=True, frozen=True):
    """A position that a person set."""

    time: float
    position: float
    person: str


class Trouble(msgspec.Struct, kw_only=True, frozen=True):
    """Something that happened to a device, a message or a service."""

    time: float
    device_id: str
    kind: str
    source: str
    detail: str


class DevicePage(msgspec.Struct, kw_only=True, frozen=True):
    """One device over a stretch of time.

    Attributes:
        sensors: a chart by kind of sensor (mean, least and most). window: decided positions.
        confidence: of decisions. overrides: the newest. openness: decisions by how open.
    """

    time: float
    seconds: float
    device: ClimateDevice
    configuration: dict[str, Any]
    sensors: dict[str, Chart]
    window: Chart
    confidence: Chart
    overrides: list[Override]
    decisions: list[DecisionRow]
    openness: dict[str, int]
    events: list[Trouble]


class Reliability(msgspec.Struct, kw_only=True, frozen=True):
    """Promise and truth by steps of confidence; ``error`` is their mean distance (0 to 1)."""

    promised: list[float]
    kept: list[float]
    counts: list[int]
    error: float


class ModelRow(msgspec.Struct, kw_only=True, frozen=True):
    """A version of the model; errors in points, on overrides that it did not learn from."""

    version: str
    current: bool
    created: float
    parent: str
    labels: int
    error: float
    parent_error: float
    decisions: int = 0
    mean_confidence: float = NAN


class LearningPage(msgspec.Struct, kw_only=True, frozen=True):
    """The model over a stretch of time.

    Attributes:
        decided, overridden, devices: how many. sampled: the newest decisions, which the rest is of.
        confidence: mean and least. error: mean points between a position set by hand and the
            decision before it; ``within``: the share of those within ten points.
        kept: the share of decisions that nobody changed.
        by_device: decisions, mean confidence. histogram: decisions by confidence, equal steps.
        latency, response: milliseconds (p50, p95, most) of the model; from request to decision.
        errors: points over time. correlations: of features with the position, -1 to 1.
        points: features beside positions. reasons: why decisions were asked for.
        models: versions that can be promoted where ``can_change``. counters: of the service.
        drift: population stability index by feature; above ``shifted`` it has.
    """

    time: float
    seconds: float
    decided: int
    overridden: int
    devices: int
    sampled: int
    confidence: tuple[float, float]
    error: float
    within: float
    kept: float
    by_device: list[tuple[str, int, float]]
    histogram: list[int]
    rate: Chart
    latency: Chart
    response: Chart
    errors: Chart
    reliability: Reliability
    correlations: dict[str, float]
    points: list[tuple[float, float, float, float]]
    reasons: dict[str, int]
    models: list[ModelRow]
    can_change: bool
    counters: dict[str, float]
    drift: dict[str, float]
    shifted: float


class ServiceRow(msgspec.Struct, kw_only=True, frozen=True):
    """A service: ``ok``, ``failed`` or ``silent``; ``value`` in milliseconds, of its last work."""

    service: str
    state: str
    detail: str
    time: float
    value: float


class QueryTime(msgspec.Struct, kw_only=True, frozen=True):
    """How long a question of this dashboard to the store takes; ``errors`` had no answer."""

    question: str
    count: int
    last_ms: float
    p50_ms: float
    p95_ms: float
    errors: int


class HealthPage(msgspec.Struct, kw_only=True, frozen=True):
    """Whether all is well. What the store would say is missing while it is away.

    Attributes:
        store_error: why it is; empty if it is not. services: newest state of each.
        rates: messages a second. ingest: rows an hour. rows: rows in that time, by table.
        batches: milliseconds to store a batch (mean, most). queries: this dashboard's own.
        errors: a minute. troubles: the newest. counters: of intake, writer and backend.
    """

    time: float
    seconds: float
    store_error: str
    services: list[ServiceRow]
    rates: Chart
    ingest: Chart
    rows: dict[str, int]
    batches: Chart
    queries: list[QueryTime]
    errors: Chart
    troubles: list[Trouble]
    counters: dict[str, float]


class DeviceEdit(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What people set of a device; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    location: Annotated[str, Meta(max_length=80)] | None = None
    groups: Words | None = None
    tags: Words | None = None
    silence_seconds: Annotated[float, Meta(ge=1, le=2_592_000)] | None = None


class WindowOrder(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where a person wants a window, in per cent open. The model learns from it."""

    position: Annotated[float, Meta(ge=0, le=100)]
    person: Annotated[str, Meta(max_length=64)] = ""
