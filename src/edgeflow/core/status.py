"""What a running flow tells about itself: the shapes behind the dashboard, REST and the CLI."""

from typing import Any

import msgspec

__all__ = [
    "Activity",
    "ClockStatus",
    "DeviceModelStatus",
    "DeviceStatus",
    "FlowStatus",
    "LinkStatus",
    "LogLine",
    "ModelStatus",
    "NodeStatus",
    "PathLatency",
    "Segment",
    "TraceRecord",
]


class NodeStatus(msgspec.Struct, kw_only=True):
    """One node, its replicas added up.

    Attributes:
        state: ``starting``, ``running``, ``restarting``, ``failed``, ``finished``, ``stopped``
            or ``lost`` (no sign of life).
        replicas: instances wanted; ``alive``: instances that run.
        frames_in, frames_out, errors, restarts: totals since the start.
        rate_in, rate_out: frames per second over the last seconds.
        process_p50_ms, process_p99_ms: time inside user code, since the start.
    """

    name: str
    role: str
    state: str = "starting"
    replicas: int = 1
    alive: int = 0
    device: str | None = None
    host: str = ""
    pids: list[int] = []
    frames_in: int = 0
    frames_out: int = 0
    errors: int = 0
    restarts: int = 0
    late: int = 0
    unmatched: int = 0
    rate_in: float = 0.0
    rate_out: float = 0.0
    process_p50_ms: float = 0.0
    process_p99_ms: float = 0.0
    last_error: str | None = None
    last_error_time: float | None = None
    place: str = ""


class LinkStatus(msgspec.Struct, kw_only=True):
    """One link.

    Attributes:
        via: transport in use (``memory``, ``shm``, ``redis``, ``dual-redis``, ``zenoh``, ``tcp``).
        sent, received, dropped, redelivered, bytes: totals since the start.
        depth: frames waiting; ``capacity``: bound of the queue.
        rate: frames received per second over the last seconds.
        latency_p50_ms, latency_p99_ms: from leaving the source to entering the target.
    """

    source: str
    target: str
    topic: str
    qos: str
    via: str = ""
    codec: str = "raw"
    sent: int = 0
    received: int = 0
    dropped: int = 0
    redelivered: int = 0
    bytes: int = 0
    depth: int = 0
    capacity: int = 1
    rate: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0


class ClockStatus(msgspec.Struct, kw_only=True):
    """The monotonic clock of another host, minus that of the host that tells."""

    host: str
    offset_ms: float
    error_ms: float


class FlowStatus(msgspec.Struct, kw_only=True):
    """The whole flow at one moment."""

    app: str
    mode: str
    started: float
    time: float
    state: str = "running"
    nodes: list[NodeStatus] = []
    links: list[LinkStatus] = []
    clocks: list[ClockStatus] = []


class LogLine(msgspec.Struct, kw_only=True):
    """One structured log line of a node."""

    time: float
    level: str
    node: str
    event: str
    fields: dict[str, Any] = {}
    number: int = 0


class Segment(msgspec.Struct, kw_only=True):
    """One step of a path: the stay inside a node, or the way along a link.

    Attributes:
        kind: ``node`` or ``link``.
        name: the node's name, or ``a -> b``.
        start_ms: offset from the start of the path, of the median trace.
    """

    kind: str
    name: str
    start_ms: float
    p50_ms: float
    p99_ms: float


class PathLatency(msgspec.Struct, kw_only=True):
    """Latency of one path through the graph, from the frames that arrived lately.

    Attributes:
        path: names of the nodes, source first.
        bottleneck: name of the segment with the largest median.
    """

    path: list[str]
    frames: int
    p50_ms: float
    p99_ms: float
    bottleneck: str
    segments: list[Segment]


class TraceRecord(msgspec.Struct, kw_only=True):
    """The finished trace of one frame, as it reached an end of the graph.

    Attributes:
        hops: ``[node, host, entered_ns, left_ns]`` each, stamps of the hosts' monotonic clocks.
    """

    source: str
    id: int
    timestamp: float
    hops: list[tuple[str, str, int, int]]


class ModelStatus(msgspec.Struct, kw_only=True):
    """One model of an inference service.

    Attributes:
        state: ``ready``, ``loading``, ``unloaded``, ``failed``, or ``unreachable`` (remote).
        version: the one that answers; ``versions``: all there are, oldest first.
        device: where it runs; ``engine``: what runs it (``onnx``, ``torch``, ``remote``...).
        pinned: never unloaded, and part of readiness.
        instances: calls that may run at once; ``queue_depth`` of ``queue_capacity`` wait.
        requests, errors, rejected, late, cancelled: totals since the start.
        misfits: requests refused because their tensors do not fit the model; no errors of it.
        rate: answers per second over the last seconds.
        p50_ms, p99_ms: from request to answer; ``compute_p50_ms``: inside the engine.
        breaker: ``closed``, ``open`` or ``half-open`` where a circuit breaker guards it.
    """

    name: str
    state: str = "unloaded"
    version: str = ""
    versions: list[str] = []
    device: str = ""
    engine: str = ""
    pinned: bool = False
    instances: int = 1
    queue_depth: int = 0
    queue_capacity: int = 0
    requests: int = 0
    errors: int = 0
    misfits: int = 0
    rejected: int = 0
    late: int = 0
    cancelled: int = 0
    rate: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    compute_p50_ms: float = 0.0
    breaker: str = ""
    inputs: list[str] = []
    outputs: list[str] = []
    last_error: str | None = None


class Activity(msgspec.Struct, kw_only=True):
    """One thing that happened and that a person may want to know: an alert, an action, a trip.

    Attributes:
        number: grows by one with each, from 1.
        time: seconds since the Unix epoch.
        kind: ``alert`` (an agent fired), ``action`` (a dispatcher was called), ``throttle``,
            ``breaker``, ``dropped``, ``reload``, ``model``.
        level: ``info``, ``warning`` or ``error``.
        text: one line for people.
        pipeline, agent, dispatcher, target, sensor: whose it is, where it applies.
        ok: outcome of an action; None while there is none, or where it does not apply.
        latency_ms: from the sensor's own time to the end of the action.
        detail: JSON-like particulars (detections, value, threshold, error, attempts).
    """

    number: int = 0
    time: float = 0.0
    kind: str
    level: str = "info"
    text: str
    pipeline: str = ""
    agent: str = ""
    dispatcher: str = ""
    target: str = ""
    sensor: str = ""
    ok: bool | None = None
    latency_ms: float | None = None
    detail: dict[str, Any] = {}


class DeviceModelStatus(msgspec.Struct, kw_only=True):
    """One model on a device.

    Attributes:
        slot: ``A``, ``B``, ``file`` or ``none``; ``previous``: where a roll-back leads.
        state: ``empty``, ``trial`` or ``confirmed``.
        shape: ``[T, F, H, hidden]``.
    """

    id: int = 0
    name: str = ""
    version: int = 0
    kind: str = ""
    dtype: str = ""
    slot: str = "none"
    previous: str = "none"
    state: str = "empty"
    shape: list[int] = []
    bytes: int = 0
    sha256: str = ""


class DeviceStatus(msgspec.Struct, kw_only=True):
    """One device as the host sees it.

    Attributes:
        kind: ``board`` (runs models over a serial port); other kinds come with other systems.
        state: ``connecting``, ``ready``, ``no-model``, ``swapping`` or ``lost``.
        last_seen: seconds since the Unix epoch; 0 if never.
        wire_p50_ms, compute_p50_ms, p50_ms, p99_ms: of the latest answers.
        swap: the last step of the last swap: ``step``, ``done``, ``total``, ``text``, ``error``.
        last_input, last_forecast: the newest request (of a large one its newest steps) and its
            answer, for a plot; empty if none.
    """

    name: str
    kind: str = "board"
    state: str = "connecting"
    port: str = ""
    protocol: str = ""
    chip: str = ""
    firmware: str = ""
    unique_id: str = ""
    baud: int = 0
    last_seen: float = 0.0
    last_error: str = ""
    queue_depth: int = 0
    queue_capacity: int = 0
    requests: int = 0
    errors: int = 0
    rate: float = 0.0
    wire_p50_ms: float = 0.0
    compute_p50_ms: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    models: list[DeviceModelStatus] = []
    counters: dict[str, int] = {}
    swap: dict[str, Any] = {}
    last_input: list[list[float]] = []
    last_forecast: list[float] = []
