"""``provision``: tell a CSI node its network, target and thresholds."""

import inspect
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, progress, write, write_json
from edgeflow.devices.provisioning.keys import SETTINGS, Setting

if TYPE_CHECKING:
    from edgeflow.devices.boards.base import OnProgress, SwapProgress
    from edgeflow.devices.provisioning.node import Provisioned

group = new_group()

_HALF_DONE = "interrupted while writing: provision again before the node is used"
_IN_CLEAR = (
    "stands in the list of processes and in the shell's history; better: -, env:NAME, file:PATH"
)
_NO_NETWORK = "the node has no Wi-Fi network but that of its build, if any: --ssid and --password"

PortOption = Annotated[
    str | None,
    typer.Option(
        metavar="PORT", help="Where the node is; not needed when one board is plugged in."
    ),
]
UnsetOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A setting to remove; repeatable.")
]
ResetOption = Annotated[
    bool, typer.Option("--reset", help="Drop what the node has instead of keeping it.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would change, only.")]
ShowOption = Annotated[
    bool, typer.Option("--show", help="Tell what the node has, without secrets.")
]


def provision(
    *,
    port: PortOption = None,
    unset: UnsetOption = None,
    reset: ResetOption = False,
    dry_run: DryRunOption = False,
    show: ShowOption = False,
    chip: Annotated[str, typer.Option(metavar="NAME", help="esptool's name of it.")] = "auto",
    baud: Annotated[int, typer.Option(metavar="N", help="Rate while flashing.")] = 460800,
    json: JsonOption = False,
    **settings: str | bool | None,
) -> None:
    """Tell a CSI node its network, target and thresholds.

    What is not mentioned stays as it is on the node. All of it is checked before anything is
    written, and read back after it was. Secrets are given as - (asked for, or a line of stdin),
    env:NAME or file:PATH.
    """
    from edgeflow.devices.provisioning import node
    from edgeflow.devices.provisioning.values import parse_values

    given = {name.replace("_", "-"): value for name, value in settings.items() if value is not None}
    _check_usage(given, unset or [], reset=reset, show=show)
    options: dict[str, Any] = {"baud": baud, "chip": chip}
    if show:
        _show(_locate(port), options, json=json)
        return
    values = parse_values(_texts(given))
    started = time.monotonic()
    with _steps(dry_run=dry_run) as tell:
        path = _locate(port)
        done = node.provision(
            path,
            values,
            unset=unset or [],
            reset=reset,
            dry_run=dry_run,
            on_progress=tell,
            **options,
        )
    _report(path, done, round(time.monotonic() - started, 2), dry_run=dry_run, json=json)


def _option(setting: Setting) -> inspect.Parameter:
    name = setting.name.replace("-", "_")
    about = f"{setting.about} {_range(setting)}".strip()
    if setting.form == "switch":
        flags = f"{setting.flag}/--no-{setting.name}"
        kind: Any = Annotated[bool | None, typer.Option(flags, help=about)]
    else:
        shape = {"number": "N", "thousandth": "X", "channel": "N"}.get(setting.form, "TEXT")
        metavar = "SECRET" if setting.secret else shape
        option = typer.Option(setting.flag, metavar=metavar, help=about)
        kind = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _range(setting: Setting) -> str:
    if setting.form in ("number", "thousandth"):
        return f"{setting.low:g} to {setting.high:g}."
    return ""


def _declare() -> None:
    """Give the command an option for every setting of the table."""
    plain = inspect.signature(provision)
    own = [each for each in plain.parameters.values() if each.kind is not each.VAR_KEYWORD]
    first, *rest = own
    options = [_option(each) for each in SETTINGS]
    provision.__dict__["__signature__"] = plain.replace(parameters=[first, *options, *rest])
    provision.__annotations__.update({each.name: each.annotation for each in options})
    epilog = "Example: edgeflow provision --edge-tier 2 --pres-thresh 0.05 --port /dev/ttyACM0"
    group.command(epilog=epilog)(provision)


_declare()


def _check_usage(given: dict[str, Any], unset: list[str], *, reset: bool, show: bool) -> None:
    names = {each.name for each in SETTINGS}
    for name in unset:
        if name not in names:
            raise typer.BadParameter(f"--unset: there is no setting {name!r}")
        if name in given:
            raise typer.BadParameter(f"--{name} is set and unset at once")
    if show and (given or unset or reset):
        raise typer.BadParameter("--show changes nothing: leave the settings out")
    if not (show or given or unset or reset):
        raise typer.BadParameter("nothing to set: give a setting, --unset, --reset or --show")


def _texts(given: dict[str, Any]) -> dict[str, str]:
    from edgeflow.devices.provisioning.secrets import is_in_clear, resolve

    texts = {}
    for setting in SETTINGS:
        value = given.get(setting.name)
        if value is None:
            continue
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        if is_in_clear(setting, text):
            narrate(f"{setting.flag} {_IN_CLEAR}")
        texts[setting.name] = resolve(setting, text, ask=_ask, environment=os.environ)
    return texts


def _ask(question: str) -> str:
    from getpass import getpass

    from edgeflow.errors import ConfigError

    if sys.stdin.isatty():
        return getpass(question)
    line = sys.stdin.readline(4096)
    if not line:
        raise ConfigError(f"{question.rstrip(': ')}: stdin ended before it came")
    return line.rstrip("\r\n")


def _locate(port: str | None) -> str:
    from edgeflow.devices.serial.finding import Locator, PortSpec, list_ports

    if port is not None:
        return Locator(PortSpec.parse(port)).locate()
    boards = [each.path for each in list_ports() if each.usb_id]
    if len(boards) != 1:
        found = ", ".join(boards) or "none"
        raise typer.BadParameter(f"which board? Give --port. Plugged in: {found}")
    return boards[0]


@contextmanager
def _steps(*, dry_run: bool) -> Iterator["OnProgress"]:
    """Tell each step once; a Ctrl+C while writing has consequences."""
    with progress("Reading the node" if dry_run else "Provisioning the node") as say:
        last = ""

        def tell(step: "SwapProgress") -> None:
            nonlocal last
            text = step.text or step.step
            if text != last:
                say(text)
            last = text

        try:
            yield tell
        except KeyboardInterrupt:
            if last in {"erase", "write", "verify"}:
                narrate(_HALF_DONE)
            raise


def _show(port: str, options: dict[str, Any], *, json: bool) -> None:
    from edgeflow.devices.provisioning.node import read_settings
    from edgeflow.devices.provisioning.values import texts

    with _steps(dry_run=True) as tell:
        values, content = read_settings(port, on_progress=tell, **options)
    settings = texts(values)
    entries, damaged = len(content.entries), content.damaged
    if json:
        facts = {"port": port, "settings": settings, "entries": entries, "damaged": damaged}
        write_json(facts)
        return
    for setting in SETTINGS:
        value = settings.get(setting.name)
        write(f"{setting.name:<15}{value if value is not None else f'({setting.default})'}")
    write(f"{entries} entries in the partition, {damaged} damaged; in brackets: what is not set")


def _report(port: str, done: "Provisioned", seconds: float, *, dry_run: bool, json: bool) -> None:
    if done.damaged:
        narrate(f"{done.damaged} entries of the partition could not be read, and are not kept")
    if "ssid" not in done.settings:
        narrate(_NO_NETWORK)
    if json:
        write_json(_facts(port, done, seconds))
        return
    for change in done.changes:
        before = "" if change.before is None else f"{change.before} -> "
        write(f"{change.name:<14}{before}{'(default)' if change.after is None else change.after}")
    if not done.written:
        why = "not written: --dry-run" if dry_run else "has all of it already"
        write(f"{port} ({done.mac}) {why}; {done.kept} entries stay")
        return
    write(
        f"{port} ({done.mac}) has it, read back after {seconds:.1f} s; {done.kept} entries stayed"
    )


def _facts(port: str, done: "Provisioned", seconds: float) -> dict[str, Any]:
    place = done.partition
    return {
        "port": port,
        "mac": done.mac,
        "chip": done.chip,
        "partition": {"label": place.label, "offset": place.offset, "size": place.size},
        "written": done.written,
        "changes": {
            each.name: {"before": each.before, "after": each.after} for each in done.changes
        },
        "settings": dict(done.settings),
        "kept": done.kept,
        "damaged": done.damaged,
        "seconds": seconds,
    }
