"""What a partition holds after some settings changed: the rest stays, of other programs too."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from edgeflow.devices.provisioning.keys import NAMESPACE, SETTINGS, Setting, find_setting
from edgeflow.devices.provisioning.values import Value, shown
from edgeflow.protocols.nvs import NvsEntry, NvsType

__all__ = ["Change", "current_values", "list_changes", "merge"]

_HOP_COUNT = "hop_count"


class Change(NamedTuple):
    """How a setting changes; texts for people, None for what is not set, nothing of a secret."""

    name: str
    before: str | None
    after: str | None


def current_values(entries: Sequence[NvsEntry]) -> dict[str, Value]:
    """Return the settings among entries, in the order of the table."""
    found = {(each.namespace, each.key, each.type): each.value for each in entries}
    values = {each.name: found.get((each.namespace, each.key, each.type)) for each in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def merge(
    entries: Sequence[NvsEntry], values: Mapping[str, Value], unset: Collection[str] = ()
) -> list[NvsEntry]:
    """Return entries with ``values`` in their places or at the end, and without ``unset``.

    Both name settings that exist, else KeyError.
    """
    new = {(each.namespace, each.key): each for each in _entries(values)}
    gone = {place for name in unset for place in _places(name)}
    merged: list[NvsEntry] = []
    for entry in entries:
        place = entry.namespace, entry.key
        if place in new:
            gone.add(place)  # the same key of another type too
            merged.append(new.pop(place))
        elif place not in gone:
            merged.append(entry)
    return [*merged, *new.values()]


def list_changes(before: Sequence[NvsEntry], after: Sequence[NvsEntry]) -> tuple[Change, ...]:
    """Return the settings that differ."""
    old, new = current_values(before), current_values(after)
    return tuple(
        Change(each.name, _shown(each, old), _shown(each, new))
        for each in SETTINGS
        if old.get(each.name) != new.get(each.name)
    )


def _shown(setting: Setting, values: Mapping[str, Value]) -> str | None:
    return shown(setting, values[setting.name]) if setting.name in values else None


def _entries(values: Mapping[str, Value]) -> list[NvsEntry]:
    made = []
    for name, value in values.items():
        setting = find_setting(name)
        if setting is None:
            raise KeyError(name)
        if setting.form == "channels" and isinstance(value, bytes):
            made.append(NvsEntry(NAMESPACE, _HOP_COUNT, NvsType.U8, len(value)))
        made.append(NvsEntry(setting.namespace, setting.key, setting.type, value))
    return made


def _places(name: str) -> list[tuple[str, str]]:
    setting = find_setting(name)
    if setting is None:
        raise KeyError(name)
    places = [(setting.namespace, setting.key)]
    return [*places, (NAMESPACE, _HOP_COUNT)] if setting.form == "channels" else places
