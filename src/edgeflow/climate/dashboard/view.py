"""The dashboard's view of a climate system that runs in this process."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeflow.climate.backend import ClimateBackend
from edgeflow.climate.dashboard.asking import Pages, Questions
from edgeflow.climate.dashboard.devices import Latest, device_page, latest, shown_device
from edgeflow.climate.dashboard.health import health_page
from edgeflow.climate.dashboard.learning import learning_page
from edgeflow.climate.dashboard.models import Models
from edgeflow.climate.dashboard.overview import SHOWN_DEVICES, overview_page
from edgeflow.climate.health import ServiceState
from edgeflow.comms.mqtt import MqttClient
from edgeflow.core.climate import (
    ClimateDevice,
    ClimateSummary,
    DeviceEdit,
    DeviceList,
    DevicePage,
    HealthPage,
    LearningPage,
    OverviewPage,
    WindowOrder,
)
from edgeflow.devices.records import DeviceRecord, has_left
from edgeflow.devices.removals import erase
from edgeflow.errors import CommsError, ConfigError, ProtocolError
from edgeflow.protocols.climate import Override, encode
from edgeflow.protocols.climate_topics import check_device, override_topic
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.tables import TableStore

if TYPE_CHECKING:
    from edgeflow.climate.learning.service import LearningService

__all__ = ["ClimateDashboard", "Running"]

LOOK_SECONDS, LIST_SECONDS, PAGE_SECONDS = 0.4, 1.0, 2.0
SEND_SECONDS, FLUSH_SECONDS = 5.0, 2.0
RATE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs of a system.

    Attributes:
        client: tells devices what people want; of the event loop that ``ClimateDashboard`` is
            made on. service: decides, if it runs in this process. models: folder of its versions.
        states, problems: how the services are.
    """

    store: TableStore
    writer: SpooledWriter
    backend: ClimateBackend
    client: MqttClient
    service: "LearningService | None"
    models: Path
    states: Callable[[], Sequence[ServiceState]]
    problems: Callable[[], list[str]]


class ClimateDashboard:
    """A ``ClimateView``. It is made on the event loop of the system, and asked from other threads.

    Args:
        running: what is shown.
        now: seconds since the Unix epoch.
    """

    def __init__(self, running: Running, *, now: Callable[[], float] = time.time) -> None:
        self._running, self._now = running, now
        self._loop = asyncio.get_running_loop()
        self._questions = Questions(running.store)
        self._models = Models(running.models, running.service)
        self._latest, self._sums = Pages(LIST_SECONDS), Pages(LOOK_SECONDS)
        self._pages = {
            kind: Pages(PAGE_SECONDS) for kind in ("overview", "device", "learning", "health")
        }
        self._rate_lock = threading.Lock()
        self._accepted: deque[tuple[float, int]] = deque(maxlen=64)

    def summary(self) -> ClimateSummary:
        """Return the system in a few numbers, without asking the store."""
        return self._sums.get("", self._summed)

    def devices(
        self, *, group: str = "", tag: str = "", search: str = "", after: str = "", limit: int = 200
    ) -> DeviceList:
        """Return devices behind the id ``after``, whose id, name or location has ``search``."""
        known = self._running.backend.registry.devices()
        chosen = [each for each in known if _fits(each, group, tag, search.casefold())]
        newest = self._newest()
        shown = [each for each in chosen if each.device_id > after][:limit]
        return DeviceList(
            devices=[shown_device(record, newest, self._now()) for record in shown],
            total=len(chosen),
            online=sum(each.online for each in chosen),
            left=sum(has_left(each, self._now()) for each in chosen),
            groups=sorted({group for each in known for group in each.groups}),
            tags=sorted({tag for each in known for tag in each.tags}),
        )

    def overview(self, seconds: float, *, group: str = "") -> OverviewPage:
        """Return the last so many seconds of all devices, or of a group."""
        now = self._now()
        known = self._running.backend.registry.devices(group=group or None)
        records = [each for each in known if not has_left(each, now)]
        # Those that are there first, so that the charts have something to show.
        chosen = sorted(records, key=lambda each: (not each.online, each.device_id))
        names = sorted(each.device_id for each in chosen[:SHOWN_DEVICES])
        return self._pages["overview"].get(
            (seconds, tuple(names)),
            lambda: overview_page(self._questions, names, self._now(), seconds),
        )

    def device(self, device: str, seconds: float) -> DevicePage:
        """Return the last so many seconds of a device."""
        record = self._record(device)
        newest = self._newest()
        page = self._pages["device"].get(
            (device, seconds),
            lambda: device_page(self._questions, record, newest, self._now(), seconds),
        )
        # What people set is shown at once; only what the store says is a moment old.
        return msgspec.structs.replace(
            page,
            device=shown_device(record, newest, self._now()),
            configuration=msgspec.structs.asdict(record.configuration),
        )

    def learning(self, seconds: float) -> LearningPage:
        """Return the last so many seconds of the model."""
        return self._pages["learning"].get(
            seconds,
            lambda: learning_page(self._questions, self._models.told(), self._now(), seconds),
        )

    def health(self, seconds: float) -> HealthPage:
        """Return the last so many seconds of services, messages and errors."""
        return self._pages["health"].get(
            seconds,
            lambda: health_page(
                self._questions, self._running.states(), self._counters(), self._now(), seconds
            ),
        )

    def edit(self, device: str, edit: DeviceEdit) -> ClimateDevice:
        """Change what people set of a device."""
        self._record(device)
        config = {
            key: value
            for key in ("groups", "tags", "silence_seconds")
            if (value := getattr(edit, key)) is not None
        }
        record = self._running.backend.registry.set(
            device, self._now(), name=edit.name, location=edit.location, config=config
        )
        return shown_device(record, self._newest(), self._now())

    def configuration(self, device: str) -> dict[str, Any]:
        """Return what a device was told, what it answered, and how that stands."""
        return msgspec.structs.asdict(self._record(device).configuration)

    def configure(self, device: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Tell a device settings, beside those it was told before; one that is None is not told."""
        self._record(device)
        told = self._running.backend.registry.configure(device, settings, self._now())
        return msgspec.structs.asdict(told)

    def remove(self, device: str, *, forget_data: bool = False) -> int:
        """Take a device out of the registry; return how many rows of its data were deleted."""
        self._record(device)
        removed = self._running.backend.registry.remove(device, self._now())
        self._running.writer.flush(FLUSH_SECONDS)
        count = erase(self._running.store, device, removed, data=forget_data)
        for pages in (self._latest, self._sums, *self._pages.values()):
            pages.forget()
        return count

    def set_window(self, device: str, order: WindowOrder) -> None:
        """Tell a window, and those who learn, what a person wants."""
        self._record(device)
        try:
            check_device(device)
        except ProtocolError as error:
            raise ConfigError(f"{device} has no window", hint="devices over MQTT have") from error
        said = Override(position=order.position, person=order.person)
        self._wait(
            self._running.client.publish(
                override_topic(device), encode(said), qos=1, timeout=SEND_SECONDS
            )
        )

    def promote(self, version: str) -> None:
        """Let another version of the model decide from now on."""
        self._models.promote(version)
        self._pages["learning"].forget()

    def roll_back(self) -> str:
        """Let the version before decide again, and return its name."""
        name = self._models.roll_back()
        self._pages["learning"].forget()
        return name

    def _summed(self) -> ClimateSummary:
        backend, intake = self._running.backend, self._running.backend.intake.stats
        now = self._now()
        devices = [each for each in backend.registry.devices() if not has_left(each, now)]
        return ClimateSummary(
            devices=len(devices),
            online=sum(device.online for device in devices),
            rate=self._rate(intake.accepted),
            decisions=backend.stats.answers,
            overrides=backend.stats.overrides,
            refused=intake.refused,
            waiting_bytes=self._running.writer.pending_bytes,
            problems=self._running.problems(),
        )

    def _newest(self) -> Latest:
        return self._latest.get("", lambda: latest(self._questions, self._now()))

    def _record(self, device: str) -> DeviceRecord:
        try:
            return self._running.backend.registry.get(device)
        except ConfigError as error:
            raise ConfigError(error.message, hint=error.hint, code="EF-DEVICE-404") from error

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Have the event loop of the system do something, from another thread."""
        if self._loop.is_closed():
            work.close()
            raise CommsError("the system ends")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result(SEND_SECONDS + 1.0)
        except TimeoutError as error:
            future.cancel()
            raise CommsError("the system is too busy", hint="try again") from error

    def _rate(self, accepted: int) -> float:
        """Readings a second since the oldest of the last few looks."""
        now = time.monotonic()
        with self._rate_lock:
            looks = self._accepted
            while len(looks) > 1 and now - looks[1][0] > RATE_SECONDS:
                looks.popleft()
            looks.append((now, accepted))
            begun, before = looks[0]
        return (accepted - before) / (now - begun) if now - begun >= 1.0 else 0.0

    def _counters(self) -> dict[str, float]:
        backend, writer = self._running.backend, self._running.writer
        intake, stats, stored = backend.intake.stats, backend.stats, writer.stats
        return {
            "readings": intake.accepted,
            "repeated": intake.repeated,
            "refused": intake.refused,
            "clocks_off": intake.clocks_off,
            "requests": stats.requests,
            "answers": stats.answers,
            "errors": stats.errors,
            "spool_full": stats.spool_full,
            "decision_ms": 1000.0 * stats.latency,
            "stored": stored.stored,
            "store_refused": stored.refused,
            "store_failures": stored.failures,
            "store_ms": 1000.0 * stored.store_seconds,
            "spool_bytes": writer.pending_bytes,
        }


def _fits(record: DeviceRecord, group: str, tag: str, search: str) -> bool:
    if (group and group not in record.groups) or (tag and tag not in record.tags):
        return False
    words = (record.device_id, record.name, record.location)
    return not search or any(search in word.casefold() for word in words)
