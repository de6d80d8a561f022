"""From a flow to the ``Stack`` that runs it."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.deploy.flows import DATA_HOST, REDIS_HOST, Flow, read
from edgeflow.deploy.images import extras_of_node, image_of
from edgeflow.deploy.names import label, labels
from edgeflow.deploy.node_workloads import TOKEN, Surroundings, demands_of, workloads_of
from edgeflow.deploy.servers import PASSWORD, servers_of
from edgeflow.deploy.workloads import PUBLIC_SUFFIX, SecretKey, Stack, Workload
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.pipelines.declaration import Declaration

__all__ = ["plan", "plan_file"]

_RESERVED = (REDIS_HOST, DATA_HOST, "edgeflow")
_GENERATED = (PASSWORD, TOKEN)


def plan_file(file: Path) -> Stack:
    """Return the stack of the flow that a Python or YAML file declares.

    Raises:
        ConfigError: the file, the broker, or what it asks for is wrong.
        GraphError: its graph has problems.
    """
    return plan(read(file))


def plan(flow: Flow) -> Stack:
    """Return the stack of a flow.

    Raises:
        ConfigError: the broker reaches no other host, or a node asks for something impossible.
    """
    if flow.declaration is not None:
        return _plan_pipelines(flow, flow.declaration)
    servers, away = servers_of(flow)
    app = label(flow.graph.name, "flow")
    public = [f"{label(name)}{PUBLIC_SUFFIX}" for name in flow.graph.names]
    names = labels(flow.graph.names, [*_RESERVED, *public])
    asked = [demands_of(node) for node in flow.graph.nodes]
    extras = [extra for node in flow.graph.nodes for extra in extras_of_node(node)]
    extras += ["zenoh"] if flow.broker is not None and flow.broker.via == "zenoh" else []
    extras += ["lz4"] if any(link.codec == "lz4" for link in flow.graph.links) else []
    image = image_of(app, flow.file, extras, asked)
    workloads = workloads_of(Surroundings(flow, names, image, servers, away))
    _check_node_ports(workloads)
    _check_scaled(workloads, servers)
    generated, wanted = _secrets((*servers, *workloads))
    return Stack(app, flow.graph.name, image, servers, workloads, generated, wanted)


def _plan_pipelines(flow: Flow, declaration: "Declaration") -> Stack:
    from edgeflow.deploy.pipelines_workload import (
        demands_of_file,
        extras_of,
        warnings_of,
        workload_of,
    )

    app = label(flow.graph.name, "flow")
    asked = demands_of_file(declaration)
    image = image_of(app, flow.file, extras_of(declaration), [asked])
    (name,) = labels([flow.graph.name], _RESERVED, "flow").values()
    workloads = (workload_of(flow, declaration, name, image),)
    generated, wanted = _secrets(workloads)
    warnings = tuple(warnings_of(declaration))
    return Stack(app, flow.graph.name, image, (), workloads, generated, wanted, warnings)


def _secrets(workloads: Iterable[Workload]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the secrets that are made up, and those that somebody must supply."""
    used = {
        value.key
        for workload in workloads
        for value in workload.environment.values()
        if isinstance(value, SecretKey)
    }
    own = tuple(key for key in _GENERATED if key in used)
    return own, tuple(sorted(used - {*own}))


def _check_node_ports(workloads: Iterable[Workload]) -> None:
    owners: dict[int, str] = {}
    for workload in workloads:
        for port in workload.ports:
            if port.node_port is not None:
                first = owners.setdefault(port.node_port, workload.title)
                if first != workload.title:
                    raise ConfigError(
                        f"nodes {first!r} and {workload.title!r} have the same "
                        f"node_port={port.node_port}",
                        hint="choose another one for one of them",
                    )


def _check_scaled(workloads: Iterable[Workload], servers: Iterable[Workload]) -> None:
    if any(server.name == REDIS_HOST for server in servers):
        return
    for workload in workloads:
        if workload.scale is not None:
            raise ConfigError(
                f"node {workload.title!r}: max_replicas needs a Redis of the deployment, where "
                "the frames that wait are counted",
                hint="leave the address of the broker out, or set replicas",
            )
