"""A whole Compose file."""

from collections.abc import Iterator
from typing import Any

from edgeflow.deploy.compose.placing import (
    INSIDE,
    OUTSIDE,
    Place,
    is_outside,
    lasting,
    services_of,
    volume_name,
)
from edgeflow.deploy.compose.services import services
from edgeflow.deploy.workloads import Stack

__all__ = ["document", "remarks"]


def document(stack: Stack, place: Place) -> dict[str, Any]:
    """Return the Compose file of a stack; equal stacks give equal files."""
    networks: dict[str, Any] = {INSIDE: {"internal": True}}
    if any(is_outside(workload) for workload in stack.all):
        networks[OUTSIDE] = {}
    found = {"name": stack.app, "services": services(stack, place), "networks": networks}
    volumes: dict[str, Any] = {
        volume_name(name, volume): {}
        for workload in stack.all
        for name in services_of(stack, workload)
        for volume in lasting(workload)
    }
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
