"""The C tests of ``firmware/tests`` under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "firmware/tests"
TESTS = sorted(path.stem for path in FOLDER.glob("test_*.c"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = os.environ.get("CC", "gcc")
    if shutil.which("make") is None or shutil.which(compiler) is None:
        pytest.skip("make or a C compiler is missing")
    folder = tmp_path_factory.mktemp("sanitized")
    command = ["make", "-s", "-j2", "-C", FOLDER, f"BUILD={folder}", f"CC={compiler}", "build"]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("name", TESTS)
def test_core(built: Path, name: str) -> None:
    ran = subprocess.run([built / name], check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failed" in ran.stdout
