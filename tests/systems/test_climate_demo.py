"""The demo and the example of windows: rooms on a real broker, a page, and a model that learns."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from servers import free_port

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"


def test_the_example_learns_in_a_short_day(tmp_path: Path) -> None:
    """Twelve hours of four rooms; their person is in for seven of these."""
    command = [sys.executable, ROOT / "examples" / "window_control" / "main.py"]
    command += ["--rooms", "4", "--speed", "1800", "--seconds", "24", "--out", tmp_path]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hours = json.loads((tmp_path / "curve.json").read_text())
    assert len(hours) >= 8
    assert sum(hour["overrides"] for hour in hours) > 15
    assert sum(hour["decisions"] for hour in hours) > 100
    first = hours[0]
    assert first["version"] == "v1"
    assert abs(first["points"] - first["unlearnt"]) < first["decisions"], "nothing is learnt yet"
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    assert "last quarter" in done.stdout


def test_the_demo_shows_its_rooms_and_ends_in_time() -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "demo", "climate", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            told = []
            for line in process.stdout:
                told.append(line)
                if line.startswith("hour   0"):
                    break
            page = f"http://127.0.0.1:{port}/api/climate/overview?seconds=900"
            with urllib.request.urlopen(page, timeout=30) as answer:
                overview = answer.read().decode()
            asked = time.monotonic()
            process.terminate()
            _, errors = process.communicate(timeout=60)
            took = time.monotonic() - asked
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert f"http://127.0.0.1:{port}/dashboard#/climate\n" in "".join(told)
    assert "points off" in told[-1]
    assert all(f"room-{number}" in overview for number in range(1, 11))
    assert took < 30
