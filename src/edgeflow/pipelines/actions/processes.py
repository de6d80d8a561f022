"""All that a command has started, found through ``/proc``: also what has left its session."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["MARK", "kill_all"]

MARK = "EDGEFLOW_COMMAND_ID"
"""Environment variable whose value all processes of a command inherit."""

ROUNDS = 20
EXEC_SECONDS = 0.02
"""A process that is just becoming another program shows no environment for a moment."""
PROC = Path("/proc")


class Process(NamedTuple):
    """A process; number and start together are never given twice."""

    pid: int
    parent: int
    started: int


def kill_all(pid: int, mark: str) -> None:
    """Kill a child of this process and what it has started, until there is nothing more.

    Those count that descend from it, or have ``mark`` in their environment. Blocks for a moment;
    does nothing where there is no ``/proc``.

    Args:
        pid: the child; it need not live any more.
        mark: value of ``MARK`` that it was started with, unlike any other's.
    """
    killed: set[Process] = set()
    quiet = False
    for _ in range(ROUNDS):
        found = _family(pid, mark) - killed
        if not found and quiet:
            return
        quiet = not found
        if quiet:
            time.sleep(EXEC_SECONDS)
        for process in found:
            _kill(process)
        killed |= found


def _family(pid: int, mark: str) -> set[Process]:
    known = list(_processes())
    found = {each for each in known if each.pid == pid and each.parent == os.getpid()}
    own = _read(os.getpid())
    later = [each for each in known if own is None or each.started >= own.started]
    found |= {each for each in later if _is_marked(each.pid, mark)}
    newest = {each.pid for each in found}
    while newest:
        children = {each for each in known if each.parent in newest} - found
        found |= children
        newest = {each.pid for each in children}
    return found


def _processes() -> Iterator[Process]:
    with suppress(OSError):
        for entry in PROC.iterdir():
            process = _read(int(entry.name)) if entry.name.isdigit() else None
            if process is not None:
                yield process


def _read(pid: int) -> Process | None:
    """Return a process that lives."""
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else Process(pid, int(fields[1]), int(fields[19]))


def _is_marked(pid: int, mark: str) -> bool:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in variables.split(b"\0")


def _kill(process: Process) -> None:
    with suppress(OSError):
        handle = os.pidfd_open(process.pid)
        try:
            now = _read(process.pid)
            if now is not None and now.started == process.started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
