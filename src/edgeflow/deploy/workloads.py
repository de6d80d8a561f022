"""What has to run where for a flow: plain data that Kubernetes, Compose and tests render.

``planning.plan`` makes a ``Stack`` from a flow. Names of workloads are DNS labels and at the same
time the host names under which workloads find each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

__all__ = [
    "DATA_PORT",
    "IMAGE_USER",
    "PROBE_PORT",
    "PUBLIC_SUFFIX",
    "REDIS_IMAGE",
    "REDIS_PORT",
    "Image",
    "InstanceName",
    "Kind",
    "Port",
    "Probe",
    "Probes",
    "Reach",
    "Resources",
    "Scale",
    "SecretKey",
    "Stack",
    "Value",
    "Volume",
    "Workload",
]

REDIS_IMAGE = "valkey/valkey:8.1-alpine"
REDIS_PORT = 6379
DATA_PORT = 6380
"""Port of the payload server: it listens there itself, so that nothing has to be mapped."""
PROBE_PORT = 9100
"""Port of ``/healthz``, ``/readyz`` and ``/metrics`` of every process that runs a node."""
IMAGE_USER = 10001
"""Number of the user, and of the group, that the image of a flow runs as."""
PUBLIC_SUFFIX = "-public"
"""Ends the name of a service for people outside; no workload is called like one."""


class Kind(StrEnum):
    """What a workload is."""

    NODE = "node"
    GATEWAY = "gateway"
    PIPELINES = "pipelines"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The value of an environment variable that is a secret of the stack."""

    key: str


@dataclass(frozen=True, slots=True)
class InstanceName:
    """The value of an environment variable that is the name of the pod or container."""


Value = str | SecretKey | InstanceName


@dataclass(frozen=True, slots=True)
class Image:
    """The image that is built for a flow.

    Attributes:
        name: repository below the registry, such as ``my-robot``.
        folder: the project that goes into it.
        file: the flow, relative to ``folder``.
        extras: extras of EdgeFlow that it needs, sorted.
        requirements: file of further Python packages, relative to ``folder``, or empty.
    """

    name: str
    folder: Path
    file: str
    extras: tuple[str, ...] = ()
    requirements: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a workload listens on.

    Attributes:
        name: at most 15 characters, unique in the workload.
        number: the port itself.
        protocol: ``TCP`` or ``UDP``.
        service: other workloads connect to it.
        peers: they do so at every single instance, before it is ready too.
        public: people outside connect to it.
        node_port: port on every host of a cluster; None lets the cluster choose.
    """

    name: str
    number: int
    protocol: str = "TCP"
    service: bool = False
    peers: bool = False
    public: bool = False
    node_port: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a running workload.

    A page of a port over HTTP, a connection to the port where there is no page, or a command that
    is run in it.
    """

    path: str = ""
    port: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probes:
    """How a workload shows that it lives, and that it works.

    Attributes:
        live: fails when it must be started again.
        ready: fails while it does not work.
        start_seconds: how long it may take until ``ready`` first succeeds.
    """

    live: Probe
    ready: Probe
    start_seconds: int = 120


@dataclass(frozen=True, slots=True)
class Resources:
    """What a workload is promised, and what it may take.

    Attributes:
        cpu: cores it is promised, in thousandths.
        memory: mebibytes it is promised.
        cpu_limit: cores it may take, in thousandths; None for all there are.
        memory_limit: mebibytes after which it is killed.
        devices: further resources by name, such as ``nvidia.com/gpu``.
    """

    cpu: int = 100
    memory: int = 256
    cpu_limit: int | None = None
    memory_limit: int = 1024
    devices: Mapping[str, int] = field(default_factory=dict)

    @property
    def gpus(self) -> int:
        """GPUs of NVIDIA that it wants."""
        return self.devices.get("nvidia.com/gpu", 0)


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that a workload writes to.

    Attributes:
        name: DNS label, unique in the workload.
        path: where it is mounted.
        mebibytes: its size, at most.
        persistent: it outlives the container.
    """

    name: str
    path: str
    mebibytes: int
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """Another workload of the stack that one connects to.

    Attributes:
        workload: its name.
        port: name of its port; empty for one that it chooses itself and tells.
    """

    workload: str
    port: str


@dataclass(frozen=True, slots=True)
class Scale:
    """How many instances there may be, by the frames that wait.

    Attributes:
        low, high: fewest and most instances.
        waiting: frames per instance that are still no reason for another one.
        streams: Redis streams that hold what waits.
        group: consumer group that reads them.
    """

    low: int
    high: int
    waiting: int
    streams: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that runs in one or more equal containers.

    Attributes:
        name: DNS label, unique in the stack.
        title: what its author calls it: the name of the node.
        kind: what it is.
        image: a reference, or what is built.
        command: program and words.
        folder: where it runs; empty for the image's own.
        environment: variables by name.
        ports: what it listens on.
        replicas: instances at the start.
        scale: bounds of the instances, if they are to follow the load.
        selector: labels of the hosts it may run on.
        resources: what it gets.
        probes: how it is watched.
        volumes: what it writes to; everything else is read-only.
        groups: further groups of its processes, as numbers.
        reaches: workloads it connects to.
        outside: it also connects to hosts outside the stack.
        single: two instances must never run at the same time.
    """

    name: str
    title: str
    kind: Kind
    image: Image | str
    command: tuple[str, ...]
    folder: str = ""
    environment: Mapping[str, Value] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    replicas: int = 1
    scale: Scale | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    probes: Probes | None = None
    volumes: tuple[Volume, ...] = ()
    groups: tuple[int, ...] = ()
    reaches: tuple[Reach, ...] = ()
    outside: bool = False
    single: bool = False

    @property
    def persistent(self) -> bool:
        """True when it keeps something on a disk, and so needs a lasting identity."""
        return any(volume.persistent for volume in self.volumes)

    def port(self, name: str) -> Port:
        """Return the port of that name.

        Raises:
            KeyError: there is none.
        """
        return {port.name: port for port in self.ports}[name]


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything that runs for one flow.

    Attributes:
        app: name of the flow as a DNS label.
        title: name of the flow.
        image: what is built for it.
        servers: infrastructure: ``redis``, and ``redis-data`` exactly when the broker is dual.
        workloads: the nodes (or the pipelines), in order of declaration.
        secrets: keys of the secrets that the environment refers to, generated once.
        wanted_secrets: keys that the user must supply.
        warnings: what may be a mistake.
    """

    app: str
    title: str
    image: Image
    servers: tuple[Workload, ...]
    workloads: tuple[Workload, ...]
    secrets: tuple[str, ...] = ()
    wanted_secrets: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Workload, ...]:
        """Servers first, then nodes."""
        return (*self.servers, *self.workloads)

    def workload(self, title: str) -> Workload | None:
        """Return the workload of that title or name, or None."""
        return next((w for w in self.all if title in (w.title, w.name)), None)
