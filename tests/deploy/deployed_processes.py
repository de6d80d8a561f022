"""Runs the workloads of a stack as plain processes: their commands, their environment, no more.

What a container would bring is substituted, and only that: host names become 127.0.0.1, ports
become free ones (each instance of a node has its own for probes and for zenoh), the folders of the
image and of volumes become folders of this machine, secrets get values. Nothing is inherited but
``PATH``, where ``edgeflow`` and ``valkey-server`` are found.
"""

import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edgeflow.deploy.workloads import Image, InstanceName, Kind, SecretKey, Stack, Workload
from flows import wait_until
from servers import free_port

__all__ = ["Deployed", "Instance", "deployed"]

LOOPBACK = "127.0.0.1"
OWNERS = {
    "REDIS_PORT": ("REDIS_HOST", "redis"),
    "DATA_REDIS_PORT": ("DATA_REDIS_HOST", "redis"),
    "GATEWAY_TCP_PORT": ("GATEWAY_HOST", "frames"),
    "GATEWAY_HTTP_PORT": ("GATEWAY_HOST", "http"),
}
"""Which variable holds the host to which the port in another one belongs."""


class Instance(NamedTuple):
    """One process of a workload."""

    workload: Workload
    name: str
    ports: dict[str, int]
    process: "subprocess.Popen[bytes]"
    log: Path


@dataclass
class Deployed:
    """A stack under way."""

    stack: Stack
    folder: Path
    secrets: dict[str, str]
    ports: dict[tuple[str, str], int] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)

    def start(self, workload: Workload, number: int) -> None:
        """Start one instance with exactly what its workload says."""
        name = f"{workload.name}-{number}"
        ports = {port.name: self.port(workload, port.name, number) for port in workload.ports}
        log = self.folder / f"{name}.log"
        folder = self._folder(name, workload.folder or "/")
        with log.open("ab") as out:
            process = subprocess.Popen(
                [self._local(name, workload, word) for word in workload.command],
                cwd=folder,
                env={"PATH": self._path()} | self._environment(workload, name, ports),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.instances.append(Instance(workload, name, ports, process, log))

    def port(self, workload: Workload, name: str, number: int = 0) -> int:
        """Return the free port that stands for one of a workload; probes have one each."""
        key = (workload.name, f"{name} {number}" if name in ("probes", "zenoh") else name)
        return self.ports.setdefault(key, free_port())

    def _environment(self, workload: Workload, name: str, ports: dict[str, int]) -> dict[str, str]:
        told: dict[str, str] = {}
        for variable, value in workload.environment.items():
            if isinstance(value, SecretKey):
                told[variable] = self.secrets[value.key]
            elif isinstance(value, InstanceName):
                told[variable] = name
            elif variable in OWNERS:
                told[variable] = self._port_of(workload, variable, value)
            elif variable.startswith("EDGEFLOW_ZENOH_"):
                told[variable] = self._endpoints(value, name, ports)
            elif variable == "EDGEFLOW_PROBE_PORT":
                told[variable] = str(ports["probes"])
            elif variable.endswith("_HOST") and self.stack.workload(value):
                told[variable] = LOOPBACK
            else:
                told[variable] = value
        told["HOME"] = str(self._folder(name, told.get("HOME", "/tmp")))
        return told

    def _endpoints(self, value: str, name: str, ports: dict[str, int]) -> str:
        """Map what zenoh is told; of several instances of a node, the first is connected to."""
        if value.startswith("/"):
            return str(self._folder(name, value))
        value = value.replace("tcp/0.0.0.0:7447", f"tcp/{LOOPBACK}:{ports.get('zenoh')}")
        for other in self.stack.workloads:
            own = f"tcp/{LOOPBACK}:{self.port(other, 'zenoh')}"
            value = re.sub(rf"tcp/{re.escape(other.name)}:7447(?=,|$)", own, value)
        return value

    def _port_of(self, workload: Workload, variable: str, value: str) -> str:
        host, name = OWNERS[variable]
        owner = workload
        if host in workload.environment:
            owner = next(w for w in self.stack.all if w.name == workload.environment[host])
        assert owner.port(name).number == int(value)
        return str(self.port(owner, name))

    def _folder(self, name: str, path: str) -> Path:
        """Return what stands for a folder of the image or of a volume."""
        if path == "/app" or path.startswith("/app/"):
            return self.stack.image.folder / path.removeprefix("/app").lstrip("/")
        folder = self.folder / name / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _local(self, name: str, workload: Workload, word: str) -> str:
        if workload.kind is not Kind.REDIS:
            for path in ("/app", "/data"):
                word = word.replace(f"{path}/", f"{self._folder(name, path)}/")
            return word
        (port,) = workload.ports
        word = word.replace(f"--port {port.number} ", f"--port {self.port(workload, port.name)} ")
        return word.replace("--dir /data ", f"--dir {self._folder(name, '/data')} ")

    def _path(self) -> str:
        from servers import _binary

        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        server = tools / "valkey-server"
        if not server.exists():
            server.symlink_to(_binary())
        return f"{tools}:{Path(sys.executable).parent}:{os.defpath}"

    def ask(self, instance: Instance, path: str) -> int:
        """Return the status of a page of the probe port; 0 while nobody listens."""
        address = f"http://{LOOPBACK}:{instance.ports['probes']}{path}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code
        except OSError:
            return 0

    def await_ready(self, seconds: float = 60) -> None:
        """Wait until the readiness probe of every node succeeds."""
        for instance in self.instances:
            probes = instance.workload.probes
            assert probes is not None
            if not probes.ready.path:
                continue

            def is_ready(instance: Instance = instance, path: str = probes.ready.path) -> bool:
                text = instance.log.read_text()
                assert instance.process.poll() is None, f"{instance.name} ended:\n{text}"
                return self.ask(instance, path) == 200

            wait_until(is_ready, seconds)
            assert self.ask(instance, probes.live.path) == 200

    def end(self) -> None:
        """End everything as a cluster does, nodes before servers."""
        codes = {}
        for nodes in (True, False):
            some = [i for i in self.instances if (i.workload.kind is not Kind.REDIS) == nodes]
            for instance in some:
                instance.process.send_signal(signal.SIGTERM)
            for instance in some:
                codes[instance.name] = instance.process.wait(15)
        assert set(codes.values()) == {0}, codes


@contextmanager
def deployed(stack: Stack, folder: Path, **supplied: str) -> Iterator[Deployed]:
    """Run a stack; ``supplied`` are the secrets that its author gives."""
    assert isinstance(stack.image, Image)
    made = {key: secrets.token_urlsafe(18) for key in stack.secrets}
    assert set(supplied) == set(stack.wanted_secrets)
    running = Deployed(stack, folder, made | supplied)
    try:
        for workload in stack.all:
            for number in range(workload.replicas):
                running.start(workload, number)
        yield running
        running.end()
    finally:
        for instance in running.instances:
            instance.process.kill()
            instance.process.wait()
