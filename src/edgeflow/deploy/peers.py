"""What nodes need to find each other without a server: zenoh as peers of all other nodes."""

from collections.abc import Iterable

from edgeflow.core.qos import QoS
from edgeflow.deploy.flows import Flow
from edgeflow.deploy.workloads import Port, Reach, Value, Volume

__all__ = ["peer_environment", "peer_port", "peer_reaches", "peer_volumes"]

ZENOH_PORT, ZENOH_PORT_NAME = 7447, "zenoh"
SPOOL = "/spool"
SPOOL_MEBIBYTES = 1024


def peer_port() -> Port:
    """Return the port where a node is found by the others."""
    return Port(ZENOH_PORT_NAME, ZENOH_PORT, service=True, peers=True)


def peer_environment(flow: Flow, node: str, name: str, others: Iterable[str]) -> dict[str, Value]:
    """Return where a node listens, and whom it connects to at first; peers tell of more peers."""
    known = ",".join(f"tcp/{other}:{ZENOH_PORT}" for other in others if other != name)
    values: dict[str, Value] = {
        "EDGEFLOW_ZENOH_LISTEN": f"tcp/0.0.0.0:{ZENOH_PORT}",
        "EDGEFLOW_ZENOH_CONNECT": known,
    }
    if _keeps(flow, node):
        values["EDGEFLOW_ZENOH_SPOOL"] = SPOOL
    return values


def peer_reaches(others: Iterable[str]) -> list[Reach]:
    """Return whom a node connects to: everybody, its own further instances too."""
    return [Reach(other, ZENOH_PORT_NAME) for other in others]


def peer_volumes(flow: Flow, node: str) -> tuple[Volume, ...]:
    """Return where a node keeps frames that others must not miss until they have them."""
    return (Volume("spool", SPOOL, SPOOL_MEBIBYTES, persistent=True),) if _keeps(flow, node) else ()


def _keeps(flow: Flow, node: str) -> bool:
    return any(link.qos is QoS.DURABLE for link in flow.graph.links_from(node))
