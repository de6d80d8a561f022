"""The services of a Compose file: what a workload is there."""

from collections.abc import Iterable, Mapping
from typing import Any

from edgeflow.deploy.compose.placing import (
    CONTEXT,
    INSIDE,
    OUTSIDE,
    Place,
    is_outside,
    lasting,
    needs_name,
    published,
    services_of,
    volume_name,
)
from edgeflow.deploy.images import DATA_FOLDER
from edgeflow.deploy.workloads import (
    IMAGE_USER,
    Image,
    InstanceName,
    Kind,
    Probe,
    Probes,
    Resources,
    SecretKey,
    Stack,
    Volume,
    Workload,
)

__all__ = ["FOLDERS", "literal", "services"]

REDIS_USER, REDIS_GROUP = 999, 1000
"""User and group of the server in its image."""
FOLDERS = "edgeflow_folders"
"""Service that gives new volumes to the user of the image, and ends; no workload is called so."""
END_SECONDS = 15
_ASK = """\
import http.client as h
c = h.HTTPConnection("127.0.0.1", {port}, timeout=4)
c.request("GET", "{path}")
raise SystemExit(c.getresponse().status != 200)
"""
_CONNECT = 'import socket\nsocket.create_connection(("127.0.0.1", {port}), 4).close()\n'
_SHARES = 1024
"""What one core weighs where there are not enough of them."""
_CONFINED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}
_LOGS = {"driver": "json-file", "options": {"max-size": "20m"}}


def services(stack: Stack, place: Place) -> dict[str, dict[str, Any]]:
    """Return the services of a stack by name; equal stacks give equal services."""
    ports = published(stack, place)
    builder = next((w.name for w in stack.workloads if isinstance(w.image, Image)), "")
    found: dict[str, dict[str, Any]] = {}
    given = _given(stack)
    if given:
        found[FOLDERS] = _folders(stack, place, given)
    for workload in stack.all:
        for name in services_of(stack, workload):
            found[name] = _service(stack, place, workload, name, ports)
            if given.keys() & {volume_name(name, volume) for volume in lasting(workload)}:
                done = {FOLDERS: {"condition": "service_completed_successfully"}}
                found[name]["depends_on"] = found[name].get("depends_on", {}) | done
    first = FOLDERS if given else next((n for n in found if n.partition("_")[0] == builder), "")
    if place.builds and first:
        found[first] = _building(found[first], place)
    return found


def literal(text: str) -> str:
    """Return what Compose, which replaces ``$NAME``, takes for ``text``."""
    return text.replace("$", "$$")


def _service(
    stack: Stack,
    place: Place,
    workload: Workload,
    name: str,
    ports: Mapping[tuple[str, str], int],
) -> dict[str, Any]:
    replicas = workload.replicas if len(services_of(stack, workload)) == 1 else 1
    made: dict[str, Any] = {
        **_image(place, workload),
        "entrypoint": [literal(word) for word in workload.command],
        "user": _user(workload),
        "environment": _environment(workload),
        "labels": {"edgeflow.io/node": literal(workload.title)},
        "networks": _networks(workload, name),
        "deploy": _deploy(workload.resources, replicas),
        "cpu_shares": max(2, workload.resources.cpu * _SHARES // 1000),
        "restart": "unless-stopped",
        "stop_grace_period": f"{END_SECONDS}s",
        **_CONFINED,
        "logging": _LOGS,
    }
    if workload.folder:
        made["working_dir"] = workload.folder
    if workload.groups:
        made["group_add"] = [str(group) for group in workload.groups]
    if workload.persistent:  # its name outlives its container, as what it keeps does
        made["hostname"] = name.replace("_", "-")
    if needs_name(stack, workload):
        made["environment"]["EDGEFLOW_ADVERTISE"] = name
    if workload.probes is not None:
        made["healthcheck"] = _healthcheck(workload, workload.probes)
    return (
        made
        | _connections(workload, place, ports)
        | _started_after(stack, workload)
        | _folders_of(workload, name)
    )


def _image(place: Place, workload: Workload) -> dict[str, Any]:
    own = isinstance(workload.image, Image)
    policy = "never" if own and place.builds and not place.pulls else "missing"
    return {"image": place.reference(workload), "pull_policy": policy}


def _building(service: dict[str, Any], place: Place) -> dict[str, Any]:
    """One service builds the image for all."""
    policy = {} if place.pulls else {"pull_policy": "build"}
    head = {"image": service["image"], "build": {"context": CONTEXT}}
    return head | {key: value for key, value in service.items() if key not in head} | policy


def _user(workload: Workload) -> str:
    is_redis = workload.kind is Kind.REDIS
    user, group = (REDIS_USER, REDIS_GROUP) if is_redis else (IMAGE_USER, IMAGE_USER)
    return f"{user}:{group}"


def _environment(workload: Workload) -> dict[str, str]:
    """Return the variables but the name of the container, which the engine itself sets."""
    return {
        name: f"${{{value.key}?is not in .env}}" if isinstance(value, SecretKey) else literal(value)
        for name, value in workload.environment.items()
        if not isinstance(value, InstanceName)
    }


def _networks(workload: Workload, name: str) -> dict[str, Any]:
    aliases = {"aliases": [workload.name]} if name != workload.name else None
    found: dict[str, Any] = {INSIDE: aliases}
    if is_outside(workload):
        found[OUTSIDE] = None
    return found


def _deploy(given: Resources, replicas: int) -> dict[str, Any]:
    limits: dict[str, Any] = {"memory": f"{given.memory_limit}M"}
    if given.cpu_limit is not None:
        limits["cpus"] = f"{given.cpu_limit / 1000:g}"
    promised: dict[str, Any] = {"memory": f"{given.memory}M"}
    if given.gpus:
        gpu = {"driver": "nvidia", "count": given.gpus, "capabilities": ["gpu"]}
        promised["devices"] = [gpu]
    resources = {"limits": limits, "reservations": promised}
    # podman-compose starts more than one only where the mode is said.
    return {"mode": "replicated", "replicas": replicas, "resources": resources}


def _healthcheck(workload: Workload, probes: Probes) -> dict[str, Any]:
    return {
        "test": ["CMD", *map(literal, _question(workload, probes.ready))],
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "start_period": f"{probes.start_seconds}s",
        "start_interval": "2s",
    }


def _question(workload: Workload, probe: Probe) -> tuple[str, ...]:
    if probe.command:
        return probe.command
    port = workload.port(probe.port).number
    text = _ASK if probe.path else _CONNECT
    return ("python", "-c", text.format(port=port, path=probe.path))


def _connections(
    workload: Workload, place: Place, ports: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    found = [
        {
            "target": port.number,
            "published": str(ports[workload.name, port.name]),
            "protocol": port.protocol.lower(),
        }
        | ({"host_ip": place.address} if place.address else {})
        for port in workload.ports
        if port.public
    ]
    return {"ports": found} if found else {}


def _started_after(stack: Stack, workload: Workload) -> dict[str, Any]:
    servers = {server.name for server in stack.servers}
    waits = {
        reach.workload: {"condition": "service_healthy"}
        for reach in workload.reaches
        if reach.workload in servers
    }
    return {"depends_on": waits} if waits else {}


def _folders_of(workload: Workload, name: str) -> dict[str, Any]:
    scratch = [_scratch(volume) for volume in workload.volumes if not volume.persistent]
    kept = [_mount(name, volume, volume.path) for volume in lasting(workload)]
    return ({"tmpfs": scratch} if scratch else {}) | ({"volumes": kept} if kept else {})


def _mount(service: str, volume: Volume, path: str) -> dict[str, Any]:
    return {"type": "volume", "source": volume_name(service, volume), "target": path}


def _scratch(volume: Volume) -> str:
    return f"{volume.path}:size={volume.mebibytes}m,mode=1777"


# --- volumes of the user -----------------------------------------------------------------------


def _given(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return mounts of the volumes that the image has no folder for, so that root owns them."""
    return {
        volume_name(name, volume): _mount(name, volume, f"/{volume_name(name, volume)}")
        for workload in stack.workloads
        for name in services_of(stack, workload)
        for volume in lasting(workload)
        if volume.path != DATA_FOLDER
    }


def _folders(stack: Stack, place: Place, given: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    paths: Iterable[str] = (mount["target"] for mount in given.values())
    first = next(w for w in stack.workloads if isinstance(w.image, Image))
    return {
        **_image(place, first),
        "entrypoint": ["chown", f"{IMAGE_USER}:{IMAGE_USER}", *paths],
        "user": "0:0",
        "network_mode": "none",
        **_CONFINED,
        "cap_add": ["CHOWN"],
        "volumes": list(given.values()),
        "restart": "no",
    }
