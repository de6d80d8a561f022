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
    targets = ["build", f"{folder}/module_tasks"]
    command = ["make", "-s", "-j2", "-C", FOLDER, f"BUILD={folder}", f"CC={compiler}", *targets]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("name", TESTS)
def test_core(built: Path, name: str) -> None:
    ran = subprocess.run([built / name], check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failed" in ran.stdout


@pytest.mark.parametrize("memory", ["external", "small"])
def test_the_tasks_of_modules(built: Path, memory: str) -> None:
    ran = subprocess.run(
        [built / "module_tasks", memory],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        # The node's tasks never end.
        env={"ASAN_OPTIONS": "detect_leaks=0", "PATH": "/usr/bin:/bin"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    assert " 0 failed" in ran.stdout
