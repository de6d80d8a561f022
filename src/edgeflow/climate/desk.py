"""The devices of a climate system: their registry, what they are told, and alerts about them."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from edgeflow.comms.mqtt import MqttClient
from edgeflow.devices.alerts import event_row
from edgeflow.devices.configuration import decode_answer, encode_push
from edgeflow.devices.damping import AlertBook, Damping
from edgeflow.devices.registry import MAX_DEVICES, TABLES_OF_DEVICES, Change, DeviceRegistry
from edgeflow.errors import EdgeFlowError, StoreError
from edgeflow.protocols import climate_topics as topics
from edgeflow.protocols.climate import iso_time
from edgeflow.store.tables import Row, TableStore

__all__ = ["DeviceDesk", "KnownDevices"]

_log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 2.0
HEARD_TURNS = 5
"""All devices that spoke of late are read in each so many turns only."""
OVERLAP = 120.0
"""Seconds of settings that are read again: who wrote them has another clock, or took its time."""
FAILURES = {"window_stalled": "the window is stalled"}
"""Kinds of readings by which a device says that it fails, while they are not 0."""


class KnownDevices(NamedTuple):
    """What the tables hold of devices."""

    devices: Iterable[Row] = ()
    settings: Iterable[Row] = ()
    configurations: Iterable[Row] = ()

    @classmethod
    def of(cls, store: TableStore) -> "KnownDevices":
        """Read them.

        Raises:
            StoreError: the store cannot be reached.
        """
        return cls(*(store.latest(table) for table in TABLES_OF_DEVICES))


class DeviceDesk:
    """Devices beside a broker. ``registry`` may be asked and changed from any thread.

    Args:
        client: tells devices their configuration. known: from before.
        on_change: told of devices that came or went. damping: how many alerts are told.

    Attributes:
        registry: of all devices; its ``set`` and ``configure`` are what pages and commands call.
        alerts: what somebody should look at, counted.
    """

    def __init__(
        self,
        client: MqttClient,
        known: KnownDevices,
        on_change: Callable[[Change], None] | None = None,
        damping: Damping | None = None,
    ) -> None:
        self._client, self._on_change = client, on_change
        self._rows: deque[tuple[str, Row]] = deque(maxlen=2 * MAX_DEVICES)
        self.alerts = AlertBook(damping)
        self._services: dict[str, str] = {}
        self.registry = DeviceRegistry(self._keep, *known, owner="climate")

    def take_rows(self) -> list[tuple[str, Row]]:
        """What is to be stored since the last call: tables and rows."""
        taken = []
        while self._rows:
            taken.append(self._rows.popleft())
        return taken

    def take_reading(self, device: str, kind: str, value: float, now: float) -> None:
        """A device has told a reading."""
        said = FAILURES.get(kind)
        failure = None if said is None else said if value else ""
        self.tell(self.registry.seen(device, now, sensor=kind, failure=failure))

    def take_status(self, device: str, payload: bytes, kept: bool, now: float) -> None:
        """A device, or its last will, said how it is."""
        said = payload[:16].decode("ascii", "replace").strip().lower()
        if not said:  # it is how what a broker keeps is cleared
            return
        self.tell(self.registry.said(device, said, now, kept=kept))

    def take_answer(self, device: str, payload: bytes, now: float) -> None:
        """A device answered to a configuration.

        Raises:
            ProtocolError: it is no answer.
        """
        self.tell(self.registry.answered(device, decode_answer(payload), now))

    def take_service(self, service: str, problem: str, now: float) -> None:
        """A part of the system works, or does not: ``problem`` is empty when it does."""
        before = self._services.get(service, "")
        self._services[service] = problem
        if bool(problem) != bool(before):
            what = "failed" if problem else "recovered"
            self.tell([Change(service, what, problem or "it works again", now)])

    def push(self) -> None:
        """Tell devices what they were not told yet; the broker keeps it until they come.

        Of those that were removed it is to keep nothing.
        """
        self._clear()
        for each in self.registry.take_unsent():
            try:
                self._client.post(
                    topics.config_topic(each.device_id),
                    encode_push(each.version, each.desired),
                    qos=1,
                    retain=True,
                )
                _log.info("configuration_sent", device=each.device_id, version=each.version)
            except EdgeFlowError as error:
                self.registry.send_again(each.device_id)
                _log.warning("configuration_not_sent", device=each.device_id, error=str(error))
                return

    def _clear(self) -> None:
        taken = self.registry.removals.take_uncleared()
        while taken:
            device = taken.pop()
            self.alerts.forget(device)
            kept = (topics.config_topic(device), topics.status_topic(device))
            if topics.DEVICE.fullmatch(device) is None:
                continue
            try:
                for topic in kept:
                    self._client.post(topic, b"", qos=1, retain=True)
            except EdgeFlowError as error:
                for each in (device, *taken):
                    self.registry.removals.clear(each)
                _log.warning("device_not_cleared", device=device, error=str(error))
                return

    async def follow(self, store: TableStore, since: float, now: Callable[[], float]) -> None:
        """Take over what other programs set in the tables, and hear, until cancelled."""
        for turn in itertools.count():
            await asyncio.sleep(FOLLOW_SECONDS)
            looked, found = now(), {"device_registry": list[dict[str, Any]]()}
            heard = ("device_registry",) if turn % HEARD_TURNS == 0 else ()
            try:
                for table in ("device_settings", *heard):
                    found[table] = await asyncio.to_thread(
                        store.rows, table, since=since - OVERLAP, limit=MAX_DEVICES
                    )
            except StoreError as error:
                _log.warning("settings_not_read", error=str(error))
                continue
            since = looked
            self.registry.refresh(found["device_registry"])
            for device in self.registry.adopt(found["device_settings"]):
                _log.info("settings_taken", device=device)

    def tell(self, changes: Sequence[Change]) -> None:
        """Note what became of devices; what somebody should look at is an alert, too."""
        for change in changes:
            _log.info("device_changed", device=change.device_id, what=change.what, why=change.why)
            self._keep("events", [event_row(change, "registry")])
            self._send(self.alerts.take(change), change.time)
            if self._on_change is not None:
                self._on_change(change)

    def check(self, now: float) -> None:
        """Look who has been silent for too long, and which alerts are over."""
        self.tell(self.registry.check(now))
        self._send(self.alerts.due(now), now)

    def _send(self, alerts: Sequence[Row], now: float) -> None:
        for alert in alerts:
            self._keep("device_alerts", [alert])
            message = {**alert, "timestamp": iso_time(now)}
            try:
                topic = topics.alert_topic(alert["device_id"])
                self._client.post(topic, msgspec.json.encode(message), qos=1)
            except EdgeFlowError as error:
                _log.warning("alert_not_sent", device=alert["device_id"], error=str(error))

    def _keep(self, table: str, rows: Sequence[Row]) -> None:
        self._rows.extend((table, row) for row in rows)
