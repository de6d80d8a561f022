"""For tests of the Open Inference Protocol: Python functions as models of a real local service."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeflow.inference.local import LocalService
from edgeflow.inference.repository.files import ModelFiles, VersionFile
from edgeflow.inference.repository.settings import ModelSettings, QueueSettings
from edgeflow.protocols.oip import DATATYPES

__all__ = ["EVERY", "Gate", "gate", "models", "running"]

EVERY = {f"in_{name.lower()}": dtype for name, dtype in DATATYPES.items()}


class Gate:
    """Holds back the model ``slow`` until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.calls = 0


gate = Gate()


def echo(inputs):
    return {name.replace("in_", "out_"): array for name, array in inputs.items()}


def add_sub(inputs):
    a, b = inputs["INPUT0"], inputs["INPUT1"]
    return {"OUTPUT0": a + b, "OUTPUT1": a - b}


def halve(inputs):
    return {"y": inputs["x"] / 2}


def raises(inputs):
    raise ValueError("the model is in a bad mood")


def slow(inputs):
    gate.calls += 1
    gate.entered.release()
    gate.opened.wait(30)
    return {"y": inputs["x"]}


def mean(inputs):
    return {"y": inputs["x"].mean(axis=(2, 3))}


X, Y = ("x: float32[?, 2]",), ("y: float32[?, 2]",)
TENSORS = {
    "echo": (
        [f"{name}: {dtype}[?, 2]" for name, dtype in EVERY.items()],
        [f"{name.replace('in_', 'out_')}: {dtype}[?, 2]" for name, dtype in EVERY.items()],
    ),
    "add_sub": (
        ["INPUT0: float32[?, 4]", "INPUT1: float32[?, 4]"],
        ["OUTPUT0: float32[?, 4]", "OUTPUT1: float32[?, 4]"],
    ),
    "halve": (X, Y),
    "raises": (X, Y),
    "slow": (X, Y),
    "mean": (["x: float32[?, 3, 224, 224]"], ["y: float32[?, 3]"]),
}


class _Functions:
    """A source of models that are functions of this file."""

    def __init__(self, pinned: tuple[str, ...], queue: QueueSettings) -> None:
        self._pinned = pinned
        self._queue = queue

    def scan(self) -> Mapping[str, ModelFiles]:
        return {name: self._model(name) for name in TENSORS}

    def _model(self, name: str) -> ModelFiles:
        inputs, outputs = TENSORS[name]
        settings = ModelSettings(
            pinned=name in self._pinned,
            warm_up=False,
            queue=self._queue,
            options={"inputs": inputs, "outputs": outputs, "parallel": True},
        )
        path = Path(f"oip_service:{name}")
        versions = ("1", "2") if name == "halve" else ("1",)
        files = tuple(VersionFile(each, path, (0, 0, 0), settings) for each in versions)
        return ModelFiles(name, files, settings)


def models(pinned: tuple[str, ...] = (), **queue: Any) -> LocalService:
    """Return a service over the functions of this file; ``queue`` is of all their queues."""
    gate.__init__()
    return LocalService(_Functions(pinned, QueueSettings(**queue)), cores=2)


@contextmanager
def running(server_type, *, service=None, **options) -> Iterator:
    """Start a server of one type over the models; stop both at the end."""
    service = service or models()
    try:
        with server_type(service, port=0, **options) as server:
            yield server
    finally:
        gate.opened.set()
        service.close()


def every_input(rows: int = 1) -> dict[str, np.ndarray]:
    """Return an input for each data type, with its extreme values."""
    found = {}
    for name, dtype in EVERY.items():
        if dtype.kind == "b":
            pair = [True, False]
        else:
            limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
            pair = [limits.min, limits.max]
        found[name] = np.array([pair] * rows, dtype)
    return found
