"""What runs in a process that learns: a task as a line of JSON in, a result as a line out."""

import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from edgeflow.climate.learning.labels import LABELS, Labels
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.own_process import CANDIDATE, MAX_LINE, Result, Task
from edgeflow.climate.learning.versions import WEIGHTS, Metadata, Model, Versions
from edgeflow.climate.learning.workplace import attempt
from edgeflow.errors import EdgeFlowError
from edgeflow.observe.logs import configure_logging

__all__ = ["main"]

NICER = 5
"""Learning has time; who decides about windows meanwhile has not."""


def main() -> None:
    """Do one task; end when nobody waits for it any more."""
    configure_logging()
    with os.fdopen(0, "rb", closefd=False) as given:
        line = given.readline(MAX_LINE)
    threading.Thread(target=_end_with_input, name="end with input", daemon=True).start()
    try:
        result = _done(msgspec.json.decode(line, type=Task))
    except (EdgeFlowError, OSError, msgspec.DecodeError) as error:
        result = Result(error=str(error), hint=getattr(error, "hint", "") or "")
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")


def _done(task: Task) -> Result:
    folder = Path(task.folder)
    if task.parent is None:
        Versions(folder).load_or_begin()
        return Result()
    return _attempted(folder, task, task.parent)


def _attempted(folder: Path, task: Task, known: Metadata) -> Result:
    """Learn on; the candidate replaces the last one."""
    with suppress(OSError):
        os.nice(NICER)
    parent = Model(WindowNetwork.load(folder / known.version / WEIGHTS), known)
    found = attempt(Labels(folder / LABELS), parent, task.now, task.version, task.outcomes)
    if found is None:
        return Result()
    shutil.rmtree(folder / CANDIDATE, ignore_errors=True)
    Versions(folder / CANDIDATE).add(found.candidate)
    return Result(comparison=found.comparison)


def _end_with_input() -> None:
    """Whoever asked holds the input open, and lets go of it when it ends, however it ends."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
