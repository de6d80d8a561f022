"""The pod of a workload."""

import math
from typing import Any

from edgeflow.deploy.kubernetes.naming import ACCOUNT, SECRET, Target, labels_of, selects
from edgeflow.deploy.workloads import (
    IMAGE_USER,
    Kind,
    Probe,
    Resources,
    SecretKey,
    Stack,
    Value,
    Volume,
    Workload,
)

__all__ = ["pod_template"]

REDIS_USER, REDIS_GROUP = 999, 1000
"""User and group of the server in its image."""
END_SECONDS = 15
"""What a pod may take to end; flows end within 3 s."""
_GPU = "nvidia.com/gpu"


def pod_template(stack: Stack, target: Target, workload: Workload) -> dict[str, Any]:
    """Return the template of the pods of a workload."""
    spec: dict[str, Any] = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would set REDIS_PORT and others to addresses
        "terminationGracePeriodSeconds": END_SECONDS,
        "securityContext": _pod_security(workload),
        "containers": [_container(target, workload)],
    }
    if workload.selector:
        spec["nodeSelector"] = dict(workload.selector)
    if workload.resources.gpus:
        spec["tolerations"] = [{"key": _GPU, "operator": "Exists", "effect": "NoSchedule"}]
    if workload.replicas > 1 or workload.scale is not None:
        spec["topologySpreadConstraints"] = [_spread(stack, workload)]
    volumes = [_scratch(volume) for volume in workload.volumes if not volume.persistent]
    if volumes:
        spec["volumes"] = volumes
    head: dict[str, Any] = {"labels": labels_of(stack, workload)}
    if workload.title != workload.name:
        head["annotations"] = {"edgeflow.io/node": workload.title}
    return {"metadata": head, "spec": spec}


def _pod_security(workload: Workload) -> dict[str, Any]:
    is_redis = workload.kind is Kind.REDIS
    user, group = (REDIS_USER, REDIS_GROUP) if is_redis else (IMAGE_USER, IMAGE_USER)
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if workload.groups:
        security["supplementalGroups"] = list(workload.groups)
    return security


def _container(target: Target, workload: Workload) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": workload.name,
        "image": target.reference(workload),
        "imagePullPolicy": "IfNotPresent",
        "command": [_literal(word) for word in workload.command],
        "env": [_variable(name, value) for name, value in workload.environment.items()],
        "ports": [
            {"name": port.name, "containerPort": port.number, "protocol": port.protocol}
            for port in workload.ports
        ],
        "resources": _resources(workload.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": volume.name, "mountPath": volume.path} for volume in workload.volumes
        ],
    }
    if workload.folder:
        container["workingDir"] = workload.folder
    return container | _probes(workload)


def _literal(text: str) -> str:
    """Return what Kubernetes, which replaces ``$(NAME)``, takes for ``text``."""
    return text.replace("$(", "$$(")


def _variable(name: str, value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": name, "value": _literal(value)}
    if isinstance(value, SecretKey):
        source: dict[str, Any] = {"secretKeyRef": {"name": SECRET, "key": value.key}}
    else:
        source = {"fieldRef": {"fieldPath": "metadata.name"}}
    return {"name": name, "valueFrom": source}


def _resources(given: Resources) -> dict[str, Any]:
    devices = {name: str(count) for name, count in given.devices.items() if count}
    limits = {"memory": f"{given.memory_limit}Mi"} | devices
    if given.cpu_limit is not None:
        limits["cpu"] = f"{given.cpu_limit}m"
    return {
        "requests": {"cpu": f"{given.cpu}m", "memory": f"{given.memory}Mi"} | devices,
        "limits": limits,
    }


def _probes(workload: Workload) -> dict[str, Any]:
    probes = workload.probes
    if probes is None:
        return {}
    ready, live = _probe(probes.ready), _probe(probes.live)
    tries = math.ceil(probes.start_seconds / 2)
    return {
        "startupProbe": {**ready, "periodSeconds": 2, "timeoutSeconds": 3}
        | {"failureThreshold": tries},
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 3}
        | {"failureThreshold": 2},
        "livenessProbe": {**live, "periodSeconds": 10, "timeoutSeconds": 5}
        | {"failureThreshold": 3},
    }


def _probe(probe: Probe) -> dict[str, Any]:
    if probe.command:
        return {"exec": {"command": list(probe.command)}}
    if probe.path:
        return {"httpGet": {"path": probe.path, "port": probe.port}}
    return {"tcpSocket": {"port": probe.port}}


def _scratch(volume: Volume) -> dict[str, Any]:
    return {"name": volume.name, "emptyDir": {"sizeLimit": f"{volume.mebibytes}Mi"}}


def _spread(stack: Stack, workload: Workload) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selects(stack, workload.name)},
    }
