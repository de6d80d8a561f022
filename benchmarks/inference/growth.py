"""How our servers bear more clients, from 1 to 64, and more models, from 1 to 16."""

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Reading, summarise
from benchmarks.inference.contenders import CONTENDERS, HTTP, TCP, Contender, Running, StartError
from benchmarks.inference.load import Task
from benchmarks.inference.models import MODELS
from benchmarks.inference.serving import ask, inference_models, reading
from benchmarks.report import Options, Result

__all__ = ["run"]

CLIENTS = (1, 4, 16, 64)
COPIES = (1, 4, 16)
BUSY = 8
"""Clients that share the models, when models grow."""


def run(options: Options) -> list[Result]:
    """Measure both growths."""
    with tempfile.TemporaryDirectory(prefix="bench-models-") as name:
        folder = Path(name)
        inference_models(folder)
        for model in MODELS:
            for copy in range(max(COPIES)):
                shutil.copyfile(folder / f"{model}.onnx", folder / f"{model}-{copy}.onnx")
        tables = [(model, "clients", CLIENTS) for model in MODELS]
        tables += [(model, "models", COPIES) for model in MODELS]
        return [_grow(folder, options, *table) for table in tables]


def _grow(folder: Path, options: Options, model: str, what: str, steps: tuple[int, ...]) -> Result:
    readings: dict[str, tuple[Contender, list[Reading]]] = {}
    for number in range(options.rounds):
        for contender in (each for each in CONTENDERS if each.label in (TCP, HTTP)):
            sys.stderr.write(f"{model}, {what}, round {number + 1}: {contender.label}\n")
            with Running(contender, folder) as server:
                for step in steps if number % 2 == 0 else reversed(steps):
                    label = f"{contender.label}, {step} {what}"
                    task = Task(
                        contender.caller, server.address, model, str(folder),
                        clients=step if what == "clients" else BUSY,
                        warm_seconds=0.3 if options.quick else 1.0,
                        seconds=options.rate_seconds, server=server.pid,
                        names=[f"{model}-{at}" for at in range(step)] if what == "models" else [],
                    )  # fmt: skip
                    try:
                        one = reading(ask(task), label)
                    except StartError as error:
                        sys.stderr.write(f"{error}\n")
                        continue
                    kept = readings.setdefault(label, (replace(contender, label=label), []))
                    kept[1].append(one)
    title = f"Inference, {model}, growing {what}"
    rows = [summarise(contender, found) for contender, found in readings.values()]
    rows.sort(key=lambda row: (row.label.partition(",")[0], int(row.label.split()[-2])))
    result = Result(title, rows, unit="request")
    if what == "models":
        result.notes.append(f"{BUSY} clients, each asks one of the models.")
    return result
