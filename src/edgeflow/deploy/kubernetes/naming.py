"""Labels and names that objects of one stack share."""

from dataclasses import dataclass
from typing import Any

from edgeflow.deploy.workloads import Image, Stack, Workload
from edgeflow.errors import ConfigError

__all__ = ["MANAGER", "SECRET", "Target", "labels_of", "metadata", "selects"]

MANAGER = "edgeflow"
"""Who manages the objects: field manager, and value of the label ``managed-by``."""
SECRET = "edgeflow-secrets"  # noqa: S105 - the name of an object
ACCOUNT = "edgeflow"
"""Service account of all pods; it may do nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stack goes.

    Attributes:
        namespace: of the cluster.
        image: reference of the image that was built for the flow.
    """

    namespace: str
    image: str

    def reference(self, workload: Workload) -> str:
        """Return the image of a workload."""
        return self.image if isinstance(workload.image, Image) else workload.image


def labels_of(stack: Stack, workload: Workload | None = None) -> dict[str, str]:
    """Return the recommended labels of an object."""
    shared = {"app.kubernetes.io/part-of": stack.app, "app.kubernetes.io/managed-by": MANAGER}
    if workload is None:
        return shared
    own = {
        "app.kubernetes.io/name": workload.name,
        "app.kubernetes.io/component": workload.kind.value,
    }
    return own | shared


def selects(stack: Stack, workload: str) -> dict[str, str]:
    """Return the labels that select the pods of a workload."""
    return {"app.kubernetes.io/name": workload, "app.kubernetes.io/part-of": stack.app}


def metadata(
    stack: Stack, target: Target, name: str, workload: Workload | None = None
) -> dict[str, Any]:
    """Return the metadata of an object."""
    found: dict[str, Any] = {
        "name": name,
        "namespace": target.namespace,
        "labels": labels_of(stack, workload),
    }
    if workload is not None and workload.title != workload.name:
        found["annotations"] = {"edgeflow.io/node": workload.title}
    return found


def check_namespace(name: str) -> None:
    """Raise ``ConfigError`` unless ``name`` can be a namespace."""
    parts = name.split("-")
    fine = name.isascii() and all(part.isalnum() or not part for part in parts)
    if not (fine and name == name.lower() and 0 < len(name) <= 63 and parts[0] and parts[-1]):
        raise ConfigError(
            f"{name!r} is no name for a namespace",
            hint="lower-case letters, digits and hyphens, at most 63",
        )
