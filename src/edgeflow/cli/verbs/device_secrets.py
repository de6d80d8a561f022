"""``devices credentials`` and ``certificates``: who may enter the broker, and how it is proved."""

from pathlib import Path
from typing import Annotated

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json

__all__ = ["certificates", "credentials"]

BROKER = Path("stack/mosquitto")
TLS = BROKER / "tls"


def credentials(
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE...", help="Ids of devices.")],
    *,
    passwords: Annotated[
        Path, typer.Option(metavar="FILE", help="Of passwords, as mosquitto_passwd writes it.")
    ] = BROKER / "passwords",
    acl: Annotated[
        Path, typer.Option(metavar="FILE", help="Of rules; those of devices are added.")
    ] = BROKER / "acl",
    remove: Annotated[bool, typer.Option("--remove", help="Let them in no more.")] = False,
    json: JsonOption = False,
) -> int:
    """Give devices a password each, shown once; those they had before no longer hold."""
    from edgeflow.security.broker_users import PasswordFile, write_rules

    file = PasswordFile(passwords)
    if remove:
        file.revoke(devices)
        fresh: dict[str, str] = {}
    else:
        fresh = file.issue(devices)
        if write_rules(acl):
            narrate(f"{acl}: each device speaks for itself, and hears what is meant for it")
    if json:
        write_json([{"device": name, "password": secret} for name, secret in fresh.items()])
    else:
        for name, secret in fresh.items():
            write(f"{name} {secret}")
    narrate(f"{passwords}: {len(file.users())} users; the broker reads it when it is restarted")
    return 0


def certificates(
    *,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Of the authority and what it signs.")
    ] = TLS,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="By which clients call the broker; may be repeated."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A certificate for this device, too; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make a private authority, once, and certificates of the broker and of devices."""
    from edgeflow.security.authority import AUTHORITY_DAYS, CERTIFICATE_DAYS, Authority

    authority = Authority(folder)
    hosts = host or ["mosquitto", "localhost", "127.0.0.1"]
    issued = [*authority.issue("server", hosts)]
    for name in device or ():
        issued += authority.issue(name)
    if json:
        write_json({"ca": str(authority.certificate), "files": [str(each) for each in issued]})
    else:
        write(str(authority.certificate))
        for path in issued:
            write(str(path))
    narrate(
        f"{authority.certificate} goes to every client and is good for {AUTHORITY_DAYS} days; "
        f"the others for {CERTIFICATE_DAYS}"
    )
    return 0
