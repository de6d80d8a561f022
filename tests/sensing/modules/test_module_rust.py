"""A module in Rust, where its target is present."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.sensing.modules.build import SOURCES
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance

TARGET = "wasm32-unknown-unknown"
SOURCE = SOURCES / "rust" / "presence" / "src" / "lib.rs"
COMPILERS = ("rustc", "/usr/bin/rustc")
"""The user's own, and that of the system, whose target is a package."""
ENABLE = "apt-get install --yes rustc libstd-rust-dev-wasm32"


def compiler() -> str | None:
    """A compiler that has the target."""
    for name in COMPILERS:
        try:
            found = subprocess.run(
                [name, "--print", "target-libdir", "--target", TARGET],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if any(Path(found.stdout.strip()).glob("libcore-*")):
            return name
    return None


def built(rustc: str, folder: Path) -> bytes:
    """Compile, and link with the linker that modules in C are linked with."""
    made, linked = folder / "presence.o", folder / "presence.wasm"
    compile_it = [rustc, "--edition", "2021", "--crate-type", "lib", "--emit", "obj"]
    compile_it += ["--target", TARGET, "-Copt-level=s", "-Cpanic=abort", "-Ctarget-cpu=mvp"]
    link_it = [sys.executable, "-m", "ziglang", "wasm-ld", "--no-entry", "--allow-undefined"]
    link_it += ["--export=on_timer", "--strip-all", "--gc-sections", "-z", "stack-size=4096"]
    for command in (
        [*compile_it, "-Ccodegen-units=1", "-o", str(made), str(SOURCE)],
        [*link_it, "-o", str(linked), str(made)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
        assert done.returncode == 0, done.stderr[-3000:]
    return linked.read_bytes()


def test_presence_in_rust_tells_who_comes_and_goes(tmp_path: Path) -> None:
    rustc = compiler()
    if rustc is None:
        pytest.skip(f"no Rust compiler has the target {TARGET}; run: {ENABLE}")
    module = ModuleInstance(built(rustc, tmp_path), capabilities=8 | 32)
    told = []
    for second, presence in enumerate([False] * 3 + [True] * 5 + [False] * 15):
        module.inputs = Inputs(time_ms=second * 1000, presence=presence)
        told += [(second, *event) for event in module.timer()]
    assert told == [(3, 910, 1.0), (17, 910, 0.0)]
