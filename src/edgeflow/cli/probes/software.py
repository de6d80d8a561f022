"""Python and the packages that flows use."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator

from edgeflow.cli.probes.finding import Finding, fail, ok, warn

__all__ = ["models", "package_version", "packages", "python", "recording", "video"]


def python() -> Iterator[Finding]:
    """Which Python, and whether it is one of the project's own."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX"):
        yield warn("python", f"{detail}, no virtual environment", "python3 -m venv .venv")
    else:
        yield ok("python", detail)


def packages() -> Iterator[Finding]:
    """What EdgeFlow cannot do without."""
    wanted = ["msgspec", "numpy", "opencv-python-headless", "fastapi", "uvicorn"]
    found = {name: package_version(name) for name in wanted}
    if found["opencv-python-headless"] is None:
        found["opencv-python-headless"] = package_version("opencv-python")
    missing = [name for name, version in found.items() if version is None]
    if missing:
        yield fail("packages", f"missing: {', '.join(missing)}", "pip install --upgrade edgeflow")
    else:
        yield ok("packages", ", ".join(f"{name} {version}" for name, version in found.items()))


def video() -> Iterator[Finding]:
    """Whether video files can be read and written."""
    version = package_version("av")
    if version is None:
        yield warn("video files", "PyAV is not installed", "pip install 'edgeflow[video]'")
        return
    import av

    codecs = [name for name in ("h264", "hevc", "vp9", "av1") if name in av.codecs_available]
    program = shutil.which("ffmpeg")
    tail = f", ffmpeg at {program}" if program else ""
    yield ok("video files", f"PyAV {version} with {', '.join(codecs)}{tail}")


def recording() -> Iterator[Finding]:
    """Whether MCAP recordings can be made."""
    version = package_version("mcap")
    if version is None:
        yield warn("recordings", "mcap is not installed", "pip install 'edgeflow[record]'")
    else:
        yield ok("recordings", f"mcap {version}")


def models() -> Iterator[Finding]:
    """Which ONNX Runtime there is and what it computes on."""
    if not any(map(package_version, ("onnxruntime", "onnxruntime-gpu"))):
        yield warn("models", "ONNX Runtime is not installed", "pip install 'edgeflow[onnx]'")
        return
    from edgeflow.inference.engines.onnx_runtime import onnx_runtime

    onnxruntime = onnx_runtime()
    providers = [p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers()]
    yield ok("models", f"ONNX Runtime {onnxruntime.__version__} on {', '.join(providers)}")


def package_version(package: str) -> str | None:
    """Return the installed version of a package, or None; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
