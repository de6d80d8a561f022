"""A module in Rust, where its target is present."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeflow.sensing.modules.build import SOURCES
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance

TARGET = "wasm32-unknown-unknown"
CRATE = SOURCES / "rust" / "presence"


def has_target() -> bool:
    rustc = shutil.which("rustc")
    if rustc is None or shutil.which("cargo") is None:
        return False
    found = subprocess.run(
        [rustc, "--print", "target-libdir", "--target", TARGET],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return found.returncode == 0 and any(Path(found.stdout.strip()).glob("libcore-*"))


@pytest.mark.skipif(not has_target(), reason="run: rustup target add wasm32-unknown-unknown")
def test_presence_in_rust_tells_who_comes_and_goes(tmp_path: Path) -> None:
    command = ["cargo", "build", "--release", "--offline", "--target", TARGET]
    built = subprocess.run(
        [*command, "--target-dir", str(tmp_path)],
        cwd=CRATE,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, "RUSTFLAGS": "-Ctarget-cpu=mvp -Clink-arg=-zstack-size=4096"},
    )
    assert built.returncode == 0, built.stderr[-3000:]
    wasm = (tmp_path / TARGET / "release" / "presence.wasm").read_bytes()
    module = ModuleInstance(wasm, capabilities=8 | 32)
    told = []
    for second, presence in enumerate([False] * 3 + [True] * 5 + [False] * 15):
        module.inputs = Inputs(time_ms=second * 1000, presence=presence)
        told += [(second, *event) for event in module.timer()]
    assert told == [(3, 910, 1.0), (17, 910, 0.0)]
