"""What a Compose file calls the parts of a stack, and which workloads become several services."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgeflow.deploy.workloads import Image, Port, Stack, Volume, Workload

__all__ = [
    "CONTEXT",
    "INSIDE",
    "OUTSIDE",
    "Place",
    "is_outside",
    "lasting",
    "published",
    "services_of",
    "volume_name",
]

INSIDE, OUTSIDE = "inside", "outside"
"""Networks: one that leads nowhere, and one for whoever is reached from, or reaches, elsewhere."""
CONTEXT = "./image"
"""Folder that the image is built from, beside the Compose file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack goes.

    Attributes:
        image: reference of the image of the flow.
        builds: it is built from ``CONTEXT``.
        pulls: it may be fetched from a registry.
        address: of this host, where ports are published; empty for all of them.
        taken: ports of this host that something else of the file publishes.
    """

    image: str
    builds: bool = True
    pulls: bool = False
    address: str = "127.0.0.1"
    taken: frozenset[int] = frozenset()

    def reference(self, workload: Workload) -> str:
        """Return the image of a workload."""
        return self.image if isinstance(workload.image, Image) else workload.image


def services_of(stack: Stack, workload: Workload) -> tuple[str, ...]:
    """Return the names of the services of a workload.

    Instances that keep something, or that others connect to one by one, are services of their own:
    instances of one service share their volumes and their name. No workload has ``_`` in its name.
    """
    if workload.replicas > 1 and (workload.persistent or needs_name(stack, workload)):
        return tuple(f"{workload.name}_{number + 1}" for number in range(workload.replicas))
    return (workload.name,)


def needs_name(stack: Stack, workload: Workload) -> bool:
    """Return whether others connect to ports that it chooses itself, so must know its host.

    Where it has two networks, it cannot tell by which of its addresses they do.
    """
    chosen = any(
        reach.workload == workload.name and not reach.port
        for other in stack.all
        for reach in other.reaches
    )
    return chosen and is_outside(workload)


def is_outside(workload: Workload) -> bool:
    """Return whether a workload has to do with hosts outside the stack."""
    return workload.outside or any(port.public for port in workload.ports)


def lasting(workload: Workload) -> Iterator[Volume]:
    """Yield the folders of a workload that outlive its containers."""
    return (volume for volume in workload.volumes if volume.persistent)


def volume_name(service: str, volume: Volume) -> str:
    """Return what the volume of a service is called."""
    return f"{service}_{volume.name}"


def published(stack: Stack, place: Place) -> dict[tuple[str, str], int]:
    """Return the port of this host for each public port, by workload and name.

    It is the ``node_port`` that the author chose, else the port itself, else the next free one.
    """
    public = [(workload, port) for workload in stack.all for port in workload.ports if port.public]
    chosen = {(w.name, p.name): p.node_port for w, p in public if p.node_port is not None}
    used = {(number, "TCP") for number in (*place.taken, *chosen.values())}
    found: dict[tuple[str, str], int] = dict(chosen)
    for workload, port in public:
        if (workload.name, port.name) not in found:
            found[workload.name, port.name] = _free(port, used)
    return found


def _free(port: Port, used: set[tuple[int, str]]) -> int:
    number = port.number
    while (number, port.protocol) in used:
        number += 1
    used.add((number, port.protocol))
    return number
