"""``csi listen`` and ``csi record``: what is done with nodes that send."""

import signal
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.announcing import AnnounceOption, announcing, service
from edgeflow.cli.terminal import JsonOption, narrate, write, write_json
from edgeflow.cli.verbs.csi_options import (
    AllowOption,
    CalibrateOption,
    EventsOption,
    HostOption,
    IntervalOption,
    PortOption,
    TierOption,
    heading,
    known_rooms,
    line_of,
    values_of,
)

if TYPE_CHECKING:
    from edgeflow.core.vitals import SensingEvent, VitalsUpdate
    from edgeflow.devices.discovery import Announcement
    from edgeflow.sensing.host import SensingHost
    from edgeflow.systems.csi import CsiServer

__all__ = ["listen", "record"]

SecondsOption = Annotated[
    float | None, typer.Option(metavar="N", min=0.01, help="End after N seconds.")
]
WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.02
"""Between two batches of lines, so that printing does not take the time of listening."""
MOST_NEWS = 8192


def listen(
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 5005,
    allow: AllowOption = None,
    http_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="Serve REST and WebSocket here, too."),
    ] = None,
    calibrate: CalibrateOption = None,
    interval: IntervalOption = 1.0,
    tier: TierOption = 2,
    out: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="A new file for all datagrams.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="Keep all, such as sqlite:///vitals.db.")
    ] = None,
    rooms: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep here what is set on the dashboard; may be new."),
    ] = None,
    module_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (.pub) of WASM modules that may run here."),
    ] = None,
    seconds: SecondsOption = None,
    events: EventsOption = False,
    announce: AnnounceOption = "",
    json: JsonOption = False,
) -> int:
    """Listen for nodes and print their vitals, until Ctrl+C.

    Raw frames are sensed from here, by the core that runs on nodes; nodes that sense themselves are
    believed while they send no frames. Bound wider than loopback only --allow'ed networks are
    heard.
    """
    from edgeflow._native.csi import CsiOptions
    from edgeflow.runtime.signals import stopping_on_signals
    from edgeflow.sensing.modules.keys import read_public_key
    from edgeflow.sensing.tracking import TrackOptions
    from edgeflow.systems.csi import CsiServer

    csi = CsiOptions(tier=tier)
    known = known_rooms(calibrate, None, csi)
    options = TrackOptions(csi=csi, interval_us=round(interval * 1e6), calibration=known)
    stop = Event()
    with (
        stopping_on_signals(stop) as caught,
        CsiServer(
            host,
            port,
            allow=allow or (),
            options=options,
            capture=out,
            http_port=http_port,
            store=store,
            rooms=rooms,
            module_key=read_public_key(module_key) if module_key is not None else None,
        ) as server,
    ):
        narrate("\n".join(_welcome(server)))
        if not json:
            write(heading(), flush=True)
        with announcing(announce, _announced(server) if announce else ()):
            _follow(server.sensing, stop, seconds, events=events, json=json)
        narrate(_summary(server.sensing))
    return 130 if caught and caught[0] == signal.SIGINT else 0


def _announced(server: "CsiServer") -> "list[Announcement]":
    return [service("csi", server.http_port, udp_port=str(server.sensing.port))]


def record(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file; .mcap for MCAP.")],
    host: HostOption = "127.0.0.1",
    port: PortOption = 5005,
    allow: AllowOption = None,
    seconds: SecondsOption = None,
    json: JsonOption = False,
) -> int:
    """Record what nodes send, datagram by datagram, until Ctrl+C.

    Ends with 1 when nothing came.
    """
    from edgeflow._native.csi import CsiOptions
    from edgeflow.runtime.signals import stopping_on_signals
    from edgeflow.sensing.host import SensingHost
    from edgeflow.sensing.tracking import TrackOptions

    options = TrackOptions(csi=CsiOptions(tier=1))
    stop = Event()
    with stopping_on_signals(stop):
        sensing = SensingHost(host, port, allow=allow or (), options=options, capture=out)
        with sensing:
            narrate(f"Recording UDP port {sensing.port} into {out}; Ctrl+C ends it")
            stop.wait(seconds)
        if json:
            write_json({"path": str(out), "datagrams": sensing.captured, "nodes": sensing.nodes()})
        else:
            write(f"{out}: {sensing.captured} datagrams of {len(sensing.nodes())} nodes")
        narrate(_summary(sensing))
    return 0 if sensing.captured else 1


def _follow(
    sensing: "SensingHost", stop: Event, seconds: float | None, *, events: bool, json: bool
) -> None:
    """Print news until told to stop."""
    from edgeflow.core.vitals import VitalsUpdate

    fresh = Event()
    unsubscribe = sensing.subscribe(fresh.set)
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    last = 0
    try:
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            fresh.wait(min(WAIT_SECONDS, left))
            fresh.clear()
            news = sensing.news(last, limit=MOST_NEWS)
            last = news[-1].number if news else last
            shown = [said for said in news if events or isinstance(said, VitalsUpdate)]
            if shown:
                _print(shown, json=json)
                stop.wait(PAUSE_SECONDS)
    finally:
        unsubscribe()


def _print(news: "list[VitalsUpdate | SensingEvent]", *, json: bool) -> None:
    import msgspec

    if json:
        lines = [msgspec.json.encode(values_of(said)).decode() for said in news]
    else:
        lines = [line_of(said) for said in news]
    write("\n".join(lines), flush=True)


def _welcome(server: "CsiServer") -> list[str]:
    lines = [f"Listening for CSI nodes on UDP port {server.sensing.port}."]
    if server.url:
        root = server.url.partition("/dashboard")[0]
        lines += [
            f"  Dashboard   {server.url}",
            f"  API         {root}/api/csi/nodes  (/api/csi/vitals, /api/csi/news, /ws/csi)",
        ]
    return [*lines, "  Stop        Ctrl+C"]


def _summary(sensing: "SensingHost") -> str:
    socket = sensing.receiver
    counts = {
        "datagrams": socket.received,
        "dropped by the kernel": socket.dropped,
        "of addresses not allowed": socket.refused,
        "no packets": sensing.damaged + socket.cut,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return told or "nothing came"
