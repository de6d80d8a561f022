"""The node's tasks around modules: frames, requests and calls at the same time, with threads."""

import subprocess
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).parents[2] / "firmware"
MAIN = FIRMWARE / "esp32s3/csi_node/main"
STUBS = FIRMWARE / "tests/esp_idf_stubs"
INCLUDES = [STUBS, STUBS.parent, FIRMWARE / "core/include", FIRMWARE / "core/src", MAIN]
INCLUDES += [FIRMWARE / "host/include"]
PARTS = ["module*", "node_*", "csi*", "checksum", "sha*", "ed25519*"]


@pytest.mark.parametrize(
    ("sanitizer", "memory"),
    [("address,undefined", "external"), ("address,undefined", "small"), ("thread", "external")],
)
def test_modules_frames_and_requests_at_once(tmp_path: Path, sanitizer: str, memory: str) -> None:
    program = tmp_path / "tasks"
    core = [path for part in PARTS for path in (FIRMWARE / "core/src").glob(f"{part}.c")]
    own = [MAIN / "module_task.c", MAIN / "module_server.c"]
    tests = [STUBS.parent / "module_maker.c", STUBS / "module_tasks.c"]
    tests.append(FIRMWARE / "host/src/host_flash.c")
    command = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
    command += [f"-fsanitize={sanitizer}", *(f"-I{folder}" for folder in INCLUDES)]
    sources = [str(path) for path in (*own, *core, *tests)]
    made = subprocess.run(
        [*command, "-o", str(program), *sources, "-lm", "-lpthread"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    # ThreadSanitizer has fixed places in the address space; the node's tasks never end.
    ran = subprocess.run(
        ["setarch", "-R", str(program), memory],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"ASAN_OPTIONS": "detect_leaks=0", "PATH": "/usr/bin:/bin"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
