"""``--announce``: devices and services tell the local network that they are there."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import narrate

if TYPE_CHECKING:
    from edgeflow.devices.discovery import Announcement

__all__ = ["AnnounceOption", "announcing", "interfaces_of", "service"]

AnnounceOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Tell the local network (mDNS): through the interface of this address, or all.",
    ),
]


def interfaces_of(where: str) -> list[str] | None:
    """Addresses of the interfaces that an option names; None for all.

    Raises:
        ConfigError: it is no address.
    """
    import ipaddress

    from edgeflow.errors import ConfigError

    if where == "all":
        return None
    try:
        return [str(ipaddress.ip_address(where))]
    except ValueError as error:
        raise ConfigError(
            f"{where[:80]!r} is no address", hint="such as 192.168.1.5, or all"
        ) from (error)


def service(name: str, port: int, **properties: str) -> "Announcement":
    """A service of this machine."""
    import socket

    from edgeflow import __version__
    from edgeflow.devices.discovery import Announcement

    host = socket.gethostname().partition(".")[0][:40]
    about = {"service": name, "version": __version__, **properties}
    return Announcement(f"{name}-{host}", "service", port, about)


@contextmanager
def announcing(where: str, who: "Iterable[Announcement]") -> Iterator[None]:
    """Announce until the block ends; an empty ``where`` announces nothing."""
    if not where:
        yield
        return
    from edgeflow.devices.discovery import Announcer

    told = list(who)
    with Announcer(told, interfaces_of(where)):
        narrate(f"announced on the local network: {len(told)}; edgeflow devices discover shows it")
        yield
