"""The boards demo: it tells where to look, its boards forecast, and it ends in time."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from edgeflow.protocols.model_file import parse_model
from edgeflow.systems.sea import STEPS, Sea, read_sea
from servers import free_port

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """An empty cache, and no package index."""
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "cache"


def devices(port: int) -> list[dict]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/devices", timeout=10) as answer:
        return json.load(answer)


def test_three_boards_forecast_without_a_package_index(nowhere):
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "demo", "boards", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            told = []
            for line in process.stdout:
                told.append(line)
                if "mcu serve" in line:
                    break
            until = time.monotonic() + 60
            found = devices(port)
            while any(len(board["last_forecast"]) < 8 for board in found):
                assert time.monotonic() < until, found
                time.sleep(0.1)
                found = devices(port)
            process.terminate()
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Made-up" in told[0]
    assert f"http://127.0.0.1:{port}/dashboard#/boards\n" in "".join(told)
    assert [board["models"][0]["dtype"] for board in found] == ["float32", "float32", "int8"]
    assert all(board["errors"] == 0 for board in found)
    inputs = np.load(nowhere / "demo" / "boards" / "sea.npy")
    assert inputs.shape == (4, STEPS, 4)


def test_the_made_up_series_goes_on_for_ever(nowhere):
    sea = read_sea()
    assert not sea.real
    period = len(sea.features) - 2 * (STEPS - 1)
    np.testing.assert_array_equal(sea.sample(5), sea.sample(5 + period))
    np.testing.assert_array_equal(sea.sample(7)[1:], sea.sample(9)[:-1])


def test_features_are_those_the_model_was_trained_on():
    hours = np.arange(0, 72, 0.5)
    sea = Sea.of(hours * 3600, np.float32(10 + hours / 10), real=True)
    above, change, sine, cosine = sea.features.T
    np.testing.assert_allclose(above, 23.5 / 2 / 10, atol=1e-3)
    np.testing.assert_allclose(change, 0.1, atol=1e-3)
    np.testing.assert_allclose(np.hypot(sine, cosine), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_models_are_those_of_the_example(dtype):
    file = f"model_{dtype}.efm"
    shown = (ROOT / "src/edgeflow/systems/board_models" / file).read_bytes()
    assert shown == (ROOT / "examples/mcu_forecast/model" / file).read_bytes()
    assert parse_model(shown).steps == STEPS
