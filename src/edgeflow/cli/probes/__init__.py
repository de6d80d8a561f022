"""What ``edgeflow doctor`` looks at. A probe reads, changes nothing, and never raises."""

from collections.abc import Callable, Iterator

from edgeflow.cli.probes.finding import Finding, State, fail
from edgeflow.cli.probes.machine import cameras, folders, shared_memory, system
from edgeflow.cli.probes.network import csi_nodes, exposure, flows, ports, redis
from edgeflow.cli.probes.software import (
    models,
    package_version,
    packages,
    python,
    recording,
    video,
)
from edgeflow.errors import EdgeFlowError

__all__ = ["PROBES", "Finding", "Probe", "State", "examine", "guarded", "package_version"]

Probe = Callable[[], Iterator[Finding]]

PROBES: tuple[Probe, ...] = (
    python,
    system,
    packages,
    video,
    recording,
    models,
    cameras,
    redis,
    ports,
    csi_nodes,
    exposure,
    folders,
    shared_memory,
    flows,
)
"""In the order in which they are shown."""


def examine() -> Iterator[Finding]:
    """Yield the findings of all probes; one that breaks is a finding too."""
    for probe in PROBES:
        yield from guarded(probe, _name(probe))


def guarded(probe: Probe, name: str) -> Iterator[Finding]:
    """Yield the findings of a probe; that it breaks is a finding too."""
    try:
        yield from probe()
    except EdgeFlowError as error:
        yield fail(name, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it meets
        yield fail(name, f"{type(error).__name__}: {error}", "please report this")


def _name(probe: Probe) -> str:
    return getattr(probe, "__name__", "probe").replace("_", " ")
