"""The process of one node under a supervisor: what it is told, and how it runs."""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeflow.comms.brokers.base import Broker
from edgeflow.comms.brokers.shm import ShmBroker
from edgeflow.core.graph import Graph
from edgeflow.runtime.board import FolderBoard
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.signals import stopping_on_signals

__all__ = ["CHILD_FAILED", "CHILD_VARIABLE", "FINISH_SIGNAL", "GATE", "Child", "run_child"]

CHILD_VARIABLE = "EDGEFLOW_CHILD"
CHILD_FAILED = 75
"""Exit status of a supervised process whose node was given up (so: do not restart it)."""

FINISH_SIGNAL = signal.SIGUSR1
"""Tells a supervised process that nothing more will come."""

GATE = "all-hear"
"""File in the folder of the run: every node that takes frames has opened its links."""

_PR_SET_PDEATHSIG = 1  # prctl(2)


class Child(msgspec.Struct):
    """What a supervisor tells the process of one node."""

    run_dir: str
    replica: int


def run_child(graph: Graph, broker: Broker | None, node: str, order: str) -> int:
    """Run one node for a supervisor on this host, to its end.

    Args:
        graph: the flow, checked.
        broker: the app's own, for links that ask for it.
        node: its name.
        order: a ``Child`` in JSON.

    Returns:
        The exit status of this process.
    """
    child = msgspec.json.decode(order, type=Child)
    _die_with_parent()
    run_dir = Path(child.run_dir)
    shm = ShmBroker(run_dir=run_dir)
    shm.open(graph.name)
    brokers: dict[str, Broker] = {"shm": shm}
    if broker is not None:
        broker.open(graph.name)
        brokers["broker"] = broker
    runtime = LocalRuntime(
        graph,
        Planes(graph, brokers, "shm"),
        mode="processes",
        only=node,
        replica=child.replica,
        board=FolderBoard(run_dir / "board"),
        others_ready=(run_dir / GATE).exists,
    )
    with stopping_on_signals(runtime.stop_requested) as caught:
        signal.signal(FINISH_SIGNAL, lambda *_: runtime.finish_inputs())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {FINISH_SIGNAL})
        runtime.start()
        runtime.wait()
        runtime.stop()
    if runtime.failed:
        return CHILD_FAILED
    return 128 + caught[0] if caught else 0


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor dies, however it dies."""
    prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:
        raise SystemExit(128 + signal.SIGTERM)
