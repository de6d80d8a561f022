"""dora-rs: ``dora run`` starts the daemon and both nodes; frames travel as Arrow arrays."""

import sys
from pathlib import Path

import numpy as np
import pyarrow
from dora import Node

from benchmarks.case import Case
from benchmarks.peers import base

_QUEUE = 8


def write_dataflow(case: Case, folder: Path, environment: dict[str, str]) -> Path:
    """Write the graph that ``dora run`` takes."""
    worker = "-m benchmarks.peers.worker dora_node"
    lines = ["nodes:"]
    for index in range(case.consumers):
        lines += _node(f"viewer{index}", f"{worker} consume {index}", environment)
        lines += ["    inputs:", "      frame:", "        source: camera/frame"]
        lines += [f"        queue_size: {_QUEUE}"]
    lines += _node("camera", f"{worker} produce", environment)
    lines += ["    outputs: [frame]"]
    path = folder / "dataflow.yml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _node(name: str, arguments: str, environment: dict[str, str]) -> list[str]:
    lines = [f"  - id: {name}", f"    path: {sys.executable}", f"    args: {arguments}", "    env:"]
    return lines + [f"      {key}: '{value}'" for key, value in environment.items()]


class Sender(base.Sender):
    def __init__(self, case: Case, folder: Path) -> None:
        self._node = Node()

    def send(self, frame: np.ndarray) -> None:
        self._node.send_output("frame", pyarrow.array(frame, type=pyarrow.uint8()))


class Receiver(base.Receiver):
    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._node = Node()

    def receive(self, timeout: float) -> np.ndarray | None:
        while True:
            event = self._node.next(timeout=timeout)
            if event is None or event["type"] in {"STOP", "ERROR"}:
                return None
            if event["type"] == "INPUT":
                self._value = event["value"]
                return self._value.to_numpy(zero_copy_only=True)
