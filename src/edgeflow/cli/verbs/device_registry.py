"""``devices show``, ``name``, ``group``, ``tag`` and ``set``: the registry of all devices."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json

if TYPE_CHECKING:
    from edgeflow.devices.configuration import Configuration
    from edgeflow.devices.registry import DeviceRecord, DeviceRegistry
    from edgeflow.store.tables import TableStore

__all__ = [
    "STORE",
    "DevicesArgument",
    "StoreOption",
    "configure",
    "group_devices",
    "list_devices",
    "name",
    "registry_in",
    "registry_of",
    "show",
    "tables_in",
    "tag",
]

POLL_SECONDS = 0.2
StoreOption = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar=["EDGEFLOW_STORE", "EDGEFLOW_CLIMATE_STORE"],
        help="Tables that the devices are in.",
    ),
]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id.")]
DevicesArgument = Annotated[list[str], typer.Argument(metavar="DEVICE...", help="Their ids.")]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Take it away.")]
STORE = "sqlite:///climate.db"
OWN = ("silence_seconds", "sensor_silence")


def list_devices(
    store: str, *, group: str | None, tag: str | None, kind: str | None, json: bool
) -> None:
    """Show the devices of a registry."""
    from edgeflow.cli.display.outline import align

    with registry_in(store) as registry:
        found = registry.devices(group=group, tag=tag, kind=kind)
    if json:
        write_json([_told(each) for each in found])
        return
    if not found:
        narrate(f"no device in {_shown(store)}")
        return
    rows = [("DEVICE", "NAME", "KIND", "STATE", "LAST SEEN", "GROUPS", "TAGS", "SETTINGS")]
    rows += [
        (
            each.device_id,
            each.name,
            each.kind,
            "online" if each.online else "offline",
            _time(each.last_seen),
            ",".join(each.groups) or "-",
            ",".join(each.tags) or "-",
            each.configuration.state,
        )
        for each in found
    ]
    for line in align(rows):
        write(line)


def show(device: DeviceArgument, *, store: StoreOption = STORE, json: JsonOption = False) -> None:
    """Show one device: who it is, whether it is there, what it was told and what it answered."""
    with registry_in(store) as registry:
        told = _told(registry.get(device))
    if json:
        write_json(told)
        return
    for key, value in told.items():
        if value not in ("", [], {}, None):
            write(f"{key.replace('_', ' ') + ':':<16} {_text(value)}")


def name(
    device: DeviceArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How people call it.")],
    *,
    location: Annotated[str | None, typer.Option(metavar="PLACE", help="Where it is.")] = None,
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> None:
    """Call a device by a name, and say where it is."""
    with registry_in(store) as registry:
        record = registry.set(device, time.time(), name=name, location=location)
    _say([record], json)


def group_devices(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Such as north.")],
    devices: DevicesArgument,
    *,
    remove: RemoveOption = False,
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> None:
    """Put devices into a group, or take them out."""
    _say(_marked(store, devices, ("groups", group), remove=remove), json)


def tag(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="Such as battery.")],
    devices: DevicesArgument,
    *,
    remove: RemoveOption = False,
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> None:
    """Put a tag on devices, or take it off."""
    _say(_marked(store, devices, ("tags", tag), remove=remove), json)


def configure(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id, or a group: @north.")],
    settings: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="Without a value: no longer told."),
    ],
    *,
    wait: Annotated[
        float, typer.Option("--wait", metavar="S", help="Seconds for the device's answer.")
    ] = 0.0,
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> int:
    """Set what a device is told, and how long it may be silent (silence_seconds, sensor_silence.K).

    Whoever runs the registry sends it within seconds; exit code 1: the device refused, 4: it has
    not answered in time.
    """
    own, told = _parse(settings)
    with registry_in(store) as registry:
        names = [each.device_id for each in registry.devices(group=device[1:])]
        names = names if device.startswith("@") else [device]
        for each in names:
            now = time.time()
            if own:
                registry.set(each, now, config=_merged(registry.get(each), own))
            if told:
                registry.configure(each, told, now)
    found = _wait_for(store, names, wait if told else 0.0)
    if json:
        write_json([_told(each) for each in found])
    else:
        for record in found:
            write(_line(record.configuration) if told else f"{record.device_id}: set")
    if not wait or not told:
        return 0
    states = {each.configuration.state for each in found}
    return 1 if "refused" in states else 4 if states != {"applied"} else 0


@contextmanager
def tables_in(store: str) -> "Iterator[TableStore]":
    """Open the tables of a store, which must be there."""
    from edgeflow.store.catalogue import TABLES
    from edgeflow.store.opening import check_there, open_tables

    check_there(store)
    opened = open_tables(store)
    try:
        opened.create(list(TABLES.values()))
        yield opened
    finally:
        opened.close()


@contextmanager
def registry_in(store: str) -> "Iterator[DeviceRegistry]":
    """Open the registry in the tables of a store, which must be there."""
    with tables_in(store) as tables:
        yield registry_of(tables)


def registry_of(tables: "TableStore") -> "DeviceRegistry":
    """The registry that tables hold."""
    from edgeflow.devices.registry import TABLES_OF_DEVICES, DeviceRegistry

    return DeviceRegistry(tables.insert, *(tables.latest(each) for each in TABLES_OF_DEVICES))


def _marked(
    store: str, devices: list[str], mark: tuple[str, str], *, remove: bool
) -> "list[DeviceRecord]":
    key, word = mark
    with registry_in(store) as registry:
        for each in devices:
            registry.get(each)
        found = []
        for each in devices:
            words = [have for have in registry.get(each).config.get(key, []) if have != word]
            config = {key: words if remove else [*words, word]}
            found.append(registry.set(each, time.time(), config=config))
    return found


def _say(records: "list[DeviceRecord]", json: bool) -> None:
    if json:
        write_json([_told(each) for each in records])
        return
    for each in records:
        words = [f"{key}: {', '.join(found)}" for key, found in _marks(each) if found]
        write(f"{each.device_id}: {each.name}, {each.location}{''.join('; ' + w for w in words)}")


def _marks(record: "DeviceRecord") -> list[tuple[str, list[str]]]:
    return [("groups", record.groups), ("tags", record.tags)]


def _wait_for(store: str, names: list[str], seconds: float) -> "list[DeviceRecord]":
    until = time.monotonic() + seconds
    while True:
        with registry_in(store) as registry:
            found = [registry.get(each) for each in names]
        waiting = any(each.configuration.state == "pending" for each in found)
        if not waiting or time.monotonic() >= until:
            return found
        time.sleep(POLL_SECONDS)


def _parse(settings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    from edgeflow.errors import ConfigError

    own: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for each in settings:
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise ConfigError(f"{each[:80]!r} is no setting", hint="for example read_seconds=5")
        (own if key.partition(".")[0] in OWN else told)[key] = _value(text)
    return own, told


def _value(text: str) -> float | int | bool | str | None:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def _merged(record: "DeviceRecord", own: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    sensors = dict(record.config.get("sensor_silence", {}))
    for key, value in own.items():
        name, dot, sensor = key.partition(".")
        if not dot:
            config[name] = value
        elif value is None:
            sensors.pop(sensor, None)
        else:
            sensors[sensor] = value
    return {"sensor_silence": sensors or None, **config}


def _told(record: "DeviceRecord") -> dict[str, Any]:
    import msgspec

    return {
        "device": record.device_id,
        "name": record.name,
        "location": record.location,
        "kind": record.kind,
        "online": record.online,
        "last_seen": _time(record.last_seen),
        "registered": _time(record.registered_at),
        "groups": record.groups,
        "tags": record.tags,
        "silence_seconds": record.silence,
        "sensor_silence": record.config.get("sensor_silence", {}),
        "configuration": msgspec.to_builtins(record.configuration),
    }


def _line(configuration: "Configuration") -> str:
    reason = f": {configuration.reason}" if configuration.reason else ""
    return (
        f"{configuration.device_id}: version {configuration.version} {configuration.state}{reason}"
    )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items() if each != "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else ""


def _shown(store: str) -> str:
    from edgeflow.store.opening import without_password

    return without_password(store)
