"""The middle of the climate system: readings to rows, changes to requests, decisions to history.

Nothing is confirmed to the broker before it is on disk, so nothing that was acknowledged is lost.
"""

import asyncio
import contextlib
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from edgeflow.climate.desk import DeviceDesk, KnownDevices
from edgeflow.climate.intake import Intake, Taken
from edgeflow.climate.triggers import MAX_DEVICES, Decision, Trigger, feature_of
from edgeflow.climate.unanswered import Unanswered
from edgeflow.comms.mqtt import Incoming, MqttClient
from edgeflow.devices.registry import Change, DeviceRegistry
from edgeflow.errors import CommsError, ConfigError, EdgeFlowError, ProtocolError, StoreError
from edgeflow.protocols import climate
from edgeflow.protocols import climate_topics as topics
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.tables import Row

__all__ = ["SUBSCRIPTIONS", "BackendStats", "ClimateBackend"]

_log = structlog.get_logger(__name__)

SUBSCRIPTIONS = (
    topics.sensor_topic("+", "+"),
    topics.control_topic("+"),
    topics.override_topic("+"),
    topics.status_topic("+"),
    topics.config_ack_topic("+"),
)
BATCH, BATCH_BYTES = 2000, 16 << 20
"""Messages that are read before they are brought to disk, at most."""
GATHER_SECONDS = 0.005
"""How long the first message of a batch waits for others: brokers send few that are unconfirmed."""
IDLE_SECONDS = 0.05
RECORD_ROWS = 10_000
LOOK_SECONDS = 1.0
FULL_PAUSE = 0.5
FINISH_SECONDS = 1.0


@dataclass(slots=True)
class BackendStats:
    """Counts since the start; latency in seconds of the last answer."""

    requests: int = 0
    answers: int = 0
    overrides: int = 0
    batches: int = 0
    errors: int = 0
    spool_full: int = 0
    latency: float = 0.0


@dataclass(slots=True)
class _Batch:
    rows: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    messages: list[Incoming] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        """True when no more should be held in memory."""
        return len(self.messages) >= BATCH or self.size >= BATCH_BYTES


class ClimateBackend:
    """Reads sensors from a broker, stores them, and asks for decisions.

    Args:
        client: of the broker, with ``manual_ack``. writer: where rows go. trigger: when to ask.
        devices: rows of the registry from before. known: all that the tables hold of devices,
            instead. intake: what is read.
        on_change: told of devices that came or went.
        now: seconds since the Unix epoch.
    """

    def __init__(
        self,
        client: MqttClient,
        writer: SpooledWriter,
        trigger: Trigger,
        *,
        devices: Iterable[Row] = (),
        known: KnownDevices | None = None,
        intake: Intake | None = None,
        on_change: Callable[[Change], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._writer = client, writer
        self._trigger, self._now = trigger, now
        self._keeping = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None
        self.desk = DeviceDesk(client, known or KnownDevices(devices), on_change)
        self.intake = intake or Intake()
        self.stats = BackendStats()
        self._batch = _Batch()
        self._came = asyncio.Event()
        self._unanswered = Unanswered()
        self._last: dict[str, climate.Features] = {}

    @property
    def registry(self) -> DeviceRegistry:
        """All devices; it may be asked and changed from any thread."""
        return self.desk.registry

    @property
    def redelivered(self) -> int:
        """Messages that the broker says it may have delivered before."""
        return self._client.counters.duplicates

    async def run(self) -> None:
        """Work until cancelled; what was read and not yet written comes again from the broker."""
        self._client.want(SUBSCRIPTIONS, qos=1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._flush())
            tasks.create_task(self._look())

    async def finish(self) -> None:
        """Write what was read, for the end; what cannot be written now the broker brings again."""
        self.registry.flush(self._now())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                await self._keep()
        if self._work is not None and not self._work.done():
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _read(self) -> None:
        while True:
            messages = await self._client.batch(BATCH)
            now = self._now()
            for message in messages:
                self._take(message, now)
            self._batch.messages += messages
            self._batch.size += sum(len(message.payload) for message in messages)
            self._came.set()
            if self._batch.is_full:
                await self._keep()

    async def _flush(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._came.wait()
                await asyncio.sleep(GATHER_SECONDS)
            self._came.clear()
            self.desk.push()
            await self._keep()

    async def _look(self) -> None:
        """What time alone makes due."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._now()
            self.desk.check(now)
            if self._client.is_connected:
                for request in self._unanswered.due(now):
                    _log.debug("decision_asked_again", device=request.device_id)
                    self._send(request)
            try:
                for decision in await asyncio.to_thread(self._trigger.due, now):
                    self._ask(decision)
            except StoreError as error:
                self.stats.errors += 1
                _log.warning("trigger_failed", error=str(error))

    def _take(self, message: Incoming, now: float) -> None:
        """Read one message into the batch; what is wrong with it goes to the dead letters."""
        try:
            parsed = topics.parse_topic(message.topic)
        except ProtocolError:
            parsed = topics.Topic("sensor", "")
        if parsed.role == "sensor":
            self._take_reading(self.intake.take(message.topic, message.payload, now), now)
            return
        try:
            self._take_other(parsed, message, now)
        except (CommsError, ConfigError) as error:
            self.stats.errors += 1
            self._batch.rows["dead_letters"].append(
                {
                    "device_id": parsed.device,
                    "timestamp": now,
                    "topic": message.topic,
                    "reason": str(error),
                    "payload": message.payload[:200].decode("utf-8", "backslashreplace"),
                }
            )

    def _take_reading(self, taken: Taken | None, now: float) -> None:
        if taken is None:
            return
        self._batch.rows[taken.table].append(taken.row)
        if not taken.accepted:
            return
        self.desk.take_reading(taken.device, taken.kind, taken.value, now)
        feature = feature_of(taken.kind)
        if feature is not None and not taken.late:
            decision = self._trigger.take(taken.device, feature, taken.value, now)
            if decision is not None:
                self._ask(decision, taken)

    def _take_other(self, topic: topics.Topic, message: Incoming, now: float) -> None:
        if topic.role == "control":
            self._take_control(topic.device, message, now)
        elif topic.role == "override":
            self._take_override(topic.device, climate.decode_override(message.payload), now)
        elif topic.role == "status":
            self.desk.take_status(topic.device, message.payload, message.retain, now)
        elif topic.role == "config_ack":
            self.desk.take_answer(topic.device, message.payload, now)

    def _take_control(self, device: str, message: Incoming, now: float) -> None:
        control = climate.decode_control(message.payload)
        took = self._unanswered.answered(device, control.correlation_id, now)
        if took is not None:
            self.stats.latency = took
        self.stats.answers += 1
        _log.debug(
            "decision_kept",
            device=device,
            correlation_id=control.correlation_id,
            position=control.position,
        )
        used = control.features_used
        self._batch.rows["window_actions"].append(
            {
                "device_id": device,
                "timestamp": now,
                "position": control.position,
                "confidence": control.confidence,
                "temperature": used.temperature,
                "humidity": used.humidity,
                "sound_volume": used.sound_volume,
                "correlation_id": control.correlation_id,
                "rule": control.rule,
            }
        )
        self._batch.rows["ml_predictions"].append(
            {
                "device_id": device,
                "timestamp": now,
                "prediction": control.position,
                "confidence": control.confidence,
                "inference_time_ms": control.inference_time_ms,
                "model_version": control.model_version,
                "correlation_id": control.correlation_id,
            }
        )

    def _take_override(self, device: str, override: climate.Override, now: float) -> None:
        self.stats.overrides += 1
        row: dict[str, Any] = {
            "device_id": device,
            "timestamp": now,
            "position": override.position,
            "person": override.person,
        }
        known = self._last.get(device)
        if known is not None:
            row |= {
                "temperature": known.temperature,
                "humidity": known.humidity,
                "sound_volume": known.sound_volume,
            }
        self._batch.rows["window_overrides"].append(row)

    def _ask(self, decision: Decision, cause: Taken | None = None) -> None:
        """Publish a request, and note it; ``cause`` is the reading that it follows from."""
        correlation = secrets.token_hex(8)
        _log.debug("decision_asked", **_told(decision, correlation, cause))
        own = decision.features
        request = climate.InferenceRequest(
            device_id=decision.device,
            timestamp=climate.iso_time(decision.time),
            temperature=own.temperature,
            humidity=own.humidity,
            sound_volume=own.sound_volume,
            correlation_id=correlation,
            trigger=decision.reason,
            degraded=list(decision.degraded),
        )
        z_scores = decision.z_scores
        self._batch.rows["inference_history"].append(
            {
                "device_id": decision.device,
                "timestamp": decision.time,
                "trigger_reason": decision.reason,
                "temp_z_score": z_scores[0],
                "humidity_z_score": z_scores[1],
                "volume_z_score": z_scores[2],
                "correlation_id": correlation,
            }
        )
        self._last.pop(decision.device, None)
        if len(self._last) >= MAX_DEVICES:
            del self._last[next(iter(self._last))]
        self._last[decision.device] = own
        self._unanswered.asked(request, decision.time)
        self._send(request)

    def _send(self, request: climate.InferenceRequest) -> None:
        device = request.device_id
        try:
            self._client.post(topics.request_topic(device), climate.encode(request), qos=1)
            self.stats.requests += 1
        except EdgeFlowError as error:
            self.stats.errors += 1
            _log.warning("request_not_sent", device=device, error=str(error))

    async def _keep(self) -> None:
        """Bring the batch to disk, then tell the broker so. A full spool holds the reader up.

        What was begun goes on when the caller is cancelled, and the next call waits for it: else
        rows would be on disk that the broker brings again.
        """
        async with self._keeping:
            if self._work is not None:
                await asyncio.shield(self._work)
            batch, self._batch = self._batch, _Batch()
            self._work = asyncio.create_task(self._keep_batch(batch), name="keep readings")
            await asyncio.shield(self._work)

    async def _keep_batch(self, batch: _Batch) -> None:
        for table, row in self.desk.take_rows():
            batch.rows[table].append(row)
        left = {table: rows for table, rows in batch.rows.items() if rows}
        while left:
            try:
                await asyncio.to_thread(self._append, left)
            except StoreError as error:
                self.stats.spool_full += 1
                _log.warning("readings_wait", error=str(error))
                await asyncio.sleep(FULL_PAUSE)
        self._client.acknowledge(*batch.messages)
        self.stats.batches += bool(batch.messages)

    def _append(self, left: dict[str, list[Row]]) -> None:
        """Bring rows to disk; what is there is no longer left."""
        while sum(map(len, left.values())) > RECORD_ROWS:
            table = max(left, key=lambda name: len(left[name]))
            self._writer.append(table, left[table][:RECORD_ROWS])
            del left[table][:RECORD_ROWS]
        self._writer.append_all({table: rows for table, rows in left.items() if rows})
        left.clear()


def _told(decision: Decision, correlation: str, cause: Taken | None) -> dict[str, Any]:
    """A request in a log, and which reading it follows from."""
    told: dict[str, Any] = {
        "device": decision.device,
        "correlation_id": correlation,
        "trigger": decision.reason,
    }
    if cause is not None:
        told |= {"sensor": cause.kind, "value": cause.value}
        told |= {key: cause.row[key] for key in ("boot", "sequence")}
    return told
