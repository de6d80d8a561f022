"""The machine: cores, cameras, folders, shared memory."""

import os
import platform
import resource
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeflow.cli.probes.finding import Finding, fail, ok, warn
from edgeflow.config import settings

__all__ = ["cameras", "folders", "shared_memory", "system"]

MIN_FILES = 1024
MIN_MEMORY_BYTES = 256 * 1024**2


def system() -> Iterator[Finding]:
    """The system, and how many cores we may use."""
    detail = f"{platform.system()} {platform.release()} {platform.machine()}, {_cores()} cores"
    if sys.platform == "linux":
        yield ok("system", detail)
    else:
        yield warn("system", detail, "--processes and direct links on one host need Linux")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cameras() -> Iterator[Finding]:
    """Video devices, and whether they may be opened."""
    devices = sorted(Path("/dev").glob("video[0-9]*"))
    if not devices:
        advice = "plug one in, or use a clip: edgeflow demo needs no camera"
        yield warn("cameras", "none found", advice)
        return
    closed = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if closed:
        detail = f"no permission for {', '.join(closed)}"
        yield warn("cameras", detail, "sudo usermod -aG video $USER, then log in again")
    else:
        yield ok("cameras", ", ".join(map(str, devices)))


def folders() -> Iterator[Finding]:
    """The run folder and the cache can be written."""
    for name, folder, variable in (
        ("run folder", settings.RUN_DIR, "EDGEFLOW_RUN_DIR"),
        ("asset cache", settings.CACHE_DIR, "EDGEFLOW_CACHE_DIR"),
    ):
        problem = _write_problem(folder)
        if problem is None:
            yield ok(name, str(folder))
        else:
            yield fail(name, f"{folder}: {problem}", f"set {variable} to a folder you may write")


def _write_problem(folder: Path) -> str | None:
    """Return why nothing can be written in ``folder`` or, before it exists, where it will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return None
    except OSError as error:
        return error.strerror or str(error)


def shared_memory() -> Iterator[Finding]:
    """Anonymous shared memory that can be handed over, with room in memory and descriptors."""
    name = "shared memory"
    try:
        _pass_a_segment()
    except (OSError, AttributeError) as error:
        advice = "use a Linux kernel from 3.17 on, and allow memfd_create in the sandbox"
        yield fail(name, f"memfd cannot be made and passed: {error}", advice)
        return
    free = _memory_available()
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"memfd works, {free / 1024**3:.1f} GiB of memory available, {files} open files"
    if 0 < free < MIN_MEMORY_BYTES:
        yield warn(name, detail, "close something; frames on one host live in memory")
    elif 0 <= files < MIN_FILES:
        yield warn(name, detail, f"ulimit -n {MIN_FILES}")
    else:
        yield ok(name, detail)


def _pass_a_segment() -> None:
    descriptor = os.memfd_create("edgeflow-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.truncate(descriptor, 4096)
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with left, right:
            socket.send_fds(left, [b"x"], [descriptor])
            _, received, _, _ = socket.recv_fds(right, 1, 1)
            for each in received:
                os.close(each)
    finally:
        os.close(descriptor)


def _memory_available() -> int:
    """Return bytes available, 0 when the kernel does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else 0
