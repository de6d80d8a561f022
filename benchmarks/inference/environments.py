"""Environments of the peers, made with pip when they are first needed, and kept."""

import subprocess
import sys
from pathlib import Path

from edgeflow.config import settings

__all__ = ["REQUIREMENTS", "python_of"]

RUNTIME = "onnxruntime==1.31.1"

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "litserve": ("litserve==0.2.19", RUNTIME),
    "bentoml": ("bentoml==1.4.39", RUNTIME),
    # MLServer 1.7.1 does not start with a newer uvloop, nor find its pool of workers there.
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22", RUNTIME),
    "csiread": ("csiread==1.4.1",),
    "csikit": ("CSIKit==2.5",),
    "wisense": ("wisense==0.1.4",),
    "gmqtt": ("gmqtt==0.8.0",),
    "aiomqtt": ("aiomqtt==2.5.1",),
    "ray": ("ray[serve]==2.60.0", RUNTIME),
}


def python_of(name: str) -> Path:
    """Return the Python of a peer's environment; ``bin`` beside it has the peer's commands.

    Raises:
        subprocess.CalledProcessError: it cannot be made.
    """
    folder = settings.CACHE_DIR / "bench" / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(REQUIREMENTS[name])
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    sys.stderr.write(f"installing {', '.join(REQUIREMENTS[name])}\n")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *REQUIREMENTS[name]], check=True)
    stamp.write_text(wanted)
    return python
