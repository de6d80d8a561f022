"""The commands of the MCU requirements document, against virtual boards; only ports differ."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.virtual.board import VirtualBoard
from servers import free_port
from wired_boards import model_file

ROOT = Path(__file__).parents[2]
DIMENSIONS = {"steps": 32, "features": 4, "horizon": 8, "hidden": 32}
OLD, NEW = model_file(1, **DIMENSIONS), model_file(2, **DIMENSIONS)
SHAPE = {"T": 32, "F": 4, "H": 8, "hidden": 32}


def shell(command: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(shlex.split(command), cwd=folder, env=os.environ | {"PATH": path}, check=True)


@contextmanager
def uvicorn(serial: str) -> Iterator[str]:
    """``uvicorn pc.server:app`` from the root of the clone, until it has been ended by SIGINT."""
    port = free_port()
    command = f"-m uvicorn pc.server:app --host 0.0.0.0 --port {port}"
    environment = os.environ | {"SERIAL_PORT": serial}
    with subprocess.Popen([sys.executable, *command.split()], cwd=ROOT, env=environment) as server:
        try:
            until = time.monotonic() + 30
            while not healthy(f"http://localhost:{port}/health"):
                assert server.poll() is None and time.monotonic() < until
                time.sleep(0.1)
            yield f"http://localhost:{port}"
            server.send_signal(signal.SIGINT)
            server.wait(20)
        finally:
            server.kill()


def healthy(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "model_fp32.bin").write_bytes(NEW)
    (tmp_path / "model_meta.json").write_text(json.dumps(SHAPE))
    script = ROOT / "scripts/make_dummy_input.py"
    shell(f"python {script} --T 32 --F 4 --n 8 --out X_test.npy", tmp_path)
    return tmp_path


def predictions(folder: Path, model: bytes) -> np.ndarray:
    native = NativeModel(model)
    return np.array([native.run(sample) for sample in np.load(folder / "X_test.npy")])


@pytest.mark.parametrize("reference", [False, True], ids=["slots", "reference-firmware"])
def test_the_documented_commands(files: Path, reference: bool) -> None:
    """Health, inference, and a hot swap; with the reference firmware by the real esptool."""
    with (
        VirtualBoard(
            model=OLD, reference=reference, instant=True, transport="rfc2217", flash_bytes=8 << 20
        ) as board,
        uvicorn(board.port) as address,
    ):
        health = httpx.get(f"{address}/health").json()
        assert health["ok"] is True
        assert health["device"] == SHAPE

        ask = f"curl -sS -X POST {address}/v2/infer -F input_npy=@X_test.npy"
        shell(f"{ask} -o infer_out.json", files)
        told = json.loads((files / "infer_out.json").read_text())
        np.testing.assert_allclose(told["pred"], predictions(files, OLD), atol=1e-5)

        upload = "-F model_bin=@model_fp32.bin -F model_meta=@model_meta.json"
        shell(f"{ask} {upload} -o infer_out.json", files)
        told = json.loads((files / "infer_out.json").read_text())
        assert told.get("ok"), told
        np.testing.assert_allclose(told["pred"], predictions(files, NEW), atol=1e-5)
        assert told["timing_ms"]["flash"] > 0.0

        environment = os.environ | {"HOST": address, "OUT": str(files / "curl.json")}
        script = [ROOT / "scripts/infer_curl.sh", files / "X_test.npy"]
        subprocess.run(script, env=environment, check=True, capture_output=True)
        assert json.loads((files / "curl.json").read_text())["ok"] is True
