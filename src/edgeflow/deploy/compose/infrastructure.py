"""Servers beside a flow: services of ``stack/``, as they stand there, in a flow's Compose file."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeflow.deploy.compose.placing import INSIDE, OUTSIDE
from edgeflow.deploy.kubernetes.manifests import to_yaml
from edgeflow.deploy.node_workloads import TOKEN
from edgeflow.deploy.workloads import PROBE_PORT, Stack
from edgeflow.errors import ConfigError, MissingExtraError, did_you_mean

__all__ = ["OFFERED", "Infrastructure", "infrastructure", "write_files"]

OFFERED = ("clickhouse", "grafana", "mosquitto", "prometheus")
FOLDER = "stack"
_NETWORKS = {"data": (INSIDE,), "outside": (INSIDE, OUTSIDE), "field": (INSIDE, OUTSIDE)}
_SECRET = re.compile(r"\$\{(\w+):\?\}")
_OWN = ("devices", "passwords", "tls")
"""What somebody may have put beside the files of EdgeFlow, and what is of that place only."""
PROMETHEUS = "prometheus"
_TOKEN_FILE = "/tmp/token"  # noqa: S105, S108 - of a container
_WITH_TOKEN = f'umask 077 && printf %s "$${TOKEN}" > {_TOKEN_FILE} && exec /bin/prometheus "$$@"'
"""Prometheus reads secrets from files only, and not every Compose makes files of variables."""


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Servers that somebody wants beside a flow.

    Attributes:
        source: folder that their files come from.
        services: what they are, by name.
        volumes: names of what they keep.
        mounts: their files and folders of settings, relative to ``source``.
        secrets: keys of secrets that they need.
        ports: of this host, where they listen.
    """

    source: Path
    services: Mapping[str, dict[str, Any]]
    volumes: tuple[str, ...]
    mounts: tuple[str, ...]
    secrets: tuple[str, ...]
    ports: frozenset[int]


def infrastructure(wanted: Sequence[str], source: Path | str) -> Infrastructure:
    """Return the servers of some names, and those that they need in turn.

    Args:
        wanted: some of ``OFFERED``.
        source: where EdgeFlow comes from.

    Raises:
        ConfigError: there is no such server, or EdgeFlow's sources are not there.
        MissingExtraError: PyYAML is not installed.
    """
    for name in wanted:
        if name not in OFFERED:
            raise ConfigError(f"there is no server {name!r}", hint=did_you_mean(name, OFFERED))
    folder = Path(source) / FOLDER
    if isinstance(source, str) or not (folder / "compose.yaml").is_file():
        raise ConfigError(
            "servers come with EdgeFlow's sources, and this installation has none",
            hint="--edgeflow names a folder of its sources",
        )
    known = _read(folder / "compose.yaml")
    services = {name: _service(name, known[name]) for name in _with_needed(wanted, known)}
    mounts = [mount.split(":") for one in services.values() for mount in one.get("volumes", [])]
    return Infrastructure(
        source=folder,
        services=services,
        volumes=tuple(name for name, *_ in mounts if not name.startswith(".")),
        mounts=tuple(name.removeprefix(f"./{FOLDER}/") for name, *_ in mounts if name[0] == "."),
        secrets=tuple(dict.fromkeys(_SECRET.findall(repr(services)))),
        ports=frozenset(
            int(p.split(":")[-2]) for s in services.values() for p in s.get("ports", [])
        ),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError("yaml", "deploy") from None
    found: dict[str, Any] = yaml.safe_load(file.read_text())["services"]
    return found


def _with_needed(wanted: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    needed = {other for name in wanted for other in known[name].get("depends_on", {})}
    return sorted({*wanted, *needed})


def _service(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in given.items() if key != "profiles"}
    networks = {new for old in given["networks"] for new in _NETWORKS[old]}
    made["networks"] = dict.fromkeys(sorted(networks))
    made["volumes"] = [
        f"./{FOLDER}{mount[1:]}" if mount.startswith("./") else mount for mount in given["volumes"]
    ]
    if name == PROMETHEUS:
        made["entrypoint"] = ["sh", "-c", _WITH_TOKEN, name]
        made["environment"] = {TOKEN: f"${{{TOKEN}:?}}"}
    return made


def write_files(folder: Path, servers: Infrastructure, stack: Stack) -> None:
    """Write the settings of servers into ``folder/stack``; what is there already stays.

    Prometheus is told anew which nodes there are.
    """
    if PROMETHEUS in servers.services:
        target = folder / FOLDER / PROMETHEUS / "prometheus.yml"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(to_yaml([_watching(stack)]).removeprefix("---\n"))
    for mount in servers.mounts:
        if mount == PROMETHEUS:  # rules there are those of the climate system
            continue
        for path in _files(servers.source / mount):
            name = path.relative_to(servers.source)
            target = folder / FOLDER / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(path, target)


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.name not in _OWN:
        for path in sorted(place.iterdir()):
            if path.name not in _OWN:
                yield from _files(path)


def _watching(stack: Stack) -> dict[str, Any]:
    """Return settings of Prometheus: every instance of every node, found by name."""
    names = [w.name for w in stack.workloads if any(p.number == PROBE_PORT for p in w.ports)]
    found = {"names": names, "type": "A", "port": PROBE_PORT, "refresh_interval": "15s"}
    return {
        "global": {"scrape_interval": "15s"},
        "scrape_configs": [
            {
                "job_name": stack.app,
                "authorization": {"credentials_file": _TOKEN_FILE},
                "dns_sd_configs": [found],
            }
        ],
    }
