"""``status``, ``top`` and ``trace``: what a running flow tells about itself."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import (
    AppOption,
    JsonOption,
    narrate,
    new_group,
    read_keys,
    show,
    stdout,
    write_json,
    write_json_line,
)

if TYPE_CHECKING:
    from edgeflow.core.ports import FlowView

group = new_group()

_RATE_SECONDS = 0.5
"""Between the two readings that a rate is made of."""

_LEAVE = ("q", "Q", "\x04")
"""Keys that leave ``top``: q and Ctrl+D."""


@group.command(epilog="Example: edgeflow status --json")
def status(app: AppOption = None, json: JsonOption = False) -> None:
    """Show the nodes and links of a running flow once.

    Totals count from the start of the flow, rates are those of the last seconds, and p50 and p99
    of a node are the time inside your code, of a link the time on the way.
    """
    from edgeflow.runtime.attach import attach

    with attach(app) as flow:
        _print_once(flow, json)


@group.command(epilog="Example: edgeflow top --interval 2")
def top(
    app: AppOption = None,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=3600, help="Time between readings.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one reading and end.")] = False,
    json: JsonOption = False,
) -> None:
    """Watch rates, drops and latency live.

    Ends with q, Ctrl+C or the flow. Without a terminal it prints one reading; with --json it
    prints a reading per line until it is ended.
    """
    from edgeflow.errors import UnreachableError
    from edgeflow.runtime.attach import attach

    with attach(app) as flow:
        if once or not (json or sys.stdout.isatty()):
            _print_once(flow, json)
            return
        try:
            _stream(flow, interval) if json else _live(flow, interval)
        except UnreachableError:
            narrate(f"{flow.info.name} has ended")


def _print_once(flow: "FlowView", json: bool) -> None:
    flow.status()  # rates need two readings
    time.sleep(_RATE_SECONDS)
    now = flow.status()
    if json:
        write_json(now)
        return
    from edgeflow.cli.display.panels import flow_panel

    show(flow_panel(now, stdout().width))


def _stream(flow: "FlowView", interval: float) -> None:
    while True:
        write_json_line(flow.status())
        time.sleep(interval)


def _live(flow: "FlowView", interval: float) -> None:
    from rich.live import Live

    from edgeflow.cli.display.panels import flow_panel

    console = stdout()
    with read_keys() as key, Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(flow_panel(flow.status(), console.width), refresh=True)
        while key(interval) not in _LEAVE:
            live.update(flow_panel(flow.status(), console.width), refresh=True)


@group.command(epilog="Example: edgeflow trace --out trace.json")
def trace(
    app: AppOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a Chrome trace (open in ui.perfetto.dev)."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Show where the time goes, and name the bottleneck.

    Prints a waterfall for each path through the flow, made of the frames that arrived lately:
    bars for the stay inside nodes, lines for the way along links.
    """
    from edgeflow.runtime.attach import attach

    with attach(app) as flow:
        if out is not None:
            _write_chrome_trace(flow, out)
        paths = flow.paths()
    if json:
        write_json(paths)
        return 0
    if not paths:
        narrate("no frame has reached an end of the flow yet; try again in a moment")
        return 1
    from edgeflow.cli.display.waterfall import path_panel

    for number, path in enumerate(paths):
        if number:
            show("")
        show(path_panel(path, stdout().width))
    return 0


def _write_chrome_trace(flow: "FlowView", out: Path) -> None:
    import msgspec

    from edgeflow.errors import ConfigError
    from edgeflow.observe.tracing import chrome_trace

    traces = flow.traces()
    events = chrome_trace(traces, flow.clock_offsets_ns())
    try:
        out.write_bytes(msgspec.json.encode(events))
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from None
    narrate(f"{len(traces)} traces written to {out}")
