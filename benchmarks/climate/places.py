"""Brokers, backends and generators as processes of their own."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.climate.generator import DEVICES, connect
from benchmarks.machine import cpu_ns, family, free_port
from edgeflow.comms.mqtt.embedded import BrokerSettings, NatsBroker

__all__ = [
    "BROKERS",
    "Place",
    "backend",
    "broker",
    "crowd",
    "has_mosquitto",
    "memory",
    "metrics",
    "say",
]

START_SECONDS = 30.0
UNCONFIRMED = 8000
"""As ``edgeflow climate serve`` runs its own."""
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MOSQUITTO_CONFIG = """listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
log_dest none
"""


@dataclass(frozen=True)
class Place:
    """Where a process listens, and its id."""

    port: int
    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, its children's included."""
        return cpu_ns(family([self.pid])) / 1e9


def has_mosquitto() -> bool:
    """Whether it is installed."""
    return MOSQUITTO is not None


@contextlib.contextmanager
def _nats() -> Iterator[Place]:
    made = NatsBroker(BrokerSettings(unconfirmed=UNCONFIRMED))
    made.start()
    try:
        yield Place(made.port, made.pid or 0)
    finally:
        made.stop()


@contextlib.contextmanager
def _mosquitto() -> Iterator[Place]:
    port = free_port()
    with contextlib.ExitStack() as undone:
        import tempfile

        folder = undone.enter_context(tempfile.TemporaryDirectory())
        config = Path(folder) / "mosquitto.conf"
        config.write_text(MOSQUITTO_CONFIG.format(port=port))
        process = undone.enter_context(_process([str(MOSQUITTO), "-c", str(config)]))
        _until(lambda: _listens(port), process)
        yield Place(port, process.pid)


BROKERS = {"nats-server": _nats, "mosquitto": _mosquitto}


def broker(kind: str) -> contextlib.AbstractContextManager[Place]:
    """Run a broker: the embedded one as it is, or mosquitto with what it needs to lose nothing."""
    return BROKERS[kind]()


@contextlib.contextmanager
def backend(broker_port: int, store: str, folder: Path, *roles: str) -> Iterator[Place]:
    """Run ``edgeflow climate serve`` until it is ready; its port is the one of its metrics."""
    port = free_port()
    words = ["climate", "serve", "--broker", f"mqtt://127.0.0.1:{broker_port}", "--store", store]
    words += ["--folder", str(folder / "climate"), "--metrics-port", str(port)]
    for role in roles:
        words += ["--role", role]
    program = str(Path(sys.executable).with_name("edgeflow"))
    log = folder / "backend.log"
    with log.open("ab") as out, _process([program, *words], out) as process:
        _until(lambda: _is_ready(port), process, log)
        yield Place(port, process.pid)


@contextlib.contextmanager
def crowd(port: int, count: int, rate: float, devices: int = DEVICES) -> Iterator["Crowd"]:
    """Run the generator; it has its packets and its connections, and waits."""
    words = [sys.executable, "-m", "benchmarks.climate.generator", str(port), str(count), str(rate)]
    with subprocess.Popen(
        [*words, str(devices)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the generator did not start")
            yield Crowd(process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Crowd:
    """Sensors that wait for their word."""

    process: "subprocess.Popen[str]"

    def begin(self) -> None:
        """Let them speak."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, float]:
        """What they say when everything is confirmed."""
        assert self.process.stdout is not None
        found: dict[str, float] = json.loads(self.process.stdout.readline())
        return found


def metrics(port: int) -> dict[str, float]:
    """The backend's metrics; those with labels added up."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            name = name.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(value)
    return found


def say(port: int, topic: str, payload: bytes) -> None:
    """Publish one message, by a client of its own."""
    own = connect(port, "word")
    with own:
        body = len(topic).to_bytes(2) + topic.encode() + b"\0\1" + payload
        own.sendall(bytes((0x32, len(body))) + body)
        own.recv(4)


def memory(pid: int) -> float:
    """Resident MiB of a process."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * 4096 / 2**20


@contextlib.contextmanager
def _process(
    words: list[str], out: object = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(words, stdout=out, stderr=out)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _until(true: "object", process: "subprocess.Popen[bytes]", log: Path | None = None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not true():  # type: ignore[operator]
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2000:] if log else ""
            raise RuntimeError(f"{process.args}: it did not start\n{said}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    return False
