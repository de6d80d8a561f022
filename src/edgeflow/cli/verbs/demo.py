"""``demo``: a live example in the browser."""

import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import narrate, new_group, progress, write

if TYPE_CHECKING:
    from edgeflow.app import EdgeApp

group = new_group()

DEMOS = ("frames",)
START_SECONDS = 20.0
"""How long the dashboard may take to answer before the welcome is printed anyway."""


@group.command(epilog="Example: edgeflow demo --camera 0")
def demo(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=f"Which one: {', '.join(DEMOS)}.")
    ] = "frames",
    *,
    camera: Annotated[
        str | None, typer.Option(metavar="N", help="Camera to show: its number or URL.")
    ] = None,
    clip: Annotated[Path | None, typer.Option(metavar="FILE", help="Video file to show.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Port of the dashboard.")
    ] = None,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Outline faces instead of hiding them.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.1, help="End after N seconds.")
    ] = None,
) -> int:
    """Show a live example in the browser.

    A clip or camera goes through a face detector, faces are hidden, and the dashboard shows the
    pictures and what every part of the flow is doing. Models and clips are fetched at first.
    """
    from edgeflow.cli.verbs.assets import stage_line
    from edgeflow.errors import ConfigError, did_you_mean
    from edgeflow.systems import frames

    if name not in DEMOS:
        raise ConfigError(f"there is no demo {name!r}", hint=did_you_mean(name, DEMOS))
    app = frames.build(camera=camera, clip=clip, port=port, blur=not boxes)
    with progress("Getting ready") as say:
        frames.prepare(camera, clip, lambda asset, stage: say(stage_line(asset, stage)))
    return _run(app, frames.welcome(app), seconds)


def _run(app: "EdgeApp", welcome: list[str], seconds: float | None) -> int:
    """Run the app; print the welcome once its dashboard answers; end it after ``seconds``."""
    over = threading.Event()
    port = next(
        (int(n.options["http_port"]) for n in app.graph().nodes if "http_port" in n.options), 0
    )
    guide = threading.Thread(
        target=_guide, args=(port, welcome, seconds, over), name="edgeflow-guide", daemon=True
    )
    guide.start()
    try:
        return app.run([])
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
