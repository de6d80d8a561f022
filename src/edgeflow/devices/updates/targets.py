"""Which nodes: addresses typed, groups from a file, or those that a gateway hears."""

from collections.abc import Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import msgspec

from edgeflow.config import settings
from edgeflow.devices.updates.client import NodeAddress
from edgeflow.devices.updates.signing import read_file
from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError, did_you_mean

__all__ = ["heard_nodes", "parse_nodes", "read_groups"]

MAX_NODES = 10_000
MAX_FILE = 1 << 20
MAX_ANSWER = 32 << 20
SECONDS = 10.0


def parse_nodes(words: Iterable[str]) -> list[NodeAddress]:
    """Return the addresses of words such as ``host``, ``host:port`` and ``a,b,c``, each once.

    Raises:
        ConfigError: one is no address, or there are too many.
    """
    parts = (part for word in words for part in word.split(",") if part.strip())
    found = dict.fromkeys(NodeAddress.parse(part) for part in parts)
    if len(found) > MAX_NODES:
        raise ConfigError(f"{len(found)} nodes are too many", hint=f"{MAX_NODES} at most")
    return list(found)


def read_groups(path: Path, names: Sequence[str]) -> list[NodeAddress]:
    """Return the nodes of the groups in a YAML file; of all groups without names.

    ::

        groups:
          kitchen: [192.168.1.31, 192.168.1.32]
          hall: [192.168.1.40:8032]

    Raises:
        ConfigError: there is no such file or group, or it has another form.
        MissingExtraError: PyYAML is not installed.
    """
    groups = _load(path)
    chosen = list(names) or list(groups)
    for name in chosen:
        if name not in groups:
            raise ConfigError(
                f"{path}: there is no group {name!r}", hint=did_you_mean(name, list(groups))
            )
    return parse_nodes(word for name in chosen for word in groups[name])


def _load(path: Path) -> dict[str, list[str]]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("yaml", "pipelines") from error
    try:
        data = yaml.safe_load(read_file(path, MAX_FILE))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no YAML: {error}") from None
    groups: Any = data.get("groups") if isinstance(data, dict) else None
    if not isinstance(groups, dict) or not all(_is_group(*each) for each in groups.items()):
        raise ConfigError(
            f"{path} has no groups of nodes",
            hint="groups: {kitchen: [192.168.1.31, 192.168.1.32]}",
        )
    return groups


def _is_group(name: Any, nodes: Any) -> bool:
    listed = isinstance(name, str) and isinstance(nodes, list)
    return listed and all(isinstance(node, str) for node in nodes)


def heard_nodes(url: str) -> list[NodeAddress]:
    """Return the nodes that a gateway hears, at their update servers' usual port.

    Args:
        url: of a dashboard, such as ``http://127.0.0.1:8000``; it is shown our token, if any.

    Raises:
        ConfigError: no such URL.
        UnreachableError: nobody answers there, or something else does.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"{url!r} is no address of a dashboard", hint="http://127.0.0.1:8000")
    headers = {"Accept": "application/json"}
    if settings.TOKEN:
        headers["Authorization"] = f"Bearer {settings.TOKEN}"
    request = Request(url.rstrip("/") + "/api/csi/nodes", headers=headers)  # noqa: S310 - as below
    try:
        with urlopen(request, timeout=SECONDS) as response:  # noqa: S310 - the scheme was checked
            said = msgspec.json.decode(response.read(MAX_ANSWER), type=list[dict[str, Any]])
    except (URLError, OSError, HTTPException, ValueError, msgspec.DecodeError) as error:
        raise UnreachableError(f"{url} lists no nodes: {error}") from None
    hosts = (str(node.get("address", "")) for node in said)
    return parse_nodes(_host(host) for host in hosts if host)


def _host(address: str) -> str:
    host, _, port = address.rpartition(":")
    return host if host.count(":") == 0 and port.isdigit() and host else address
