"""The node's tasks around modules: frames, requests and calls at the same time, with threads.

``tests/native/test_core_sanitized.py`` runs the same program under the other sanitizers.
"""

import subprocess
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "firmware/tests"


def test_modules_frames_and_requests_at_once(tmp_path: Path) -> None:
    program = tmp_path / "module_tasks"
    options = [f"BUILD={tmp_path}", "SANITIZE=-fsanitize=thread"]
    made = subprocess.run(
        ["make", "-s", "-j2", "-C", FOLDER, *options, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    # ThreadSanitizer has fixed places in the address space.
    ran = subprocess.run(
        ["setarch", "-R", program, "external"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    assert " 0 failed" in ran.stdout
