"""Who takes part, and which processes a run of each consists of."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.case import Case

ROOT = Path(__file__).parents[1]

Commands = list[list[str]]


@dataclass(frozen=True)
class Contender:
    """A transport under test.

    Attributes:
        name: shown in tables.
        commands: gives the command lines of a run, which all start at once.
        environment: variables of its processes beside those of the case.
    """

    name: str
    commands: Callable[[Case, Path], Commands]
    environment: dict[str, str] = field(default_factory=dict)


def peer(name: str, module: str, **environment: str) -> Contender:
    """Return the contender whose two ends are in ``benchmarks.peers.MODULE``."""

    def commands(case: Case, folder: Path) -> Commands:
        worker = [sys.executable, "-m", "benchmarks.peers.worker", module]
        ends = [[*worker, "consume", str(index)] for index in range(case.consumers)]
        return [*ends, [*worker, "produce"]]

    return Contender(name, commands, environment)


def flow(name: str, script: str, *arguments: str, **environment: str) -> Contender:
    """Return the contender that runs one of our flows as a user would."""
    path = ROOT / "benchmarks" / "flows" / script

    def commands(case: Case, folder: Path) -> Commands:
        return [[sys.executable, str(path), *arguments]]

    return Contender(name, commands, environment)


def nodes(name: str, script: str, *names: str, **environment: str) -> Contender:
    """Return the contender that runs each of our nodes as a ``--node`` process."""
    path = ROOT / "benchmarks" / "flows" / script

    def commands(case: Case, folder: Path) -> Commands:
        return [[sys.executable, str(path), "--node", node] for node in names]

    return Contender(name, commands, environment)


EDGEFLOW = flow("edgeflow", "pipe.py", "--processes")
ICEORYX2 = peer("iceoryx2", "iceoryx")
ZMQ_IPC = peer("zmq ipc", "zmq_ipc")
ZENOH_TCP = peer("zenoh tcp", "zenoh_tcp")
ZENOH_SHM = peer("zenoh shm", "zenoh_shm")
MEMCPY = peer("memcpy", "memcpy")


def _dora(case: Case, folder: Path) -> Commands:
    from benchmarks.peers.dora_node import write_dataflow

    environment = case.to_environment(folder) | {"PYTHONPATH": str(ROOT), "RUST_LOG": "error"}
    program = Path(sys.executable).with_name("dora")
    return [[str(program), "run", str(write_dataflow(case, folder, environment))]]


DORA = Contender("dora-rs", _dora)
