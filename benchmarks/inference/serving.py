"""Models behind servers: rate and latency at 1 and 8 clients, ours beside the peers'."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.harness import Reading, Summary, summarise
from benchmarks.inference.contenders import (
    CONTENDERS,
    HTTP,
    IN_PROCESS,
    ROOT,
    TCP,
    Contender,
    Running,
    StartError,
)
from benchmarks.inference.load import Measured, Task
from benchmarks.inference.models import MODELS, write
from benchmarks.report import Options, Result, paired_ratio

__all__ = ["ask", "inference_models", "measure", "reading", "run"]

CLIENTS = (1, 8)
WINDOW = 32
"""Requests on their way on the one connection of the pipelined load."""

PIPELINED = "edgeflow TCP, pipelined"
SHARE, AHEAD, ADDED_TCP_MS, ADDED_HTTP_MS, TINY_RATE = 0.9, 1.7, 0.4, 0.8, 8000

NOTE = (
    "Requests are prepared once and sent in a closed loop by one process with a thread and a "
    "connection for each client, on the same cores as the server. One answer of every client was "
    "compared with ONNX Runtime's. p50 and p99 are of whole requests, as the client sees them."
)


@dataclass(frozen=True)
class Cell:
    """One load that a running server is put under."""

    model: str
    clients: int
    window: int = 1

    @property
    def title(self) -> str:
        who = "client" if self.clients == 1 else "clients"
        return f"{self.model}, {self.clients} {who}"


CELLS = tuple(Cell(model, clients) for model in MODELS for clients in CLIENTS)


def run(options: Options) -> list[Result]:
    """Measure every contender under every load."""
    for contender in CONTENDERS:
        contender.prepare()
    readings: dict[Cell, dict[str, list[Reading]]] = {}
    failures: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="bench-models-") as folder:
        inference_models(Path(folder))
        for number in range(options.rounds):
            for contender in _in_turn(CONTENDERS, number):
                sys.stderr.write(f"round {number + 1}/{options.rounds}: {contender.label}\n")
                try:
                    found = measure(contender, _cells(contender), Path(folder), options)
                except StartError as error:
                    failures[contender.label] = failures.get(contender.label, 0) + 1
                    sys.stderr.write(f"{error}\n")
                    continue
                for cell, one in found.items():
                    per_label = readings.setdefault(replace(cell, window=1), {})
                    label = PIPELINED if cell.window > 1 else contender.label
                    per_label.setdefault(label, []).append(one)
    return [_result(cell, readings.get(cell, {}), failures) for cell in CELLS]


def inference_models(folder: Path) -> None:
    """Write all models into a folder."""
    for name in MODELS:
        write(name, folder / f"{name}.onnx")


def _in_turn(contenders: Sequence[Contender], number: int) -> list[Contender]:
    return list(contenders) if number % 2 == 0 else list(reversed(contenders))


def _cells(contender: Contender) -> list[Cell]:
    more = [Cell("tiny", 1, WINDOW)] if contender.label == TCP else []
    return [*CELLS, *more]


def measure(
    contender: Contender, cells: Sequence[Cell], folder: Path, options: Options
) -> dict[Cell, Reading]:
    """Start a contender's server, put it under every load, and end it.

    Raises:
        StartError: it did not start, or failed under load.
    """
    found = {}
    with Running(contender, folder) as server:
        for cell in cells:
            task = Task(
                contender.caller, server.address, cell.model, str(folder), cell.clients,
                warm_seconds=0.3 if options.quick else 1.0,
                seconds=options.rate_seconds if options.quick else 3.0,
                window=cell.window, server=server.pid,
            )  # fmt: skip
            found[cell] = reading(ask(task), contender.label)
    return found


def ask(task: Task) -> Measured:
    """Run the load in a process of its own.

    Raises:
        StartError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inference.load"],
        input=json.dumps(asdict(task)).encode(),
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        raise StartError(f"the load failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return Measured(**json.loads(done.stdout))


def reading(measured: Measured, label: str) -> Reading:
    """Return a run in the form of all benchmarks.

    Raises:
        StartError: nothing was answered.
    """
    count = len(measured.latencies_ms)
    if not count:
        raise StartError(f"{label}: nothing was answered: {measured.error}")
    if measured.error:
        sys.stderr.write(f"{label}: {measured.failures} failed, the last: {measured.error}\n")
    return Reading(
        latencies_ms=np.array(measured.latencies_ms),
        fps=count / measured.seconds,
        skipped=measured.failures,
        cpu_percent=measured.busy / measured.seconds * 100,
        sender_percent=measured.server_busy / measured.seconds * 100,
        cpu_ms_per_frame=measured.busy * 1e3 / count,
    )


def _result(cell: Cell, readings: dict[str, list[Reading]], failures: dict[str, int]) -> Result:
    known = {each.label: each for each in CONTENDERS}
    known[PIPELINED] = replace(known[TCP], label=PIPELINED)
    found = {
        label: summarise(known[label], readings[label], failures.get(label, 0))
        for label in known
        if readings.get(label)
    }
    result = Result(f"Inference, {cell.title}", list(found.values()), unit="request")
    result.notes.append(NOTE)
    if IN_PROCESS in found and TCP in found:
        _expect(result, cell, found)
    return result


def _expect(result: Result, cell: Cell, found: dict[str, Summary]) -> None:
    ours, alone = found[TCP], found[IN_PROCESS]
    if cell == Cell("tiny", 1) and PIPELINED in found:
        rate = found[PIPELINED].fps
        result.expect(
            "requests/s, one connection, pipelined", rate, f">= {TINY_RATE:,}", rate >= TINY_RATE
        )
    if cell == Cell("mnv2", 1):
        for label, bound in ((TCP, ADDED_TCP_MS), (HTTP, ADDED_HTTP_MS)):
            if label in found:
                pairs = zip(found[label].p50_rounds, alone.p50_rounds, strict=False)
                added = float(np.median([served - direct for served, direct in pairs]))
                result.expect(f"p50 ms added by {label}", added, f"<= {bound}", added <= bound)
    if cell == Cell("mnv2", 8):
        ratio = paired_ratio(ours.fps_rounds, alone.fps_rounds)
        result.expect(
            "requests/s TCP to in-process", ours.fps, f">= {SHARE}", ratio >= SHARE, alone.fps,
            ratio,
        )  # fmt: skip
        for label, other in found.items():
            if not label.startswith("edgeflow") and label != IN_PROCESS:
                ratio = paired_ratio(ours.fps_rounds, other.fps_rounds)
                result.expect(
                    f"requests/s TCP to {label}", ours.fps, f">= {AHEAD}", ratio >= AHEAD,
                    other.fps, ratio,
                )  # fmt: skip
