"""A process that is killed at any line between accepting rows and having stored them."""

import json
import subprocess
import sys
from pathlib import Path

HELPER = Path(__file__).parents[1] / "kill_points.py"
EVERY = 13


def test_what_was_accepted_is_there_once_wherever_the_process_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HELPER), str(tmp_path), str(EVERY)],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["problems"] == {}
    assert told["last"] > 300, "the steps went through the whole of it"
    assert told["steps"] >= 300 // EVERY
