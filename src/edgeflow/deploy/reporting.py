"""What a cluster says of a stack, put into rows. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["PodRow", "addresses_of", "rows_of"]


class PodRow(NamedTuple):
    """One pod, as it is shown.

    Attributes:
        node: node of the flow that runs in it.
        pod: its name.
        state: what it does, or why it does not.
        ready: it passes its readiness probe.
        restarts: of its container.
        host: where it runs, or empty.
    """

    node: str
    pod: str
    state: str
    ready: bool
    restarts: int
    host: str


def rows_of(pods: Iterable[Mapping[str, Any]]) -> list[PodRow]:
    """Return a row per pod, sorted by node."""
    return sorted(_row(pod) for pod in pods)


def _row(pod: Mapping[str, Any]) -> PodRow:
    head, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    labels = head.get("labels", {})
    node = head.get("annotations", {}).get(
        "edgeflow.io/node", labels.get("app.kubernetes.io/name", "")
    )
    containers = status.get("containerStatuses", [])
    return PodRow(
        node=node,
        pod=head["name"],
        state="Terminating" if "deletionTimestamp" in head else _state(status, containers),
        ready=bool(containers) and all(one.get("ready", False) for one in containers),
        restarts=sum(one.get("restartCount", 0) for one in containers),
        host=spec.get("nodeName", ""),
    )


def _state(status: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> str:
    """Return the reason why a pod waits, if it does, else its phase."""
    for container in containers:
        state = container.get("state", {})
        for kind in ("waiting", "terminated"):
            reason = state.get(kind, {}).get("reason")
            if reason:
                return str(reason)
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    return str(status.get("phase", "Unknown"))


def addresses_of(services: Iterable[Mapping[str, Any]], hosts: Iterable[str]) -> list[str]:
    """Return where people open the pages of a flow: each node port, on the first host."""
    host = next((one for one in hosts if one), "NODE-ADDRESS")
    shown = f"[{host}]" if ":" in host else host
    return [
        f"http://{shown}:{port['nodePort']}/dashboard"
        for service in services
        for port in service["spec"].get("ports", [])
        if port.get("nodePort") and port.get("name") == "http"
    ]
