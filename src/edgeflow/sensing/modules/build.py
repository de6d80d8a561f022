"""Modules from their C sources, by the compiler that the ``ziglang`` wheel brings."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeflow.errors import ConfigError, MissingExtraError

__all__ = ["SOURCES", "build_module"]

SOURCES = Path(__file__).parents[4] / "firmware" / "modules"
"""Where the catalogue's sources are, in a checkout."""
SECONDS = 120.0
FLAGS = (
    *("-target", "wasm32-freestanding", "-std=c11", "-Oz", "-nostdlib"),
    # What WASM3 knows: no bulk memory, no vectors, no saturating conversions.
    *("-mcpu=mvp", "-fno-builtin-memset", "-ffp-contract=off"),
    *("-Wall", "-Wextra", "-Werror"),
    *("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=4096"),
)


def build_module(source: Path) -> bytes:
    """Compile one C file against the SDK, and return the WebAssembly.

    Raises:
        MissingExtraError: there is no compiler.
        ConfigError: it does not compile; the message holds what the compiler said.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise MissingExtraError("ziglang", "modules")
    with tempfile.TemporaryDirectory(prefix="edgeflow-module-") as folder:
        made = Path(folder) / "module.wasm"
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS]
        command += ["-I", str(SOURCES / "sdk"), "-o", str(made), str(source)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"{source}: the compiler took over {SECONDS:.0f} s") from error
        if done.returncode != 0 or not made.is_file():
            raise ConfigError(
                f"{source} does not compile:\n{done.stderr[-4000:]}",
                hint="the SDK's header says what a module may use",
            )
        return made.read_bytes()
