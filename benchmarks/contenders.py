"""What can be measured: bare transports, EdgeFlow's flows, a dora dataflow, a plain copy."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.machine import command_line, free_port
from benchmarks.server import Server
from benchmarks.stamps import SETUP_VARIABLE, Setup

__all__ = ["Contender", "Dora", "Flow", "Threads", "Transport"]

ROOT = Path(__file__).resolve().parents[1]
FLOWS = ROOT / "benchmarks" / "flows"


@dataclass
class Contender:
    """Something that moves frames from a sender to receivers.

    Attributes:
        label: its name in tables.
        ours: EdgeFlow, rather than a peer.
        changes: fields of ``Setup`` that this contender needs otherwise.
        loopback: it needs a free TCP port in ``Setup.url``.
        server: it needs this server, empty, in ``Setup.url``.
        watch: ids of processes, beside its own, whose processor time belongs to it.
    """

    label: str
    ours: bool = False
    changes: dict[str, object] = field(default_factory=dict)
    loopback: bool = False
    server: Server | None = None
    watch: Sequence[int] = ()

    def prepare(self, setup: Setup) -> Setup:
        """Return the setup of this contender."""
        changes = dict(self.changes)
        if self.loopback:
            changes["url"] = f"127.0.0.1:{free_port()}"
        if self.server is not None:
            self.server.empty()
            changes["url"] = self.server.url
            self.watch = [self.server.pid]
        return replace(setup, **changes)  # type: ignore[arg-type]

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        """Start every process of a run."""
        raise NotImplementedError

    def ends_by_itself(self) -> bool:
        """True when its processes end once the control page says stop."""
        return True

    def senders(self, pids: Sequence[int]) -> list[int]:
        """Return which of its processes send: those with the word ``sender`` or ``source``."""
        return [pid for pid in pids if {"sender", "source"} & set(command_line(pid))]

    def spawn(self, setup: Setup, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start one process in the folder of the run; what it says goes to ``output.txt``."""
        binaries = Path(sys.executable).parent
        environment = os.environ | {
            SETUP_VARIABLE: setup.to_json(),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{binaries}:{os.environ.get('PATH', '')}",
            "EDGEFLOW_RUN_DIR": f"{setup.folder}/run",
            **variables,
        }
        with (Path(setup.folder) / "output.txt").open("ab") as output:
            return subprocess.Popen(
                words,
                cwd=setup.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


@dataclass
class Transport(Contender):
    """A module of ``benchmarks.peers`` with a process for each end."""

    module: str = ""

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        command = (sys.executable, "-m", "benchmarks.transport")
        senders = [self.spawn(setup, *command, "sender", self.module)]
        return senders + [
            self.spawn(replace(setup, index=index), *command, "receiver", self.module)
            for index in range(setup.receivers)
        ]


@dataclass
class Flow(Contender):
    """A file with an ``EdgeApp``, run as a user runs it: ``processes``, ``node`` or ``threads``."""

    ours: bool = True
    file: str = "stream.py"
    mode: str = "processes"

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        command = (sys.executable, str(FLOWS / self.file))
        if self.mode == "processes":
            return [self.spawn(setup, *command, "--processes")]
        if self.mode == "threads":
            return [self.spawn(setup, *command)]
        nodes = [f"watch{index}" for index in range(setup.receivers)] + ["source"]
        return [self.spawn(setup, *command, "--node", node) for node in nodes]

    def ends_by_itself(self) -> bool:
        return self.mode != "node"


@dataclass
class Threads(Contender):
    """A module of ``benchmarks.peers`` that is both ends in one process."""

    module: str = ""
    arguments: tuple[str, ...] = ()

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        module = f"benchmarks.peers.{self.module}"
        return [self.spawn(setup, sys.executable, "-m", module, *self.arguments)]


@dataclass
class Dora(Contender):
    """A dataflow of two Python nodes under ``dora run``."""

    label: str = "dora-rs"

    def start(self, setup: Setup) -> list["subprocess.Popen[bytes]"]:
        node = ROOT / "benchmarks" / "peers" / "dora_node.py"
        lines = ["nodes:", "  - id: sender", f"    path: {node}", "    args: sender"]
        lines += ["    outputs: [frame]"]
        for index in range(setup.receivers):
            lines += [f"  - id: receiver{index}", f"    path: {node}"]
            lines += [f"    args: receiver {index}", "    inputs:", "      frame:"]
            lines += ["        source: sender/frame", f"        queue_size: {setup.capacity}"]
        path = Path(setup.folder) / "dataflow.yml"
        path.write_text("\n".join(lines) + "\n")
        return [self.spawn(setup, "dora", "run", str(path))]
