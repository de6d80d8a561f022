"""What keeps the pods of a workload running: controllers, budgets, autoscalers."""

from collections.abc import Iterator
from typing import Any

from edgeflow.deploy.flows import REDIS_HOST
from edgeflow.deploy.kubernetes.naming import SECRET, Target, metadata, selects
from edgeflow.deploy.kubernetes.pods import pod_template
from edgeflow.deploy.servers import PASSWORD, PORT
from edgeflow.deploy.workloads import Scale, Stack, Volume, Workload

__all__ = ["autoscaling", "budgets", "controllers"]

KEDA = "keda.sh/v1alpha1"
AUTHENTICATION = "edgeflow-redis"
CLUSTER_DOMAIN = "svc.cluster.local"
POLL_SECONDS, REST_SECONDS = 5, 120
KEPT_REVISIONS = 3


def controllers(stack: Stack, target: Target) -> Iterator[dict[str, Any]]:
    """Yield a Deployment per workload, a StatefulSet where it keeps something on a disk."""
    for workload in stack.all:
        yield (_stateful_set if workload.persistent else _deployment)(stack, target, workload)


def _shared(stack: Stack, target: Target, workload: Workload) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "revisionHistoryLimit": KEPT_REVISIONS,
        "selector": {"matchLabels": selects(stack, workload.name)},
        "template": pod_template(stack, target, workload),
    }
    if workload.scale is None:  # else the autoscaler's business
        spec["replicas"] = workload.replicas
    return spec


def _deployment(stack: Stack, target: Target, workload: Workload) -> dict[str, Any]:
    # A new instance beside the old one would take each frame twice, or wait for a GPU for ever.
    strategy: dict[str, Any] = {"type": "Recreate"}
    if not workload.single:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    start = workload.probes.start_seconds if workload.probes is not None else 0
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(stack, target, workload.name, workload),
        "spec": _shared(stack, target, workload)
        | {"strategy": strategy, "progressDeadlineSeconds": start + 480},
    }


def _stateful_set(stack: Stack, target: Target, workload: Workload) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(stack, target, workload.name, workload),
        "spec": _shared(stack, target, workload)
        | {
            "serviceName": workload.name,
            "podManagementPolicy": "Parallel",
            "volumeClaimTemplates": [
                _claim(stack, target, volume) for volume in workload.volumes if volume.persistent
            ],
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain",
                "whenScaled": "Retain",
            },
        },
    }


def _claim(stack: Stack, target: Target, volume: Volume) -> dict[str, Any]:
    head = metadata(stack, target, volume.name)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": head["name"], "labels": head["labels"]},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{volume.mebibytes}Mi"}},
        },
    }


def budgets(stack: Stack, target: Target) -> Iterator[dict[str, Any]]:
    """Yield a disruption budget for each workload that can spare an instance."""
    for workload in stack.all:
        if workload.replicas > 1:
            yield {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": metadata(stack, target, workload.name, workload),
                "spec": {
                    "maxUnavailable": 1,
                    "selector": {"matchLabels": selects(stack, workload.name)},
                },
            }


def autoscaling(stack: Stack, target: Target) -> Iterator[dict[str, Any]]:
    """Yield what KEDA scales workloads by: the frames that wait for them in Redis."""
    scaled = [(workload, workload.scale) for workload in stack.workloads if workload.scale]
    if scaled:
        yield {
            "apiVersion": KEDA,
            "kind": "TriggerAuthentication",
            "metadata": metadata(stack, target, AUTHENTICATION),
            "spec": {
                "secretTargetRef": [{"parameter": "password", "name": SECRET, "key": PASSWORD}]
            },
        }
    for workload, scale in scaled:
        yield _scaled_object(stack, target, workload, scale)


def _scaled_object(
    stack: Stack, target: Target, workload: Workload, scale: Scale
) -> dict[str, Any]:
    server = next(server for server in stack.servers if server.name == REDIS_HOST)
    host = f"{server.name}.{target.namespace}.{CLUSTER_DOMAIN}"
    return {
        "apiVersion": KEDA,
        "kind": "ScaledObject",
        "metadata": metadata(stack, target, workload.name, workload),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet" if workload.persistent else "Deployment",
                "name": workload.name,
            },
            "minReplicaCount": scale.low,
            "maxReplicaCount": scale.high,
            "pollingInterval": POLL_SECONDS,
            "cooldownPeriod": REST_SECONDS,
            "triggers": [
                {
                    "type": "redis-streams",
                    "metadata": {
                        "address": f"{host}:{server.port(PORT).number}",
                        "stream": stream,
                        "consumerGroup": scale.group,
                        "lagCount": str(scale.waiting),
                        "activationLagCount": "0",
                    },
                    "authenticationRef": {"name": AUTHENTICATION},
                }
                for stream in scale.streams
            ],
        },
    }
