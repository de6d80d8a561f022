"""The climate system: sensors over MQTT, a database, a model that decides and keeps learning.

::

    sensors ── MQTT ──> backend ── spool ──> store
       ^                  │ request               overrides
       └── window ── learning service <──────────── people
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeflow.climate.backend import ClimateBackend
from edgeflow.climate.desk import KnownDevices
from edgeflow.climate.health import ServiceState, keep_health, problems_of, states_of
from edgeflow.climate.simulate.pace import paced
from edgeflow.climate.triggers import ThresholdTrigger, Trigger
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.comms.probes import ProbeServer
from edgeflow.errors import ConfigError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.tables import TableStore

if TYPE_CHECKING:
    from edgeflow.climate.learning.service import LearningService

__all__ = ["ClimateOptions", "ClimateSystem"]

Role = Literal["backend", "ml"]
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ClimateOptions:
    """What a climate system is made of.

    Attributes:
        broker: URL; ``mqtt://embedded`` runs one. store: URL of the tables.
        folder: of the spool and the model's versions. roles: what runs in this process.
        trigger: ``threshold`` or ``zscore``. speed: of simulated rooms, for trigger and model.
        metrics_port: of ``/healthz``, ``/readyz`` and ``/metrics``; None for none.
        dashboard_port: of pages and REST; ``usual`` is 8000, or a free one; None for none.
    """

    broker: str = "mqtt://embedded?unconfirmed=8000"
    store: str = "sqlite:///climate.db"
    folder: Path = Path("climate")
    roles: frozenset[Role] = frozenset({"backend", "ml"})
    trigger: Literal["threshold", "zscore"] = "threshold"
    metrics_port: int | None = None
    dashboard_port: int | Literal["usual"] | None = None
    speed: float = 1.0


@dataclass(slots=True)
class ClimateSystem:
    """What runs of a climate system in this process."""

    options: ClimateOptions
    clients: list[MqttClient] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    store: TableStore | None = None
    writer: SpooledWriter | None = None
    backend: ClimateBackend | None = None
    service: "LearningService | None" = None
    metrics_port: int = 0
    dashboard_url: str = ""

    @classmethod
    @asynccontextmanager
    async def running(cls, options: ClimateOptions) -> AsyncIterator["ClimateSystem"]:
        """Run until the block ends; what was read is written before it does.

        Raises:
            ConfigError: the broker's address is wrong, no role was chosen, or a port is taken.
            StoreError: the store or the folder cannot be opened.
            MissingExtraError: torch is not installed, and the service is to run.
        """
        if not options.roles:
            raise ConfigError("no role was chosen", hint="backend, ml, or both")
        made = cls(options)
        async with AsyncExitStack() as undone:
            if "backend" in options.roles:
                await made._begin_backend(undone)
            if "ml" in options.roles:
                await made._begin_service(undone)
            made._begin_probes(undone)
            if options.dashboard_port is not None:
                await made._begin_dashboard(undone, options.dashboard_port)
            yield made

    def problems(self) -> list[str]:
        """What keeps the system from working; empty when nothing does."""
        return problems_of(self.clients, self.tasks, self.writer)

    def states(self) -> list[ServiceState]:
        """How each service in this process is."""
        return states_of(self.clients, self.tasks, self.writer)

    async def _begin_backend(self, undone: AsyncExitStack) -> None:
        options = self.options
        self.store = await asyncio.to_thread(open_tables, options.store)
        undone.callback(self.store.close)
        await asyncio.to_thread(self.store.create, list(TABLES.values()))
        self.writer = SpooledWriter(self.store, Spool(options.folder / "spool"))
        undone.push_async_callback(asyncio.to_thread, self.writer.close, STOP_SECONDS)
        client = await self._connect(
            undone, client_id="edgeflow-climate", clean_session=False, manual_ack=True, inbox=10_000
        )
        known = await asyncio.to_thread(KnownDevices.of, self.store)
        self.backend = ClimateBackend(client, self.writer, self._trigger(self.store), known=known)
        undone.push_async_callback(self.backend.finish)
        await self._spawn(undone, self.backend.run(), "backend")
        follow = self.backend.desk.follow(self.store, time.time(), time.time)
        await self._spawn(undone, follow, "device settings")
        tell = self.backend.desk.take_service
        health = keep_health(self.writer, self.states, time.time, tell=tell)
        await self._spawn(undone, health, "health")

    async def _begin_service(self, undone: AsyncExitStack) -> None:
        # Seconds of imports: the backend confirms readings meanwhile, or they come again.
        await asyncio.to_thread(import_module, "edgeflow.climate.learning.service")
        from edgeflow.climate.learning.deciding import WindowDecider
        from edgeflow.climate.learning.labels import LABELS, Labels
        from edgeflow.climate.learning.missed import OverrideRows
        from edgeflow.climate.learning.own_process import OwnProcess, begin
        from edgeflow.climate.learning.service import LearningService
        from edgeflow.climate.learning.versions import Versions

        versions = Versions(self.options.folder / "models")
        labels = await asyncio.to_thread(Labels, versions.folder / LABELS)
        client, clock = await self._connect(undone, inbox=10_000), paced(self.options.speed)
        decider = WindowDecider(await begin(versions), now=clock)
        kept = OverrideRows.of(self.options.store, self.store, self.options.speed)
        place = OwnProcess(versions, labels)
        self.service = LearningService(client, place, decider, kept=kept, now=clock)
        await self._spawn(undone, self.service.run(), "learning service")

    def _begin_probes(self, undone: AsyncExitStack) -> None:
        from edgeflow.climate.metrics import render

        if self.options.metrics_port is None:
            return
        probes = ProbeServer(
            self.options.metrics_port,
            health=lambda: [each for each in self.problems() if "ended" in each],
            readiness=self.problems,
            metrics=lambda: render(self.backend, self.service, self.writer),
        )
        probes.open()
        undone.callback(probes.close)
        self.metrics_port = probes.port

    async def _begin_dashboard(self, undone: AsyncExitStack, port: int | Literal["usual"]) -> None:
        from edgeflow.systems.climate_dashboard import open_dashboard, view_of

        view = view_of(self)
        if view is not None:
            web = await asyncio.to_thread(open_dashboard, view, port)
            undone.push_async_callback(asyncio.to_thread, web.close)
            self.dashboard_url = web.url

    async def _connect(self, undone: AsyncExitStack, **options: Any) -> MqttClient:
        client = MqttClient(MqttOptions.from_url(self.options.broker, **options))
        await client.start()
        undone.push_async_callback(client.stop)
        self.clients.append(client)
        return client

    async def _spawn(
        self, undone: AsyncExitStack, work: Coroutine[Any, Any, None], name: str
    ) -> None:
        task = asyncio.create_task(work, name=name)
        self.tasks.append(task)

        async def end() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        undone.push_async_callback(end)
        await asyncio.sleep(0)  # readiness asks for what the task subscribes to

    def _trigger(self, store: TableStore) -> Trigger:
        if self.options.trigger == "threshold":
            return ThresholdTrigger(interval=5.0 / self.options.speed)
        from edgeflow.climate.zscore import ZscoreTrigger

        return ZscoreTrigger(store)
