"""Windows on show: ten simulated rooms live through a day in two minutes, and a model learns.

::

    ten virtual nodes ── MQTT ──> climate system ── pages
      ^  simulated rooms            │ positions
      └── windows <── one person <──┘ (says what is wrong)
"""

import asyncio
import signal
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal

from edgeflow.climate.learning.versions import Versions
from edgeflow.climate.simulate.homes import HomesOptions, SimulatedHomes
from edgeflow.climate.simulate.judging import Hour, Judge
from edgeflow.climate.simulate.people import Person
from edgeflow.comms.listening import free_port, shown_host
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.config import settings
from edgeflow.systems.climate import ClimateOptions, ClimateSystem

__all__ = ["DayOptions", "WindowDemo", "line_of", "live_a_day"]

AUDIO_SECONDS = 600.0
CONNECT_SECONDS = 30.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOptions:
    """What is lived through.

    Attributes:
        rooms: how many. seconds: of ours. speed: seconds of the rooms in one of ours.
        seed: of weather, rooms, sensors and the person. port: of the pages; None for none.
        broker: URL; the usual one runs here, on a free port.
    """

    rooms: int = 10
    seconds: float = 120.0
    speed: float = 720.0
    seed: int = 1
    port: int | Literal["usual"] | None = None
    broker: str = ""


async def live_a_day(
    options: DayOptions,
    folder: Path,
    stop: asyncio.Event | None = None,
    on_hour: Callable[[Hour], None] | None = None,
) -> list[Hour]:
    """Run a climate system beside simulated rooms, in this process; return its hours.

    Args:
        options: what is lived through.
        folder: of store, spool and models. A model that is there learns on.
        stop: ends it early.
        on_hour: told of each hour of the rooms when it is over.

    Raises:
        UnreachableError: the broker cannot be reached.
    """
    ended = stop or asyncio.Event()
    broker = options.broker or f"mqtt://embedded?port={free_port('127.0.0.1', 0)}"
    system = ClimateOptions(
        broker=broker,
        store=f"sqlite:///{folder}/climate.db",
        folder=folder,
        dashboard_port=options.port,
        speed=options.speed,
    )
    async with AsyncExitStack() as undone:
        await undone.enter_async_context(ClimateSystem.running(system))
        beginning = await asyncio.to_thread(Versions(folder / "models").load)
        person, place = Person(), MqttOptions.from_url(broker)
        client = await undone.enter_async_context(MqttClient(place, name="judge"))
        await client.wait_connected(CONNECT_SECONDS)
        judge = Judge(client, person, beginning, speed=options.speed)
        homes = SimulatedHomes(_homes(options, place, person))
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(judge.run()), tasks.create_task(_tell(judge, on_hour))]
            await homes.run(ended)
            for task in watching:
                task.cancel()
        return judge.hours()


def _homes(options: DayOptions, broker: MqttOptions, person: Person) -> HomesOptions:
    return HomesOptions(
        devices=options.rooms,
        broker=broker,
        speed=options.speed,
        seconds=options.seconds,
        person=person,
        audio=0.1,
        settings={"audio_seconds": AUDIO_SECONDS},
        seed=options.seed,
    )


async def _tell(judge: Judge, on_hour: Callable[[Hour], None] | None) -> None:
    told = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        over = judge.hours()[:-1]
        for hour in over[told:]:
            if on_hour is not None:
                on_hour(hour)
        told = len(over)


class WindowDemo:
    """The demo with its port chosen; nothing runs yet.

    Args:
        port: of the pages; ``settings.GATEWAY_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.

    Attributes:
        http_port: where the pages will be.
    """

    def __init__(self, port: int | None = None) -> None:
        self.wanted_port = settings.GATEWAY_HTTP_PORT if port is None else port
        self.http_port = free_port(settings.BIND_HOST, self.wanted_port)

    def run(self, say: Callable[[str], None]) -> int:
        """Live day after day until Ctrl+C, and ``say`` a line an hour; return the exit code."""
        from edgeflow.observe.logs import configure_logging
        from edgeflow.runtime.signals import stopping_on_signals

        configure_logging()
        stop = Event()
        with (
            stopping_on_signals(stop) as caught,
            tempfile.TemporaryDirectory(prefix="edgeflow-windows-") as folder,
        ):
            asyncio.run(self._live(Path(folder), stop, say))
        return 130 if caught and caught[0] == signal.SIGINT else 0

    async def _live(self, folder: Path, stop: Event, say: Callable[[str], None]) -> None:
        ended = asyncio.Event()

        async def watch() -> None:
            while not stop.is_set():
                await asyncio.sleep(LOOK_SECONDS)
            ended.set()

        watching = asyncio.create_task(watch())
        options = DayOptions(seconds=7 * 86_400.0, port=self.http_port)
        try:
            await live_a_day(options, folder, ended, lambda hour: say(line_of(hour)))
        finally:
            watching.cancel()

    def welcome(self) -> list[str]:
        """Return what to tell the user once it runs."""
        root = f"http://{shown_host(settings.BIND_HOST)}:{self.http_port}"
        lines = [
            "Ten simulated rooms live a day in two minutes; somebody corrects their windows, and",
            "the model learns from it. Below: how far decisions are from what is wanted.",
            "",
            f"  Open    {root}/dashboard#/climate",
            "  Stop    Ctrl+C",
            "  Next    edgeflow climate serve                for real nodes",
            "          edgeflow train climate                learn before they come",
        ]
        if self.wanted_port not in (0, self.http_port):
            lines.insert(
                2, f"Port {self.wanted_port} is in use; the dashboard is on {self.http_port}."
            )
        return lines


def line_of(hour: Hour) -> str:
    """An hour as a line of text."""
    bar = "#" * round(hour.error)
    return (
        f"hour {hour.hour:3}  {hour.error:5.1f} points off, unlearnt {hour.unlearnt_error:5.1f}"
        f"  {hour.overrides:3} overrides  {hour.version:4} {bar}"
    )
