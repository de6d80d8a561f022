"""``demo``: a live example in the browser."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edgeflow.cli.terminal import narrate, new_group, progress, write

group = new_group()

DEMOS = ("room", "gateway", "frames", "boards", "csi", "climate")
START_SECONDS = 20.0
"""How long the dashboard may take to answer before the welcome is printed anyway."""


@group.command(epilog="Example: edgeflow demo frames --camera 0")
def demo(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=f"Which one: {', '.join(DEMOS)}.")
    ] = "room",
    *,
    camera: Annotated[
        str | None, typer.Option(metavar="N", help="Camera to show: its number or URL.")
    ] = None,
    clip: Annotated[Path | None, typer.Option(metavar="FILE", help="Video file to show.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Port of the dashboard.")
    ] = None,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Outline faces instead of hiding them (frames).")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.1, help="End after N seconds.")
    ] = None,
) -> int:
    """Show a live example in the browser.

    room: camera, WiFi sensing, climate node and microcontroller in one room, fused by time; its
    window follows, and senses that disagree are told. gateway: pipelines from YAML; people are
    found in a street, agents watch zones, a simulated air sensor sends over MQTT, and actions go
    out. frames: a Python flow that finds and hides faces. boards: virtual microcontrollers
    forecast sea temperatures. csi: simulated WiFi nodes sense who is in which room of a home.
    climate: ten rooms live a day in two minutes, and a model learns from somebody where their
    windows should be. Models, clips and series are fetched at first; without them room shows
    gateway, gateway frames, and boards a made-up series.
    """
    from edgeflow.errors import AssetError, ConfigError, MissingExtraError, did_you_mean

    if name not in DEMOS:
        raise ConfigError(f"there is no demo {name!r}", hint=did_you_mean(name, DEMOS))
    if camera is not None and clip is not None:
        raise ConfigError("a camera and a clip were given", hint="choose one of them")
    if clip is not None and not clip.is_file():
        raise ConfigError(f"there is no video file {str(clip)!r}", hint="check the path")
    if name == "boards":
        return _boards(port, seconds)
    if name in ("csi", "climate"):
        return (_csi if name == "csi" else _climate)(port, seconds)
    source = camera if clip is None else str(clip.resolve())
    if name == "room":
        try:
            return _room(source, port, seconds)
        except (AssetError, MissingExtraError) as error:
            narrate(f"{error}\nShowing the demo gateway instead.")
            name = "gateway"
    if name == "gateway":
        try:
            return _gateway(source, port, seconds)
        except AssetError as error:
            narrate(f"{error}\nShowing the demo frames instead.")
    return _frames(camera, clip, port, boxes, seconds)


def _room(source: str | None, port: int | None, seconds: float | None) -> int:
    from edgeflow.cli.verbs.assets import stage_line
    from edgeflow.systems.room_demo import RoomDemo, prepare

    with progress("Getting ready") as say:
        folder = prepare(lambda asset, stage: say(stage_line(asset, stage)))
    shown = RoomDemo(folder, port, source)
    return _guided(shown.run, shown.http_port, shown.welcome(), seconds)


def _gateway(camera: str | None, port: int | None, seconds: float | None) -> int:
    from edgeflow.cli.verbs.assets import stage_line
    from edgeflow.systems.gateway_demo import GatewayDemo, prepare

    with progress("Getting ready") as say:
        folder = prepare(lambda asset, stage: say(stage_line(asset, stage)))
    shown = GatewayDemo(folder, port, camera)
    return _guided(shown.run, shown.http_port, shown.welcome(), seconds)


def _boards(port: int | None, seconds: float | None) -> int:
    from edgeflow.systems.boards_demo import BoardsDemo, prepare

    with progress("Getting ready"):
        folder, sea = prepare()
    shown = BoardsDemo(folder, sea, port)
    return _guided(shown.run, shown.http_port, shown.welcome(), seconds)


def _csi(port: int | None, seconds: float | None) -> int:
    from edgeflow.systems.csi_demo import HomeDemo, prepare

    with progress("Getting ready"):
        folder, nodes = prepare()
    shown = HomeDemo(folder, nodes, port)
    return _guided(shown.run, shown.http_port, shown.welcome(), seconds)


def _climate(port: int | None, seconds: float | None) -> int:
    from edgeflow.systems.climate_demo import WindowDemo

    shown = WindowDemo(port)
    return _guided(lambda: shown.run(_tell), shown.http_port, shown.welcome(), seconds)


def _tell(line: str) -> None:
    write(line, flush=True)


def _frames(
    camera: str | None, clip: Path | None, port: int | None, boxes: bool, seconds: float | None
) -> int:
    from edgeflow.cli.verbs.assets import stage_line
    from edgeflow.systems import frames

    app = frames.build(camera=camera, clip=clip, port=port, blur=not boxes)
    with progress("Getting ready") as say:
        frames.prepare(camera, clip, lambda asset, stage: say(stage_line(asset, stage)))
    shown = next(
        (int(n.options["http_port"]) for n in app.graph().nodes if "http_port" in n.options), 0
    )
    return _guided(lambda: app.run([]), shown, frames.welcome(app), seconds)


def _guided(run: Callable[[], int], port: int, welcome: list[str], seconds: float | None) -> int:
    """Run a demo; print the welcome once its dashboard answers; end it after ``seconds``."""
    over = threading.Event()
    guide = threading.Thread(
        target=_guide, args=(port, welcome, seconds, over), name="edgeflow-guide", daemon=True
    )
    guide.start()
    try:
        return run()
    finally:
        over.set()
        guide.join(timeout=1.0)


def _guide(port: int, welcome: list[str], seconds: float | None, over: threading.Event) -> None:
    started = time.monotonic()
    while not _answers(port) and time.monotonic() - started < START_SECONDS:
        if over.wait(0.1):
            return
    write("\n".join(welcome), flush=True)
    if seconds is not None and not over.wait(seconds):
        _end()


def _answers(port: int) -> bool:
    from edgeflow.config import settings

    if not port:
        return True
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND_HOST, settings.BIND_HOST)
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _end() -> None:
    """End the flow in order, as from outside."""
    narrate("the time is up")
    os.kill(os.getpid(), signal.SIGTERM)
