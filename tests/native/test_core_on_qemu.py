"""The C tests of ``firmware/tests`` on a 32-bit ARM under QEMU."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "firmware/tests"
TOOLS = ("make", "arm-linux-gnueabihf-gcc", "qemu-arm")
INSTALL = "apt-get install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user"


@pytest.mark.timeout(300)
def test_core_runs_on_a_32_bit_machine(tmp_path: Path) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: {INSTALL}")
    ran = subprocess.run(
        ["make", "-s", "-j2", "-C", FOLDER, f"BUILD={tmp_path}", "qemu"],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    passed = [line for line in ran.stdout.splitlines() if line.endswith(" 0 failed")]
    assert len(passed) == len(list(FOLDER.glob("test_*.c")))
