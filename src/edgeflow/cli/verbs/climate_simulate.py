"""``climate simulate``: rooms, nodes and people that are only software."""

import asyncio
import dataclasses
import signal
import time
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.announcing import AnnounceOption, announcing
from edgeflow.cli.terminal import JsonOption, narrate, write, write_json
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.climate.simulate.homes import HomesOptions, HomesSummary
    from edgeflow.devices.discovery import Announcement

__all__ = ["simulate"]

POLL_SECONDS = 0.1


def simulate(
    *,
    devices: Annotated[
        int, typer.Option(metavar="N", min=1, max=5000, help="Nodes, each in a room of its own.")
    ] = 3,
    broker: Annotated[
        str, typer.Option(metavar="URL", help="Where they connect; mqtt://embedded runs one.")
    ] = "mqtt://127.0.0.1:1883",
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.1, max=8 * 86400, help="How long it lasts.")
    ] = 60.0,
    speed: Annotated[
        float, typer.Option(metavar="X", min=0.1, max=100_000, help="How much faster than life.")
    ] = 1.0,
    prefix: Annotated[str, typer.Option(metavar="NAME", help="Of the nodes' names.")] = "room",
    no_people: Annotated[
        bool, typer.Option("--no-people", help="Nobody corrects the windows.")
    ] = False,
    audio: Annotated[
        float, typer.Option(metavar="S", min=0.01, max=10, help="Seconds of sound in a message.")
    ] = 2.0,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=N", help="Of the nodes, such as read_seconds=10; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Other homes, other weather.")] = 1,
    announce: AnnounceOption = "",
    json: JsonOption = False,
) -> int:
    """Let nodes with the firmware's own core send from rooms in which windows matter.

    Sensors and motors are simulated; broker, connections and what is sent are real. Exit status 1:
    some readings were not confirmed at the end.
    """
    from edgeflow.climate.simulate.homes import HomesOptions
    from edgeflow.comms.mqtt import MqttOptions
    from edgeflow.runtime.signals import stopping_on_signals

    options = HomesOptions(
        devices=devices,
        prefix=prefix,
        broker=MqttOptions.from_url(broker),
        speed=speed,
        seconds=seconds,
        people=not no_people,
        audio=audio,
        settings=dict(map(_setting, setting or [])),
        seed=seed,
    )
    narrate(f"{devices} nodes send to {options.broker.address}; Ctrl+C ends it")
    stop = Event()
    began = time.monotonic()
    with stopping_on_signals(stop) as caught, announcing(announce, _announced(options)):
        summary = asyncio.run(_run(options, stop))
    _tell(summary, time.monotonic() - began, json=json)
    if caught and caught[0] == signal.SIGINT:
        return 130
    return 0 if caught or summary.confirmed == summary.sent else 1


async def _run(options: "HomesOptions", stop: Event) -> "HomesSummary":
    from edgeflow.climate.simulate.homes import SimulatedHomes

    ended = asyncio.Event()
    watch = asyncio.create_task(_watch(stop, ended))
    try:
        return await SimulatedHomes(options).run(ended)
    finally:
        watch.cancel()


async def _watch(stop: Event, ended: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(POLL_SECONDS)
    ended.set()


def _announced(options: "HomesOptions") -> "Iterator[Announcement]":
    from edgeflow.devices.discovery import Announcement

    about = {"broker": options.broker.address, "model": "climate-node"}
    for number in range(options.devices):
        yield Announcement(options.name_of(number), "mqtt", 0, about)


def _tell(summary: "HomesSummary", seconds: float, *, json: bool) -> None:
    if json:
        write_json({**dataclasses.asdict(summary), "seconds": round(seconds, 3)})
        return
    write(
        f"{summary.sent} readings, {summary.confirmed} confirmed, {summary.sounds} stretches of "
        f"sound from {summary.devices} nodes; {summary.moves} moves, {summary.overrides} "
        f"overrides, {summary.failures} failures of sensors"
    )


def _setting(text: str) -> tuple[str, float]:
    key, _, value = text.partition("=")
    try:
        return key, float(value)
    except ValueError as error:
        raise ConfigError(
            f"--setting {text!r} is no KEY=NUMBER", hint="such as read_seconds=10"
        ) from error
