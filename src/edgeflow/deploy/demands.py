"""What an author asks of the place where a node will run: ``deploy={...}`` beside the node."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["Demands", "cores", "demands", "mebibytes"]

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(Mi|Gi|M|G)?")
_UNITS = {"": 1.0, "M": 1e6 / 2**20, "Mi": 1.0, "G": 1e9 / 2**20, "Gi": 1024.0}
_CORES = re.compile(r"(\d+)m|(\d+(?:\.\d+)?)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


class Demands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that may be asked for; what is left out has a default by role.

    Attributes:
        device: label of the hosts it may run on; of pipelines, whose nodes share a process.
        memory: promised, as in ``512Mi`` or ``2Gi``.
        memory_limit: after which it is killed.
        cpu: cores promised, as in ``0.5`` or ``500m``.
        cpu_limit: cores it may take at most; all there are by default.
        gpu: GPUs of NVIDIA; 1 by default where ``device="gpu"``.
        devices: things of device plugins by name, such as ``{"squat.ai/video": 1}``.
        groups: further groups of its processes by number, such as that of the video devices.
        storage: size of a disk at ``/data``, where it then runs.
        max_replicas: instances that may be started when frames wait.
        waiting: frames per instance that are still no reason to start another.
        egress: it connects to hosts outside the flow.
        start_seconds: how long it may take to be ready.
        environment: variables of its own.
        secrets: variables whose values are given at the deployment and kept in a Secret.
        extras: extras of EdgeFlow that it needs.
    """

    device: str | None = None
    memory: str | None = None
    memory_limit: str | None = None
    cpu: str | float | None = None
    cpu_limit: str | float | None = None
    gpu: int | None = None
    devices: dict[str, int] = msgspec.field(default_factory=dict)
    groups: list[int] = msgspec.field(default_factory=list)
    storage: str | None = None
    max_replicas: int | None = None
    waiting: int | None = None
    egress: bool | None = None
    start_seconds: int = 120
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    secrets: list[str] = msgspec.field(default_factory=list)
    extras: list[str] = msgspec.field(default_factory=list)


def demands(given: Any, place: str) -> Demands:
    """Return ``given`` as demands.

    Args:
        given: a mapping, or None.
        place: named by errors.

    Raises:
        ConfigError: it asks for something unknown, or in a way that cannot be understood.
    """
    given = {} if given is None else given
    known = list(Demands.__struct_fields__)
    if not isinstance(given, Mapping):
        raise ConfigError(f"{place}: deploy={given!r} is no mapping", hint=f"keys: {known}")
    for key in given:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise ConfigError(f"{place}: deploy has no key {key!r}", hint=hint)
    try:
        found = msgspec.convert(dict(given), Demands)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place}: deploy: {error}", hint="see docs/how-to/deploy.md") from None
    _check(found, place)
    return found


def _check(found: Demands, place: str) -> None:
    def wrong(what: str, hint: str) -> ConfigError:
        return ConfigError(f"{place}: deploy: {what}", hint=hint)

    for name in (*found.environment, *found.secrets):
        if not _VARIABLE.fullmatch(name):
            raise wrong(f"{name!r} is no name of a variable", "use letters, digits and _")
    for name in found.devices:
        if not _RESOURCE.fullmatch(name) or len(name) > 253:
            raise wrong(f"{name!r} is no name of a resource", 'as in "squat.ai/video"')
    counts = (found.gpu, *found.devices.values(), *found.groups)
    if any(count is not None and count < 0 for count in counts):
        raise wrong("a count is negative", "use 0 or more")
    numbers = (found.max_replicas, found.waiting, found.start_seconds)
    if any(number is not None and number < 1 for number in numbers):
        raise wrong("max_replicas, waiting and start_seconds are at least 1", "use 1 or more")
    for memory in (found.memory, found.memory_limit, found.storage):
        mebibytes(memory, place)
    for cpu in (found.cpu, found.cpu_limit):
        cores(cpu, place)


def mebibytes(text: str | None, place: str) -> int | None:
    """Return a size such as ``512Mi`` in MiB, rounded up; None for None.

    Raises:
        ConfigError: it is no size, or none at all.
    """
    if text is None:
        return None
    match = _MEMORY.fullmatch(text)
    size = float(match[1]) * _UNITS[match[2] or ""] if match and match[2] else 0.0
    if not 1 <= size <= 2**24:
        raise ConfigError(f"{place}: deploy: {text!r} is no size", hint="as in 512Mi or 2Gi")
    return int(-(-size // 1))


def cores(value: str | float | None, place: str) -> int | None:
    """Return cores such as ``0.5`` or ``500m`` in thousandths; None for None.

    Raises:
        ConfigError: it is no number of cores.
    """
    if value is None:
        return None
    match = _CORES.fullmatch(str(value))
    found = 0
    if match:
        found = int(match[1]) if match[1] else round(float(match[2]) * 1000)
    if not 1 <= found <= 1_000_000:
        raise ConfigError(
            f"{place}: deploy: {value!r} is no number of cores", hint="as in 0.5 or 500m"
        )
    return found
