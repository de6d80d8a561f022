"""Who reaches whom: services, and policies that allow what links need and nothing else."""

from collections.abc import Iterator
from typing import Any

from edgeflow.deploy.kubernetes.naming import Target, labels_of, metadata, selects
from edgeflow.deploy.servers import PORT
from edgeflow.deploy.workloads import PUBLIC_SUFFIX, Kind, Port, Stack, Workload

__all__ = ["policies", "services"]

DENY = "edgeflow-deny"
KEDA_NAMESPACE = "keda"
_ANY = {"protocol": "TCP", "port": 1024, "endPort": 65535}
"""Ports that a program which chooses its own may get."""
_DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def services(stack: Stack, target: Target) -> Iterator[dict[str, Any]]:
    """Yield a service per workload that others connect to, one more where people do."""
    for workload in stack.all:
        inner = [_port(port) for port in workload.ports if port.service]
        peers = any(port.peers for port in workload.ports)
        public = [_port(port, public=True) for port in workload.ports if port.public]
        if inner:
            yield _service(stack, target, workload, _inner(inner, peers=peers))
        elif workload.persistent:  # a StatefulSet names one
            ports = [_port(port) for port in workload.ports]
            headless = {"type": "ClusterIP", "clusterIP": "None", "ports": ports}
            yield _service(stack, target, workload, headless)
        if public:
            outer = _service(stack, target, workload, {"type": "NodePort", "ports": public})
            outer["metadata"]["name"] += PUBLIC_SUFFIX
            yield outer


def _inner(ports: list[dict[str, Any]], *, peers: bool) -> dict[str, Any]:
    """Peers are found before they are ready: they become ready by finding each other."""
    spec: dict[str, Any] = {"type": "ClusterIP", "ports": ports}
    return spec | {"clusterIP": "None", "publishNotReadyAddresses": True} if peers else spec


def _service(
    stack: Stack, target: Target, workload: Workload, spec: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(stack, target, workload.name, workload),
        "spec": spec | {"selector": selects(stack, workload.name)},
    }


def _port(port: Port, *, public: bool = False) -> dict[str, Any]:
    # The number is that of the container: nothing has to be mapped, so nothing can be mapped wrong.
    entry: dict[str, Any] = {
        "name": port.name,
        "port": port.number,
        "targetPort": port.name,
        "protocol": port.protocol,
    }
    if public and port.node_port is not None:
        entry["nodePort"] = port.node_port
    return entry


def policies(stack: Stack, target: Target) -> Iterator[dict[str, Any]]:
    """Yield a policy that denies everything, and one per workload for what it needs."""
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(stack, target, DENY),
        "spec": {
            "podSelector": {"matchLabels": labels_of(stack)},
            "policyTypes": ["Ingress", "Egress"],
        },
    }
    for workload in stack.all:
        yield _policy(stack, target, workload)


def _policy(stack: Stack, target: Target, workload: Workload) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": selects(stack, workload.name)},
        "policyTypes": ["Ingress", "Egress"],
    }
    ingress, egress = _ingress(stack, workload), _egress(stack, workload)
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = egress
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(stack, target, workload.name, workload),
        "spec": spec,
    }


def _ingress(stack: Stack, workload: Workload) -> list[dict[str, Any]]:
    rules = []
    for port in workload.ports:
        callers = _callers(stack, workload, port.name)
        if workload.kind is Kind.REDIS and port.name == PORT and _scales(stack):
            keda = {"kubernetes.io/metadata.name": KEDA_NAMESPACE}
            callers.append({"namespaceSelector": {"matchLabels": keda}})
        ports = [{"port": port.number, "protocol": port.protocol}]
        if port.public:
            rules.append({"ports": ports})
        elif callers:
            rules.append({"from": callers, "ports": ports})
    anywhere = _callers(stack, workload, "")
    return [*rules, {"from": anywhere, "ports": [_ANY]}] if anywhere else rules


def _callers(stack: Stack, workload: Workload, port: str) -> list[dict[str, Any]]:
    """Return who connects to a port of a workload."""
    return [
        {"podSelector": {"matchLabels": selects(stack, other.name)}}
        for other in stack.all
        for reach in other.reaches
        if (reach.workload, reach.port) == (workload.name, port)
    ]


def _egress(stack: Stack, workload: Workload) -> list[dict[str, Any]]:
    if workload.outside:
        return [{}]
    ports = {other.name: {port.name: port for port in other.ports} for other in stack.all}
    rules: list[dict[str, Any]] = []
    for reach in workload.reaches:
        entry: dict[str, Any] = _ANY
        if reach.port:
            port = ports[reach.workload][reach.port]
            entry = {"port": port.number, "protocol": port.protocol}
        peer = {"podSelector": {"matchLabels": selects(stack, reach.workload)}}
        rules.append({"to": [peer], "ports": [entry]})
    return [{"ports": _DNS}, *rules] if rules else []


def _scales(stack: Stack) -> bool:
    return any(workload.scale is not None for workload in stack.workloads)
