"""Hosts of a test: network namespaces around a switch, alone in a network of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

__all__ = ["Host", "Network", "wait_for_port", "why_not"]

NET = "10.211.37"
_numbers = count()
INSTALL = "run as root: apt-get install iproute2"


def why_not() -> str:
    """Return why there can be no namespaces here; empty when there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return f"needs network namespaces; {INSTALL}"
    made = _ip("netns", "add", name := f"ef{os.getpid()}-try", check=False)
    if made.returncode:
        return f"network namespaces are refused: {made.stderr.strip()}; {INSTALL}"
    _ip("netns", "del", name)
    return ""


def _ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Host:
    """One host: an address, a cable, a monotonic clock, processes."""

    def __init__(self, network: "Network", name: str, number: int, clock: int) -> None:
        self.name, self.address = name, f"{NET}.{number}"
        self._clock = ["unshare", "--time", "--monotonic", str(clock)] if clock else []
        self.namespace = f"{network.prefix}-{name}"
        self._network = network
        self._cable = f"c{number}"
        self._processes: list[subprocess.Popen[Any]] = []
        _ip("netns", "add", self.namespace)
        _ip(
            "-n", network.switch, "link", "add", self._cable, "type", "veth",
            "peer", "name", "eth0", "netns", self.namespace,
        )  # fmt: skip
        _ip("-n", network.switch, "link", "set", self._cable, "master", "br0", "up")
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self.namespace, *words)

    def start(
        self, command: Sequence[str | Path], environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen[Any]:
        """Run a program here; it ends with the host."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *self._clock, *map(str, command)],
            env={**os.environ, **environment},
            start_new_session=True,
            **options,
        )
        self._processes.append(process)
        return process

    def python(
        self, program: Path, *words: str, log: Path, **environment: str
    ) -> subprocess.Popen[Any]:
        """Run a Python program here, with what it says at the end of a file."""
        with log.open("ab") as out:
            return self.start(
                [sys.executable, program, *words], environment, stdout=out, stderr=out
            )

    def unplug(self) -> None:
        """Take the cable out: packets vanish, nobody is told."""
        _ip("-n", self._network.switch, "link", "set", self._cable, "down")

    def plug(self) -> None:
        """Put the cable in again."""
        _ip("-n", self._network.switch, "link", "set", self._cable, "up")

    def pull_power(self) -> None:
        """Kill everything that runs here, from one moment to the next, unheard: cable first."""
        self.unplug()
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._processes:
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._processes.clear()
        self.plug()

    def stop(self) -> list[int]:
        """Ask all programs to end; return their exit statuses."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        try:
            return [p.wait(max(0.1, deadline - time.monotonic())) for p in self._processes]
        finally:
            self.pull_power()


class Network:
    """A switch and the hosts on it; gone when the block ends."""

    def __init__(self) -> None:
        self.prefix = f"ef{os.getpid()}-{next(_numbers)}"
        self.switch = f"{self.prefix}-switch"
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> "Network":
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "br0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.pull_power()
            _ip("netns", "del", host.namespace, check=False)
        _ip("netns", "del", self.switch, check=False)

    def host(self, name: str, clock: int = 0) -> Host:
        """Add a host whose monotonic clock is ahead by so many seconds."""
        made = Host(self, name, 11 + len(self.hosts), clock)
        self.hosts[name] = made
        return made


def wait_for_port(host: Host, port: int, seconds: float = 15.0) -> None:
    """Wait until something listens on a host."""
    until, wanted = time.monotonic() + seconds, f":{port:04X} 00000000:0000 0A"
    while wanted not in _ip("netns", "exec", host.namespace, "cat", "/proc/net/tcp").stdout:
        assert time.monotonic() < until, f"nothing listens on {host.name}:{port}"
        time.sleep(0.05)
