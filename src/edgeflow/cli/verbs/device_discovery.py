"""``devices discover``: who tells of itself on the local network."""

import dataclasses
import time
from typing import Annotated

import typer

from edgeflow.cli.announcing import interfaces_of
from edgeflow.cli.terminal import JsonOption, narrate, write, write_json

__all__ = ["discover"]


def discover(
    *,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=0.1, max=600, help="How long to listen.")
    ] = 3.0,
    interface: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen through this one, or all.")
    ] = "all",
    register: Annotated[
        str, typer.Option(metavar="URL", help="Write what is found into the registry there.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Find devices and services that tell of themselves (mDNS, _edgeflow._tcp)."""
    from edgeflow.cli.display.outline import align
    from edgeflow.cli.verbs.device_registry import registry_in
    from edgeflow.devices.discovery import discover

    found = discover(seconds, interfaces_of(interface))
    if register:
        with registry_in(register) as registry:
            for each in found:
                registry.seen(each.name, time.time(), kind=each.kind or "mqtt")
    if json:
        write_json([dataclasses.asdict(each) for each in found])
        return
    if not found:
        narrate("nobody tells of itself; --announce makes nodes and services do so")
        return
    rows = [("DEVICE", "KIND", "ADDRESS", "PORT", "ABOUT")]
    rows += [
        (
            each.name,
            each.kind,
            ",".join(each.addresses) or "-",
            str(each.port or "-"),
            " ".join(f"{key}={value}" for key, value in sorted(each.properties.items())) or "-",
        )
        for each in found
    ]
    for line in align(rows):
        write(line)
