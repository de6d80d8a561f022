"""``devices remove``: devices that are gone for good, and what is stored of them."""

import time
from typing import Annotated

import typer

from edgeflow.cli.terminal import JsonOption, write, write_json
from edgeflow.cli.verbs.device_registry import (
    STORE,
    DevicesArgument,
    StoreOption,
    registry_of,
    tables_in,
)

__all__ = ["remove"]


def remove(
    devices: DevicesArgument,
    *,
    forget_data: Annotated[
        bool, typer.Option("--forget-data", help="Delete all that is stored of them, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> None:
    """Take devices out of the registry; one that speaks again is a new one.

    Programs that run take it over within seconds. Their readings are kept, unless --forget-data
    deletes them, for which it asks.
    """
    from edgeflow.devices.removals import erase

    with tables_in(store) as tables:
        registry = registry_of(tables)
        for each in devices:
            registry.get(each)
        if forget_data and not yes:
            typer.confirm(_question(devices), abort=True, err=True)
        told = []
        for each in dict.fromkeys(devices):
            removed = registry.remove(each, time.time())
            count = erase(tables, each, removed, data=forget_data)
            told.append({"device": each, "deleted_rows": count})
    if json:
        write_json(told)
        return
    for row in told:
        rows = f", {row['deleted_rows']} rows deleted" if forget_data else ""
        write(f"{row['device']}: removed{rows}")


def _question(devices: list[str]) -> str:
    names = ", ".join(devices[:5]) + (f" and {len(devices) - 5} more" if len(devices) > 5 else "")
    return f"Delete all that is stored of {names}?"
