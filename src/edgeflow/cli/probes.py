"""What ``edgeflow doctor`` looks at. A probe reads, changes nothing, and never raises."""

import importlib.metadata
import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from edgeflow.config import settings
from edgeflow.errors import EdgeFlowError

__all__ = ["PROBES", "Finding", "Probe", "State", "examine", "package_version"]

REDIS_SECONDS = 0.5
MIN_FILES = 1024
MIN_MEMORY_BYTES = 256 * 1024**2


class State(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor.

    Attributes:
        name: what was looked at.
        state: ``ok``; ``warn`` when something optional is missing; ``fail`` when flows cannot run.
        detail: what was found.
        help: what to do about it; empty when ok.
    """

    name: str
    state: State
    detail: str
    help: str = ""


Probe = Callable[[], Iterator[Finding]]


def examine() -> Iterator[Finding]:
    """Yield the findings of all probes; one that breaks is a finding too."""
    for probe in PROBES:
        try:
            yield from probe()
        except EdgeFlowError as error:
            yield _fail(_name(probe), error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it meets
            yield _fail(_name(probe), f"{type(error).__name__}: {error}", "please report this")


def package_version(package: str) -> str | None:
    """Return the installed version of a package, or None; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _name(probe: Probe) -> str:
    return getattr(probe, "__name__", "probe").replace("_", " ")


def _ok(name: str, detail: str) -> Finding:
    return Finding(name, State.OK, detail)


def _warn(name: str, detail: str, advice: str) -> Finding:
    return Finding(name, State.WARN, detail, advice)


def _fail(name: str, detail: str, advice: str) -> Finding:
    return Finding(name, State.FAIL, detail, advice)


def python() -> Iterator[Finding]:
    """Which Python, and whether it is one of the project's own."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX"):
        yield _warn("python", f"{detail}, no virtual environment", "python3 -m venv .venv")
    else:
        yield _ok("python", detail)


def system() -> Iterator[Finding]:
    """The system, and how many cores we may use."""
    detail = f"{platform.system()} {platform.release()} {platform.machine()}, {_cores()} cores"
    if sys.platform == "linux":
        yield _ok("system", detail)
    else:
        yield _warn("system", detail, "--processes and direct links on one host need Linux")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def packages() -> Iterator[Finding]:
    """What EdgeFlow cannot do without."""
    wanted = ["msgspec", "numpy", "opencv-python-headless", "fastapi", "uvicorn", "redis"]
    found = {name: package_version(name) for name in wanted}
    if found["opencv-python-headless"] is None:
        found["opencv-python-headless"] = package_version("opencv-python")
    missing = [name for name, version in found.items() if version is None]
    if missing:
        yield _fail("packages", f"missing: {', '.join(missing)}", "pip install --upgrade edgeflow")
    else:
        yield _ok("packages", ", ".join(f"{name} {version}" for name, version in found.items()))


def video() -> Iterator[Finding]:
    """Whether video files can be read and written."""
    version = package_version("av")
    if version is None:
        yield _warn("video files", "PyAV is not installed", "pip install 'edgeflow[video]'")
        return
    import av

    codecs = [name for name in ("h264", "hevc", "vp9", "av1") if name in av.codecs_available]
    program = shutil.which("ffmpeg")
    tail = f", ffmpeg at {program}" if program else ""
    yield _ok("video files", f"PyAV {version} with {', '.join(codecs)}{tail}")


def recording() -> Iterator[Finding]:
    """Whether MCAP recordings can be made."""
    version = package_version("mcap")
    if version is None:
        yield _warn("recordings", "mcap is not installed", "pip install 'edgeflow[record]'")
    else:
        yield _ok("recordings", f"mcap {version}")


def models() -> Iterator[Finding]:
    """Which ONNX Runtime there is and what it computes on."""
    if not any(map(package_version, ("onnxruntime", "onnxruntime-gpu"))):
        yield _warn("models", "ONNX Runtime is not installed", "pip install 'edgeflow[onnx]'")
        return
    import onnxruntime

    providers = [p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers()]
    yield _ok("models", f"ONNX Runtime {onnxruntime.__version__} on {', '.join(providers)}")


def cameras() -> Iterator[Finding]:
    """Video devices, and whether they may be opened."""
    devices = sorted(Path("/dev").glob("video[0-9]*"))
    if not devices:
        advice = "plug one in, or use a clip: edgeflow demo needs no camera"
        yield _warn("cameras", "none found", advice)
        return
    closed = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if closed:
        detail = f"no permission for {', '.join(closed)}"
        yield _warn("cameras", detail, "sudo usermod -aG video $USER, then log in again")
    else:
        yield _ok("cameras", ", ".join(map(str, devices)))


def redis() -> Iterator[Finding]:
    """Whether a Redis or Valkey answers; only flows on several hosts need one."""
    import redis as client
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    place = f"{settings.REDIS_HOST}:{settings.REDIS_PORT}"
    try:
        with client.Redis(
            host=settings.REDIS_HOST,
            port=settings.REDIS_PORT,
            password=settings.REDIS_PASSWORD,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as server:
            about = server.info("server")
    except client.AuthenticationError:
        yield _warn("redis", f"{place} wants a password", "set REDIS_PASSWORD")
    except (client.RedisError, OSError):
        advice = "only --node and RedisBroker need one; set REDIS_HOST and REDIS_PORT"
        yield _warn("redis", f"nothing answers at {place}", advice)
    else:
        kind = "valkey" if "valkey_version" in about else "redis"
        yield _ok("redis", f"{kind} {about.get(f'{kind}_version', '?')} at {place}")


def ports() -> Iterator[Finding]:
    """Whether the default ports are free."""
    for purpose, port, variable in (
        ("dashboard", settings.GATEWAY_HTTP_PORT, "GATEWAY_HTTP_PORT"),
        ("gateway frames", settings.GATEWAY_TCP_PORT, "GATEWAY_TCP_PORT"),
    ):
        name = f"port {port}"
        if _is_free(port):
            yield _ok(name, f"free ({purpose})")
        else:
            yield _warn(name, f"in use ({purpose})", f"end its owner, or set {variable}")


def _is_free(port: int) -> bool:
    host = settings.BIND_HOST
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def exposure() -> Iterator[Finding]:
    """Whether servers bound wider than loopback ask for a token."""
    host = settings.BIND_HOST
    if host in ("127.0.0.1", "::1", "localhost"):
        yield _ok("exposure", f"servers bind {host}: this machine only")
    elif settings.TOKEN:
        yield _ok("exposure", f"servers bind {host}, with a token")
    else:
        waived = " and EDGEFLOW_INSECURE is set" if settings.INSECURE else ""
        yield _warn("exposure", f"servers bind {host} without a token{waived}",
                    "set EDGEFLOW_TOKEN to a long random text")  # fmt: skip


def folders() -> Iterator[Finding]:
    """The run folder and the cache can be written."""
    for name, folder, variable in (
        ("run folder", settings.RUN_DIR, "EDGEFLOW_RUN_DIR"),
        ("asset cache", settings.CACHE_DIR, "EDGEFLOW_CACHE_DIR"),
    ):
        problem = _write_problem(folder)
        if problem is None:
            yield _ok(name, str(folder))
        else:
            yield _fail(name, f"{folder}: {problem}", f"set {variable} to a folder you may write")


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
        yield _fail(name, f"memfd cannot be made and passed: {error}", advice)
        return
    free = _memory_available()
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"memfd works, {free / 1024**3:.1f} GiB of memory available, {files} open files"
    if 0 < free < MIN_MEMORY_BYTES:
        yield _warn(name, detail, "close something; frames on one host live in memory")
    elif 0 <= files < MIN_FILES:
        yield _warn(name, detail, f"ulimit -n {MIN_FILES}")
    else:
        yield _ok(name, detail)


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


def flows() -> Iterator[Finding]:
    """Flows that run here."""
    from edgeflow.runtime.attach import running

    apps = [f"{app.name} (process {app.pid}, {app.mode})" for app in running()]
    yield _ok("running flows", ", ".join(apps) or "none")


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
    exposure,
    folders,
    shared_memory,
    flows,
)
"""In the order in which they are shown."""
