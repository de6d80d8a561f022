"""``climate``: rooms over MQTT, a database, and a model that decides and keeps learning."""

import asyncio
import signal
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import typer

from edgeflow.cli.announcing import AnnounceOption, announcing, service
from edgeflow.cli.terminal import JsonOption, narrate, new_group, write, write_json
from edgeflow.cli.verbs.climate_files import backup, dashboards, restore
from edgeflow.cli.verbs.climate_probe import load, monitor, validate
from edgeflow.cli.verbs.climate_simulate import simulate

if TYPE_CHECKING:
    from edgeflow.climate.learning.versions import Metadata
    from edgeflow.devices.discovery import Announcement
    from edgeflow.systems.climate import ClimateOptions, ClimateSystem

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
models = typer.Typer(rich_markup_mode=None)
verbs.add_typer(models, name="models", help="Versions of the model that decides.")
group.add_typer(verbs, name="climate")

POLL_SECONDS = 0.1
FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="DIR", help="Of the spool and the models.")
]


class Role(StrEnum):
    """What runs in this process."""

    BACKEND = "backend"
    ML = "ml"


class TriggerKind(StrEnum):
    """When a decision is asked for."""

    THRESHOLD = "threshold"
    ZSCORE = "zscore"


@verbs.callback(epilog="Example: edgeflow climate serve --store sqlite:///home.db")
def climate() -> None:
    """Rooms over MQTT, and windows that learn where to be."""


@verbs.command(epilog="Example: edgeflow climate serve --broker mqtt://192.168.1.5 --role backend")
def serve(
    *,
    broker: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="EDGEFLOW_CLIMATE_BROKER", help="mqtt://embedded runs one."
        ),
    ] = "mqtt://embedded?unconfirmed=8000",
    store: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="EDGEFLOW_CLIMATE_STORE",
            help="sqlite:///PATH, clickhouse://USER:PASSWORD@HOST/DATABASE or chdb:///PATH.",
        ),
    ] = "sqlite:///climate.db",
    folder: FolderOption = Path("climate"),
    role: Annotated[
        list[Role] | None,
        typer.Option(metavar="ROLE", help="Only backend, or only ml; both by default."),
    ] = None,
    trigger: Annotated[
        TriggerKind, typer.Option(help="Ask for a decision on change, or by z-score.")
    ] = TriggerKind.THRESHOLD,
    metrics_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=65535, help="/healthz, /readyz and /metrics here."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=65535,
            help="Of the dashboard; 8000 by default, or a free one if that is taken.",
        ),
    ] = None,
    no_dashboard: Annotated[
        bool, typer.Option("--no-dashboard", help="No pages and REST for browsers.")
    ] = False,
    announce: AnnounceOption = "",
) -> int:
    """Take readings in, keep them, decide where windows should be, and learn, until Ctrl+C."""
    from edgeflow.runtime.allocation import share_heaps
    from edgeflow.runtime.signals import stopping_on_signals
    from edgeflow.systems.climate import ClimateOptions

    share_heaps()
    options = ClimateOptions(
        broker=_kept(broker, folder),
        store=store,
        folder=folder,
        roles=frozenset(each.value for each in role or list(Role)),
        trigger=trigger.value,
        metrics_port=metrics_port,
        dashboard_port=None if no_dashboard else "usual" if port is None else port,
    )
    stop = Event()
    with stopping_on_signals(stop) as caught:
        asyncio.run(_serve(options, stop, announce))
    return 130 if caught and caught[0] == signal.SIGINT else 0


def _kept(broker: str, folder: Path) -> str:
    """A broker of this process keeps what it has confirmed, like the spool."""
    parts = urlsplit(broker)
    if parts.hostname != "embedded" or "store" in parse_qs(parts.query):
        return broker
    store = urlencode({"store": str(folder / "broker")})
    return urlunsplit(parts._replace(query=f"{parts.query}&{store}".lstrip("&")))


async def _serve(options: "ClimateOptions", stop: Event, announce: str) -> None:
    """Serve until told to stop, be it while the system still begins."""
    serving = asyncio.create_task(_serve_on(options, announce))
    while not stop.is_set() and not serving.done():
        await asyncio.wait((serving,), timeout=POLL_SECONDS)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def _serve_on(options: "ClimateOptions", announce: str) -> None:
    from edgeflow.runtime.allocation import Spared
    from edgeflow.systems.climate import ClimateSystem

    spared = Spared()  # a full collection would hold decisions up for a quarter of a second
    async with ClimateSystem.running(options) as system:
        narrate("\n".join(_welcome(options, system)))
        with ExitStack() as gone:
            gone.callback(lambda: narrate(_summary(system)))
            told = announcing(announce, _announced(system) if announce else ())
            await asyncio.to_thread(gone.enter_context, told)
            while True:
                spared.look()
                await asyncio.sleep(POLL_SECONDS)


def _announced(system: "ClimateSystem") -> "list[Announcement]":
    from urllib.parse import urlsplit

    page = urlsplit(system.dashboard_url).port
    broker = system.clients[0].options.address
    return [service("climate", page or system.metrics_port, broker=broker)]


def _welcome(options: "ClimateOptions", system: "ClimateSystem") -> list[str]:
    from edgeflow.store.opening import without_password

    broker, store = without_password(options.broker), without_password(options.store)
    lines = [f"Climate system on {broker}, store {store}; Ctrl+C ends it"]
    if system.dashboard_url:
        lines.append(f"Dashboard: {system.dashboard_url}")
    if system.service is not None:
        lines.append(f"Model {system.service.model.metadata.version} decides")
    if system.metrics_port:
        lines.append(f"Metrics: http://127.0.0.1:{system.metrics_port}/metrics")
    return lines


def _summary(system: "ClimateSystem") -> str:
    parts = []
    if system.backend is not None:
        intake = system.backend.intake.stats
        parts.append(f"{intake.accepted} readings, {intake.refused} refused")
    if system.service is not None:
        stats = system.service.stats
        parts.append(f"{stats.decided} decisions, {stats.labels} labels learnt from")
    return "; ".join(parts)


verbs.command(epilog="Example: edgeflow climate simulate --devices 10 --speed 720 --seconds 120")(
    simulate
)
verbs.command(epilog="Example: edgeflow climate validate --broker mqtt://192.168.1.5")(validate)
verbs.command(epilog="Example: edgeflow climate load --rate 500 --seconds 30")(load)
verbs.command(epilog="Example: edgeflow climate monitor --url http://127.0.0.1:9101")(monitor)
verbs.command(epilog="Example: edgeflow climate backup --store sqlite:///home.db home.backup")(
    backup
)
verbs.command(epilog="Example: edgeflow climate restore --store chdb:///new.chdb home.backup")(
    restore
)
verbs.command(epilog="Example: edgeflow climate dashboards /var/lib/grafana/dashboards")(dashboards)


@models.command("list", epilog="Example: edgeflow climate models list")
def list_models(*, folder: FolderOption = Path("climate"), json: JsonOption = False) -> int:
    """Show the versions of the model, and which one decides."""
    from edgeflow.climate.learning.versions import Versions

    versions = Versions(folder / "models")
    known = [versions.metadata(name) for name in versions.names()]
    if json:
        write_json({"current": versions.current, "versions": [_told(each) for each in known]})
        return 0
    for each in known:
        mark = "*" if each.version == versions.current else " "
        parent = f", of {each.parent} {each.parent_error:.1f}" if each.parent else ""
        write(
            f"{mark} {each.version:6} error {each.error:.1f} points{parent}, {each.labels} labels"
        )
    return 0


@models.command(epilog="Example: edgeflow climate models rollback")
def rollback(*, folder: FolderOption = Path("climate")) -> int:
    """Let the version before decide again; a service that runs takes it over in seconds."""
    from edgeflow.climate.learning.versions import Versions

    write(Versions(folder / "models").rollback())
    return 0


def _told(metadata: "Metadata") -> dict[str, object]:
    return {
        "version": metadata.version,
        "created": metadata.created,
        "parent": metadata.parent,
        "labels": metadata.labels,
        "error": metadata.error,
        "parent_error": metadata.parent_error,
    }
