"""Options that the verbs of ``ota`` share: which nodes, and which secrets."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import narrate

if TYPE_CHECKING:
    from edgeflow.devices.provisioning.values import Value
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
    "settings_of",
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
    from edgeflow.devices.updates.client import NodeClient

    psk = str(settings_of({"ota-key": secret})["ota-key"])
    return lambda node: NodeClient(node, psk)


def settings_of(given: dict[str, str | None]) -> "dict[str, Value]":
    """Return what a node is provisioned with for options such as ``ota-key``, those not None.

    Raises:
        ConfigError: a value is none, or cannot be found.
    """
    import os

    from edgeflow.devices.provisioning.keys import find_setting
    from edgeflow.devices.provisioning.secrets import is_in_clear, resolve
    from edgeflow.devices.provisioning.values import parse_values

    texts = {}
    for name, text in given.items():
        setting = find_setting(name)
        if text is None or setting is None:
            continue
        if is_in_clear(setting, text):
            narrate(f"{setting.flag} stands in the list of processes; better: env:NAME, file:PATH")
        texts[name] = resolve(setting, text, ask=_ask_secret, environment=os.environ)
    return parse_values(texts)


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
