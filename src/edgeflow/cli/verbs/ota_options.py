"""Options that the verbs of ``ota`` share: which nodes, and which secrets."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import narrate

if TYPE_CHECKING:
    from edgeflow.devices.updates.client import NodeAddress, NodeClient

__all__ = [
    "DEFAULT_KEY",
    "FileOption",
    "FromOption",
    "GroupOption",
    "KeyOption",
    "NodesArgument",
    "PassphraseOption",
    "PatienceOption",
    "chosen_nodes",
    "connector",
    "passphrase_of",
]

NodesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NODE", help="host, host:port, or several with commas."),
]
FileOption = Annotated[
    Path | None, typer.Option("--nodes", metavar="FILE", help="A YAML file of groups of nodes.")
]
GroupOption = Annotated[
    list[str] | None, typer.Option("--group", metavar="NAME", help="One of them; repeatable.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="URL", help="All nodes that this gateway hears.")
]
KeyOption = Annotated[
    str,
    typer.Option("--ota-key", metavar="SECRET", help="Key for uploads: -, env:NAME or file:PATH."),
]
PatienceOption = Annotated[
    float, typer.Option(metavar="S", min=1, max=7200, help="How long a node may take to keep it.")
]
PassphraseOption = Annotated[
    str | None,
    typer.Option(metavar="SECRET", help="Of the private key: -, env:NAME or file:PATH."),
]
DEFAULT_KEY = "env:EDGEFLOW_OTA_KEY"


def chosen_nodes(
    words: list[str] | None, file: Path | None, names: list[str] | None, heard: str | None
) -> "list[NodeAddress]":
    """Return the nodes that were asked for, each once.

    Raises:
        BadParameter: none, or a group without a file.
        ConfigError, UnreachableError, MissingExtraError: as they say.
    """
    from edgeflow.devices.updates.targets import heard_nodes, parse_nodes, read_groups

    if names and file is None:
        raise typer.BadParameter("--group needs --nodes FILE, which has the groups")
    found = parse_nodes(words or [])
    found += read_groups(file, names or []) if file is not None else []
    found += heard_nodes(heard) if heard is not None else []
    if not found:
        raise typer.BadParameter("which nodes? Give addresses, --nodes FILE or --from URL")
    return list(dict.fromkeys(found))


def connector(secret: str) -> "Callable[[NodeAddress], NodeClient]":
    """Return what makes a node's client, with the key for uploads.

    Raises:
        ConfigError: the key cannot be found, or is none.
    """
    from edgeflow.devices.provisioning.keys import find_setting
    from edgeflow.devices.updates.client import NodeClient

    setting = find_setting("ota-key")
    psk = _secret(secret, setting) if setting is not None else ""
    return lambda node: NodeClient(node, psk)


def _secret(text: str, setting: Any) -> str:
    import os

    from edgeflow.devices.provisioning.secrets import is_in_clear, resolve
    from edgeflow.errors import ConfigError

    if is_in_clear(setting, text):
        narrate(f"{setting.flag} stands in the list of processes; better: -, env:NAME, file:PATH")
    psk = resolve(setting, text, ask=_ask_secret, environment=os.environ)
    if not setting.low <= len(psk) <= setting.high or not (psk.isascii() and psk.isprintable()):
        raise ConfigError(
            f"{setting.flag}: {len(psk)} characters",
            hint=f"{setting.low:g} to {setting.high:g} printable ones, as it was provisioned",
        )
    return psk


def passphrase_of(text: str | None) -> bytes | None:
    """Return the passphrase of a private key, or None.

    Raises:
        ConfigError: it is nowhere to be found.
    """
    import os

    from edgeflow.devices.provisioning.keys import SECURITY, Setting
    from edgeflow.devices.provisioning.secrets import is_in_clear, resolve
    from edgeflow.protocols.nvs import NvsType

    if text is None:
        return None
    asked = Setting(
        "passphrase", "", NvsType.STRING, "token", "", 1, 1024, "", "none", SECURITY, secret=True
    )
    if is_in_clear(asked, text):
        narrate("--passphrase stands in the list of processes; better: -, env:NAME, file:PATH")
    return resolve(asked, text, ask=_ask_secret, environment=os.environ).encode()


def _ask_secret(question: str) -> str:
    import sys
    from getpass import getpass

    return getpass(question) if sys.stdin.isatty() else sys.stdin.readline(4096).rstrip("\r\n")
