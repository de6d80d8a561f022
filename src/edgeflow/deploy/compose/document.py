"""A whole Compose file."""

from collections.abc import Iterator
from typing import Any

from edgeflow.deploy.compose.infrastructure import Infrastructure
from edgeflow.deploy.compose.placing import (
    INSIDE,
    OUTSIDE,
    Place,
    lasting,
    services_of,
    volume_name,
)
from edgeflow.deploy.compose.services import services
from edgeflow.deploy.workloads import Stack
from edgeflow.errors import ConfigError

__all__ = ["document", "remarks"]


def document(stack: Stack, place: Place, servers: Infrastructure | None = None) -> dict[str, Any]:
    """Return the Compose file of a stack; equal stacks give equal files.

    Args:
        stack: what runs.
        place: where it runs.
        servers: what somebody wants beside it.

    Raises:
        ConfigError: a node is called like one of the servers.
    """
    more = servers.services if servers is not None else {}
    own = services(stack, place)
    for name in own.keys() & more.keys():
        raise ConfigError(
            f"a node and a server are both called {name!r}", hint="choose another name for the node"
        )
    made = {**own, **more}
    networks: dict[str, Any] = {INSIDE: {"internal": True}}
    if any(OUTSIDE in one.get("networks", ()) for one in made.values()):
        networks[OUTSIDE] = {}
    found = {"name": stack.app, "services": made, "networks": networks}
    volumes: dict[str, Any] = {
        volume_name(name, volume): {}
        for workload in stack.all
        for name in services_of(stack, workload)
        for volume in lasting(workload)
    }
    volumes |= {name: {} for name in (servers.volumes if servers is not None else ())}
    return found | ({"volumes": volumes} if volumes else {})


def remarks(stack: Stack) -> Iterator[str]:
    """Yield what a flow asks for that Compose has not."""
    for workload in stack.workloads:
        if workload.scale is not None:
            yield (
                f"node {workload.title!r} has {workload.replicas} instances whatever waits; more: "
                f"docker compose up --scale {workload.name}={workload.scale.high}"
            )
        others = [name for name in workload.resources.devices if name != "nvidia.com/gpu"]
        if others:
            yield (
                f"node {workload.title!r} asks for {', '.join(others)}, which only a cluster has: "
                f"name the device in a compose.override.yaml, below {workload.name}: as in "
                'devices: ["/dev/video0"]'
            )
