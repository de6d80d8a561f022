"""A whole climate system for tests, with a broker, a dashboard and rooms that are software."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import msgspec

import mqtt_brokers
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.simulate.homes import HomesOptions, SimulatedHomes
from edgeflow.comms.mqtt import MqttOptions
from edgeflow.systems.climate import ClimateOptions, ClimateSystem

__all__ = ["Living", "living", "two_versions"]

START_SECONDS, END_SECONDS = 60.0, 30.0
FAST = {"read_seconds": 2.0, "report_seconds": 60.0, "audio_seconds": 60.0}


class Living:
    """A system with rooms on a thread of its own.

    Attributes:
        system: what runs. broker: where. url: of the dashboard.
    """

    def __init__(self, options: ClimateOptions, broker: mqtt_brokers.Broker, rooms: int) -> None:
        self.options, self.broker, self._rooms = options, broker, rooms
        self._ready: Future[ClimateSystem] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="climate-system")
        self._thread.start()
        self.system = self._ready.result(START_SECONDS)
        self.url = self.system.dashboard_url.partition("/dashboard")[0]

    def close(self) -> None:
        """Stop all of it."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(END_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with ClimateSystem.running(self.options) as system:
            homes = None
            if self._rooms:
                rooms = HomesOptions(
                    devices=self._rooms,
                    broker=MqttOptions.from_url(self.broker.url),
                    speed=30.0,
                    seconds=3600.0,
                    people=False,
                    audio=0.2,
                    settings=FAST,
                )
                homes = asyncio.create_task(SimulatedHomes(rooms).run(self._stop))
            self._ready.set_result(system)
            await self._stop.wait()
            if homes is not None:
                await homes


@contextlib.contextmanager
def living(
    folder: Path, *, rooms: int = 0, learns: bool = False, store: str = ""
) -> Iterator[Living]:
    """Run a system until the block ends."""
    broker = mqtt_brokers.make("nats", folder / "broker")
    broker.start()
    options = ClimateOptions(
        broker=broker.url,
        store=store or f"sqlite:///{folder}/home.db",
        folder=folder / "climate",
        roles=frozenset({"backend", "ml"} if learns else {"backend"}),
        dashboard_port=0,
    )
    try:
        made = Living(options, broker, rooms)
        try:
            yield made
        finally:
            made.close()
    finally:
        broker.stop()


def two_versions(folder: Path) -> Versions:
    """Two small models in a folder; the second decides."""
    versions = Versions(folder)
    first = first_model(0.0, count=200)
    metadata = msgspec.structs.replace(first.metadata, version="v2", parent="v1", labels=30)
    for model in (first, Model(first.network, metadata)):
        versions.add(model)
    versions.use("v2")
    return versions
