"""A hand-over of rows from spool to table, in processes that are killed at one line after another.

``python kill_points.py FOLDER STRIDE``: a child traces itself and is gone at its n-th line within
the store; a second one that recovers is killed at a line, too; a third one ends. Prints, as JSON,
the n at which something was lost or came twice.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from edgeflow.store import spool as spool_module
from edgeflow.store.catalogue import TABLES
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.sqlite_tables import SqliteTables

FILES = ("store/spool.py", "store/spooled.py", "store/sqlite_tables.py")
KINDS = ("sensor_temperature", "sensor_humidity")
PATIENCE = 20.0
BATCHES = 4


def hand_over(folder: Path, accepted: int | None, begin: Callable[[], None]) -> None:
    """Accept batches, say so on a descriptor, and store all that waits."""
    store = SqliteTables(str(folder / "x.db"))
    store.create([TABLES[kind] for kind in KINDS])
    begin()
    writer = SpooledWriter(store, Spool(folder / "spool", sync=False))
    for batch in range(BATCHES if accepted is not None else 0):
        # No sequence tells the three rows apart from themselves when they come again.
        rows = [{"device_id": f"d{batch}", "timestamp": 1.75e9, "value": 1.0}] * 3
        writer.append(KINDS[batch // 2 % 2], rows)
        os.write(accepted or 0, bytes([batch]))
    assert writer.flush(PATIENCE)
    writer.close()
    store.close()


def killed_at(step: int, folder: Path, accepted: int | None) -> bool:
    """Hand over in a child that is killed at a step (0: never); False if it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            hand_over(folder, accepted, lambda: _trace(step))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "a child failed"
    return False


def _trace(step: int) -> None:
    left = step
    counting = threading.Lock()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        if event == "line":
            with counting:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def tried(step: int, folder: Path) -> tuple[bool, str]:
    """Whether a step was within the hand-over, and what is wrong after it."""
    reading, writing = os.pipe()
    was_killed = killed_at(step, folder, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        accepted = set(told.read())
    killed_at(1 + step * 7 % 150, folder, None)
    assert not killed_at(0, folder, None)
    with sqlite3.connect(folder / "x.db") as database:
        kept = Counter[int]()
        for kind in KINDS:
            question = f"SELECT device_id FROM {kind}"
            kept.update(int(name[1:]) for (name,) in database.execute(question))
            ((amount,),) = database.execute(f"SELECT sum(amount) FROM {kind}_minute")
            ((count,),) = database.execute(f"SELECT count(*) FROM {kind}")
            if (amount or 0) != count:
                return was_killed, f"{kind}: {amount} rolled up of {count}"
    wrong = {batch: count for batch, count in kept.items() if count != 3}
    lost = accepted - set(kept)
    problem = f"accepted {sorted(accepted)}, kept {dict(kept)}" if wrong or lost else ""
    return was_killed, problem


def main() -> None:
    root, stride = Path(sys.argv[1]), int(sys.argv[2])
    spool_module.SEGMENT_BYTES = 100
    spool_module.GROUP_RECORDS = 2
    steps, problems = 0, {}
    for step in range(1, 100_000, stride):
        folder = root / str(step)
        folder.mkdir()
        goes_on, problem = tried(step, folder)
        shutil.rmtree(folder)
        steps += 1
        if problem:
            problems[step] = problem
        if not goes_on:
            break
    print(json.dumps({"steps": steps, "last": step, "problems": problems}))


if __name__ == "__main__":
    main()
