"""The load: clients that ask in a closed loop, each in a thread with a connection of its own.

``python -m benchmarks.inference.load`` reads a ``Task`` as JSON from stdin and writes a
``Measured`` as JSON to stdout. It compares one answer of every client with what ONNX Runtime gives,
lets the load run for a while, and measures.
"""

import json
import os
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inference.callers import CALLERS, Caller, CallError, InProcess, Tensor
from benchmarks.inference.models import MODELS
from benchmarks.machine import cpu_ns, family

__all__ = ["Measured", "Task"]

CLOSE = 1e-3
PAUSE = 0.01


@dataclass
class Task:
    """What to do.

    Attributes:
        caller: key of ``CALLERS``.
        address: of the server; the folder of models for ``in_process``.
        model: key of ``MODELS``; names on the server are ``names``, taken in turn by clients.
        folder: where the ONNX files lie.
        window: requests on their way on one connection; above 1 for the tensor protocol only.
        server: process whose processor time counts, with its descendants and this process.
    """

    caller: str
    address: str
    model: str
    folder: str
    clients: int = 1
    warm_seconds: float = 1.0
    seconds: float = 3.0
    window: int = 1
    names: list[str] = field(default_factory=list)
    server: int = 0


@dataclass
class Measured:
    """What came of it: milliseconds of every answered request, failures, seconds, and processor
    seconds of all and of the server alone.
    """

    latencies_ms: list[float]
    failures: int
    seconds: float
    busy: float
    server_busy: float
    error: str = ""


class _Client(threading.Thread):
    def __init__(self, task: Task, at: int, window: "_Window") -> None:
        super().__init__(daemon=True)
        names = task.names or [task.model]
        self._task, self._name, self._window = task, names[at % len(names)], window
        self.spans: list[tuple[int, int]] = []
        self.failures, self.error = 0, ""

    def run(self) -> None:
        caller: Caller | None = None
        try:
            caller = self._open()
        except (OSError, CallError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error}"
        self._window.ready.wait()
        try:
            if caller is not None and self._task.window > 1:
                self._pipeline(caller)
            elif caller is not None:
                self._loop(caller)
        except (OSError, CallError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error}"
        if caller is not None:
            caller.close()

    def _open(self) -> Caller:
        """Connect, and see that the answer is right."""
        task, x = self._task, MODELS[self._task.model].sample()
        wanted = InProcess(task.folder, task.model, x)
        caller = CALLERS[task.caller](task.address, self._name, x)
        given = caller.numbers(caller.call()).ravel()
        right = wanted.numbers(wanted.call()).ravel()
        if given.shape != right.shape or np.abs(given - right).max() > CLOSE:
            raise CallError(f"a wrong answer: {given[:4]}, not {right[:4]}")
        return caller

    def _loop(self, caller: Caller) -> None:
        while not self._window.over:
            before = time.monotonic_ns()
            try:
                caller.call()
            except CallError as error:
                self.failures, self.error = self.failures + 1, str(error)
                time.sleep(PAUSE)
                continue
            self.spans.append((before, time.monotonic_ns()))

    def _pipeline(self, caller: Caller) -> None:
        assert isinstance(caller, Tensor)
        sent: deque[int] = deque()
        while not self._window.over or sent:
            while len(sent) < self._task.window and not self._window.over:
                sent.append(time.monotonic_ns())
                caller.send()
            if sent:
                caller.receive()
                self.spans.append((sent.popleft(), time.monotonic_ns()))


class _Window:
    def __init__(self, clients: int) -> None:
        self.ready = threading.Barrier(clients + 1)
        self.over = False


def run(task: Task) -> Measured:
    """Put the load on and measure."""
    sys.setswitchinterval(0.001)
    window = _Window(task.clients)
    clients = [_Client(task, at, window) for at in range(task.clients)]
    for client in clients:
        client.start()
    window.ready.wait()
    time.sleep(task.warm_seconds)
    servers = family([task.server]) if task.server else []
    own, busy, begin = cpu_ns([os.getpid()]), cpu_ns(servers), time.monotonic_ns()
    time.sleep(task.seconds)
    own, busy, end = cpu_ns([os.getpid()]) - own, cpu_ns(servers) - busy, time.monotonic_ns()
    window.over = True
    for client in clients:
        client.join(30)
    spans = [span for client in clients for span in client.spans if begin <= span[1] < end]
    errors = [client.error for client in clients if client.error]
    return Measured(
        [(after - before) / 1e6 for before, after in spans],
        sum(client.failures for client in clients),
        (end - begin) / 1e9,
        (own + busy) / 1e9,
        busy / 1e9,
        errors[0] if errors else "",
    )


def main() -> None:
    task = Task(**json.load(sys.stdin))
    assert Path(task.folder).is_dir()
    found: dict[str, Any] = asdict(run(task))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
