"""Checks that names in a YAML file lead somewhere, and finds what nothing leads to."""

from collections.abc import Iterator, Sequence
from typing import Any

from edgeflow.pipelines.declaration import AgentPlan
from edgeflow.pipelines.loading.parts import DEFAULT_DISPATCHER, listed, names_of, sections
from edgeflow.pipelines.loading.problems import Problems, key_name
from edgeflow.pipelines.loading.tree import KeyPath
from edgeflow.pipelines.loading.validation import hint_for

__all__ = ["check_references"]

_CODE = "EF-CONFIG-015"


def check_references(
    raw: dict[str, Any],
    problems: Problems,
    agents: Sequence[AgentPlan],
) -> None:
    """Add what is wrong with the names in ``raw`` to ``problems``."""
    _check_pipelines(raw, problems)
    _check_agents(raw, problems)
    _check_dispatchers(raw, problems, agents)
    _check_zones(raw, problems)
    _check_gateways(raw, problems)
    _check_ports(raw, problems)


def _known(problems: Problems, what: str, name: str, known: Sequence[str], path: KeyPath) -> None:
    if name not in known:
        problems.add(_CODE, path, f"there is no {what} {name!r}", hint_for(name, known))


def _check_pipelines(raw: dict[str, Any], problems: Problems) -> None:
    entries = {str(e.get("id")): path for path, e in listed(raw, "pipelines")}
    used = set()
    for path, entry in listed(raw, "connectors"):
        for place, name in _pipelines_of(path, entry):
            used.add(name)
            _known(problems, "pipeline", name, [*entries], place)
    for path, entry in listed(raw, "pipelines"):
        for place, name in names_of(entry.get("then"), (*path, "then")):
            used.add(name)
            _known(problems, "pipeline", name, [*entries], place)
    for name, path in entries.items():
        if name not in used:
            problems.warn((*path, "id"), f"no connector leads to pipeline {name!r}", key=False)


def _pipelines_of(path: KeyPath, entry: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    yield from names_of(entry.get("pipeline"), (*path, "pipeline"))
    topics = entry.get("topics")
    for index, topic in enumerate(topics if isinstance(topics, list) else []):
        if isinstance(topic, dict):
            yield from names_of(topic.get("pipeline"), (*path, "topics", index, "pipeline"))


def _check_agents(raw: dict[str, Any], problems: Problems) -> None:
    known = [*sections(raw, "agents")]
    used = set()
    for path, entry in listed(raw, "pipelines"):
        for place, name in names_of(entry.get("agents"), (*path, "agents")):
            used.add(name)
            _known(problems, "agent", name, known, place)
    for entry in sections(raw, "agents").values():
        used.update(name for _, name in names_of(entry.get("agent"), ()))
    for name in known:
        if name not in used:
            problems.warn(("agents", name), f"no pipeline names the agent {name!r}")


def _check_dispatchers(
    raw: dict[str, Any], problems: Problems, agents: Sequence[AgentPlan]
) -> None:
    known = [*sections(raw, "actions")]
    named = {agent.name: {*agent.dispatchers} for agent in agents}
    for agent_name, entry in sections(raw, "agents").items():
        path: KeyPath = ("agents", agent_name)
        names = named.setdefault(agent_name, set())
        names.update(name for _, name in names_of(entry.get("dispatcher"), path))
        for name in sorted(names - {*known, DEFAULT_DISPATCHER}):
            place = _place_of(entry, "dispatcher", name, path)
            problems.add(_CODE, place, f"there is no action {name!r}", hint_for(name, known))
    used = {name for names in named.values() for name in names}
    for name in known:
        if name not in used:
            problems.warn(("actions", name), f"no agent names the action {name!r}")


def _place_of(value: Any, key: str, name: str, path: KeyPath) -> KeyPath:
    """Return the path of the first ``key: name`` inside ``value``."""
    if isinstance(value, dict):
        if value.get(key) == name:
            return (*path, key)
        parts: Sequence[tuple[Any, Any]] = [*value.items()]
    elif isinstance(value, list):
        parts = [*enumerate(value)]
    else:
        return path
    for part, inner in parts:
        here = (*path, part)
        found = _place_of(inner, key, name, here)
        if found != here:
            return found
    return path


def _check_zones(raw: dict[str, Any], problems: Problems) -> None:
    zones = raw.get("zones")
    known = [*zones] if isinstance(zones, dict) else []
    used = set()
    for name, entry in sections(raw, "agents").items():
        for path, zone in names_of(entry.get("zone"), ("agents", name, "zone")):
            used.add(zone)
            if known:
                _known(problems, "zone", zone, known, path)
            else:
                problems.warn(
                    path,
                    f"zone {zone!r} has no polygon: the whole picture counts",
                    "draw it under 'zones:'",
                    key=False,
                )
    for name in known:
        if name not in used:
            problems.warn(("zones", name), f"no agent names the zone {name!r}")


def _check_gateways(raw: dict[str, Any], problems: Problems) -> None:
    known = ["default", *sections(raw, "gateways")]
    affinity = raw.get("model_affinity")
    for model, value in (affinity if isinstance(affinity, dict) else {}).items():
        for path, name in names_of(value, ("model_affinity", model)):
            _known(problems, "gateway", name, known, path)


def _check_ports(raw: dict[str, Any], problems: Problems) -> None:
    """Find two servers of this process that want the same port."""
    dashboard = raw.get("dashboard")
    wanted: list[tuple[KeyPath, Any]] = [(("metrics_port",), raw.get("metrics_port"))]
    if isinstance(dashboard, dict):
        wanted.append((("dashboard", "port"), dashboard.get("port")))
    for path, entry in listed(raw, "connectors"):
        if entry.get("type") == "http":
            wanted.append(((*path, "port"), entry.get("port")))
    first: dict[int, KeyPath] = {}
    for path, port in wanted:
        if isinstance(port, int) and port > 0:
            owner = first.setdefault(port, path)
            if owner != path:
                text = f"port {port} is wanted by {key_name(owner)} too"
                problems.add("EF-CONFIG-021", path, text, "choose another port for one of them")
