"""One workload per node of a flow: what it runs, what it is told, whom it reaches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeflow.core.graph import LinkSpec, NodeSpec, Role
from edgeflow.core.qos import QoS
from edgeflow.deploy.demands import Demands, cores, demands, mebibytes
from edgeflow.deploy.flows import DATA_HOST, REDIS_HOST, Flow
from edgeflow.deploy.images import APP_FOLDER, DATA_FOLDER
from edgeflow.deploy.peers import (
    peer_environment,
    peer_port,
    peer_reaches,
    peer_volumes,
)
from edgeflow.deploy.scaling import scale_of
from edgeflow.deploy.servers import INFRASTRUCTURE, PASSWORD, PORT, finds_peers
from edgeflow.deploy.workloads import (
    PROBE_PORT,
    Image,
    InstanceName,
    Kind,
    Port,
    Probe,
    Probes,
    Reach,
    Resources,
    SecretKey,
    Value,
    Volume,
    Workload,
)
from edgeflow.errors import ConfigError

__all__ = [
    "FRAMES_PORT",
    "HTTP_PORT",
    "TOKEN",
    "Surroundings",
    "demands_of",
    "own_environment",
    "probes_of",
    "resources_of",
    "selector_of",
    "volumes_of",
    "workloads_of",
]

TOKEN = "EDGEFLOW_TOKEN"  # noqa: S105 - the name of a variable
FRAMES_PORT, HTTP_PORT = 8080, 8000
LOWEST_NODE_PORT, HIGHEST_NODE_PORT = 30000, 32767

_WRITERS = ("edgeflow.nodes.sinks.",)
"""Modules of built-in nodes that write files: they get a disk without asking."""
_TRAVELLERS = ("edgeflow.nodes.sources.camera", "edgeflow.nodes.vision.faces")
"""Modules of built-in nodes that talk to hosts outside the flow."""
_GPU = "nvidia.com/gpu"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_USUAL_STORAGE = 1024


def demands_of(node: NodeSpec) -> Demands:
    """Return what the declaration of a node asks for.

    Raises:
        ConfigError: it cannot be understood.
    """
    return demands(node.options.get("deploy"), _place(node))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the nodes of a flow share.

    Attributes:
        flow: the flow.
        names: names of the workloads by those of the nodes.
        image: what they run.
        servers: what is run beside them.
        away: the broker also uses a server elsewhere.
    """

    flow: Flow
    names: Mapping[str, str]
    image: Image
    servers: Sequence[Workload]
    away: bool


def workloads_of(around: Surroundings) -> tuple[Workload, ...]:
    """Return a workload for each node, in order of declaration."""
    return tuple(_workload(node, around) for node in around.flow.graph.nodes)


def _workload(node: NodeSpec, around: Surroundings) -> Workload:
    flow, names, image, servers = around.flow, around.names, around.image, around.servers
    asked, place = demands_of(node), _place(node)
    if not node.name.isprintable():
        raise ConfigError(f"{place}: its name cannot be printed", hint="choose another name")
    is_gateway = node.role is Role.GATEWAY
    gateway = node.name if is_gateway else _gateway_of(flow, node)
    volumes = volumes_of(asked, place, writes=_is_from(node, _WRITERS))
    lasting = any(volume.path == DATA_FOLDER for volume in volumes)
    reaches = [Reach(server.name, PORT) for server in servers]
    environment = _environment(node, servers, asked, names.get(gateway or "", ""))
    ports = [*_ports(node)]
    if finds_peers(flow):
        environment |= peer_environment(flow, node.name, names[node.name], names.values())
        reaches += peer_reaches(names.values())
        volumes += peer_volumes(flow, node.name)
        ports.append(peer_port())
    if gateway is not None and not is_gateway and _direct(flow, node):
        reaches.append(Reach(names[gateway], "frames"))
    reaches += [Reach(names[target], "") for target in _direct_targets(flow, node)]
    return Workload(
        name=names[node.name],
        title=node.name,
        kind=Kind.GATEWAY if is_gateway else Kind.NODE,
        image=image,
        command=("edgeflow", "run", f"{APP_FOLDER}/{image.file}"),
        folder=DATA_FOLDER if lasting else APP_FOLDER,
        environment=environment,
        ports=tuple(ports),
        replicas=node.replicas,
        scale=scale_of(flow.graph, node, asked, place),
        selector=_selector(node),
        resources=resources_of(asked, node.device, place),
        probes=probes_of(asked),
        volumes=volumes,
        groups=tuple(asked.groups),
        reaches=tuple(reaches),
        outside=around.away
        or (_is_from(node, _TRAVELLERS) if asked.egress is None else asked.egress),
        single=node.role in (Role.PRODUCER, Role.FUSION, Role.GATEWAY),
    )


def _place(node: NodeSpec) -> str:
    where = f"{node.place}: " if node.place else ""
    return f"{where}node {node.name!r}"


def _is_from(node: NodeSpec, prefixes: tuple[str, ...]) -> bool:
    bases = getattr(node.factory, "__mro__", ())
    return any(base.__module__.startswith(prefixes) for base in bases)


def _goes_out(node: NodeSpec, asked: Demands) -> bool:
    return _is_from(node, _TRAVELLERS) if asked.egress is None else asked.egress


# --- links -------------------------------------------------------------------------------------


def _direct_links(flow: Flow, node: NodeSpec) -> list[LinkSpec]:
    """Return the links of a node that lead to a gateway without the broker."""
    found = []
    for link in flow.graph.links_from(node.name):
        target = flow.graph.node(link.target)
        if target is not None and target.role is Role.GATEWAY and link.qos is not QoS.DURABLE:
            found += [link] if link.via in (None, "tcp") else []
    return found


def _direct(flow: Flow, node: NodeSpec) -> bool:
    return bool(_direct_links(flow, node))


def _direct_targets(flow: Flow, node: NodeSpec) -> list[str]:
    """Return the nodes other than gateways that a node sends to without the broker."""
    links = flow.graph.links_from(node.name)
    targets = dict.fromkeys(link.target for link in links if link.via == "tcp")
    gateways = {spec.name for spec in flow.graph.nodes if spec.role is Role.GATEWAY}
    return [target for target in targets if target not in gateways]


def _gateway_of(flow: Flow, node: NodeSpec) -> str | None:
    """Return the gateway that a node sends to, else the flow's first; None where there is none.

    Raises:
        ConfigError: the node sends to more than one.
    """
    targets = [*dict.fromkeys(link.target for link in _direct_links(flow, node))]
    if len(targets) > 1:
        raise ConfigError(
            f"{_place(node)} sends to the gateways {targets[0]!r} and {targets[1]!r}, but a pod "
            "has one GATEWAY_HOST",
            hint='let all but one link go through the broker: .to("...", via="broker")',
        )
    gateways = [spec.name for spec in flow.graph.nodes if spec.role is Role.GATEWAY]
    return next(iter([*targets, *gateways]), None)


# --- one workload ------------------------------------------------------------------------------


def _environment(
    node: NodeSpec, servers: Sequence[Workload], asked: Demands, gateway: str
) -> dict[str, Value]:
    values = own_environment(node.name)
    for server in servers:
        prefix = "DATA_REDIS" if server.name == DATA_HOST else "REDIS"
        values[f"{prefix}_HOST"] = server.name
        values[f"{prefix}_PORT"] = str(server.port(PORT).number)
    if any(server.name in (REDIS_HOST, DATA_HOST) for server in servers):
        values[PASSWORD] = SecretKey(PASSWORD)
    if gateway:
        values["GATEWAY_HOST"] = gateway
        values["GATEWAY_TCP_PORT"] = str(FRAMES_PORT)
        values["GATEWAY_HTTP_PORT"] = str(HTTP_PORT)
    return values | asked.environment | {name: SecretKey(name) for name in asked.secrets}


def own_environment(title: str) -> dict[str, Value]:
    """Return what every process of EdgeFlow is told."""
    return {
        "NODE_NAME": title,
        "HOSTNAME": InstanceName(),
        "HOME": "/tmp",  # noqa: S108 - the only folder that every container can write to
        "PYTHONUTF8": "1",
        "EDGEFLOW_BIND": "0.0.0.0",
        TOKEN: SecretKey(TOKEN),
        "EDGEFLOW_PROBE_PORT": str(PROBE_PORT),
    }


def _ports(node: NodeSpec) -> Iterator[Port]:
    if node.role is Role.GATEWAY:
        yield Port("frames", FRAMES_PORT, service=True)
        yield Port("http", HTTP_PORT, service=True, public=True, node_port=_node_port(node))
    yield Port("probes", PROBE_PORT)


def _node_port(node: NodeSpec) -> int | None:
    wanted = node.options.get("node_port")
    if wanted is None:
        return None
    if type(wanted) is not int or not LOWEST_NODE_PORT <= wanted <= HIGHEST_NODE_PORT:
        raise ConfigError(
            f"{_place(node)} has node_port={wanted!r}",
            hint=f"clusters allow {LOWEST_NODE_PORT} to {HIGHEST_NODE_PORT}",
        )
    return wanted


def _selector(node: NodeSpec) -> dict[str, str]:
    chosen = dict(INFRASTRUCTURE) if node.role is Role.GATEWAY else {}
    if node.device is not None and node.role is not Role.GATEWAY:
        chosen |= selector_of(node.device, _place(node))
    return chosen


def selector_of(device: str, place: str) -> dict[str, str]:
    """Return the label of hosts that have a device.

    Raises:
        ConfigError: no label can be called so.
    """
    if not _LABEL.fullmatch(device):
        raise ConfigError(
            f"{place}: device={device!r} cannot be a label of hosts",
            hint="letters, digits, '-', '_' and '.', at most 63, such as 'gpu'",
        )
    return {"edgeflow.io/device": device}


def probes_of(asked: Demands) -> Probes:
    """Return the probes of a process that answers on ``PROBE_PORT``."""
    return Probes(
        live=Probe("/healthz", "probes"),
        ready=Probe("/readyz", "probes"),
        start_seconds=asked.start_seconds,
    )


def resources_of(asked: Demands, device: str | None, place: str) -> Resources:
    """Return what a node gets; ``device="gpu"`` alone asks for one GPU."""
    usual = Resources()
    gpus = (1 if device == "gpu" else 0) if asked.gpu is None else asked.gpu
    memory = mebibytes(asked.memory, place) or (1024 if gpus else usual.memory)
    limit = mebibytes(asked.memory_limit, place) or max(memory, 4096 if gpus else 1024)
    cpu = cores(asked.cpu, place) or usual.cpu
    cpu_limit = cores(asked.cpu_limit, place)
    if limit < memory or (cpu_limit or cpu) < cpu:
        raise ConfigError(f"{place}: deploy: a limit is below what is promised")
    devices = {_GPU: gpus} if gpus else {}
    return Resources(cpu, memory, cpu_limit, limit, devices | asked.devices)


def volumes_of(asked: Demands, place: str, *, writes: bool) -> tuple[Volume, ...]:
    """Return the folders a node may write to."""
    size = mebibytes(asked.storage, place) or (_USUAL_STORAGE if writes else None)
    scratch = Volume("tmp", "/tmp", 1024)  # noqa: S108 - a volume of its own
    if size is None:
        return (scratch,)
    return (scratch, Volume("data", DATA_FOLDER, size, persistent=True))
