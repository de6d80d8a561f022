"""The scripts of the requirements document, run as it runs them, against a virtual board."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.errors import ConfigError, EngineError, UnreachableError
from edgeflow.inference.client.mcu import McuClient
from edgeflow.systems.mcu import McuOptions, McuServer
from wired_boards import FEATURES, HORIZON, STEPS, model_file, samples

ROOT = Path(__file__).parents[2]
OLD, NEW = model_file(1), model_file(2)


def run(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def python(script: str, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, ROOT / script, *words, folder=folder)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with (
        VirtualBoard(model=OLD, instant=True, link=tmp_path / "desk") as board,
        McuServer(McuOptions((f"desk={board.port}",), http_port=0)) as running,
    ):
        url = f"http://127.0.0.1:{running.port}"
        np.save(tmp_path / "X_test.npy", samples(3))
        until = time.monotonic() + 30
        while True:
            try:
                McuClient(url).infer(tmp_path / "X_test.npy")
                break
            except EngineError:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield url


def truth(model: bytes) -> np.ndarray:
    native = NativeModel(model)
    return np.stack([native.run(each) for each in samples(3)])


def test_make_dummy_input(tmp_path: Path) -> None:
    script = "scripts/make_dummy_input.py"
    done = python(script, "--T", 32, "--F", 4, "--n", 8, "--out", "X_test.npy", folder=tmp_path)
    assert (done.returncode, done.stdout) == (
        0, "Wrote X_test.npy with shape (8, 32, 4) dtype float32\n",
    )  # fmt: skip
    made = np.load(tmp_path / "X_test.npy", allow_pickle=False)
    assert (made.shape, made.dtype) == ((8, 32, 4), np.float32)
    (tmp_path / "meta.json").write_text('{"T": 5, "F": 2, "H": 1, "hidden": 3}')
    python(script, "--meta", "meta.json", "--out", "one.npy", folder=tmp_path)
    assert np.load(tmp_path / "one.npy").shape == (5, 2)
    assert python(script, "--T", 5, "--out", "no.npy", folder=tmp_path).returncode == 2
    (tmp_path / "meta.json").write_text("[]")
    done = python(script, "--meta", "meta.json", "--out", "no.npy", folder=tmp_path)
    assert done.returncode == 1 and "no T and F" in done.stderr
    assert not (tmp_path / "no.npy").exists()


def test_client_submit_swaps_and_infers(server: str, tmp_path: Path) -> None:
    (tmp_path / "model_fp32.bin").write_bytes(NEW)
    meta = {"T": STEPS, "F": FEATURES, "H": HORIZON, "hidden": 4}
    (tmp_path / "model_meta.json").write_text(json.dumps(meta))
    script, given = "pc/client_submit.py", ("--host", server, "--input", "X_test.npy")
    done = python(script, *given, "--out", "old.npy", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "wrote old.npy\n")
    np.testing.assert_allclose(np.load(tmp_path / "old.npy"), truth(OLD), atol=1e-5)
    new = ("--model", "model_fp32.bin", "--meta", "model_meta.json", "--json")
    done = python(script, *given, *new, folder=tmp_path)
    np.testing.assert_allclose(json.loads(done.stdout)["pred"], truth(NEW), atol=1e-5)


def test_bench_prints_the_line(server: str, tmp_path: Path) -> None:
    url = f"{server}/v2/infer"
    words = ("--url", url, "--input", "X_test.npy", "--runs", 3)
    done = python("scripts/bench.py", *words, folder=tmp_path)
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"runs=3 mean_ms=\d+\.\d\d p50_ms=\d+\.\d\d p95_ms=\d+\.\d\d", last)
    assert f'"T": {STEPS}' in done.stdout


def test_infer_curl(server: str, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "infer_curl.sh"
    done = run(script, folder=tmp_path, HOST=server, EDGEFLOW_TOKEN="any")
    assert (done.returncode, done.stdout) == (0, "Wrote infer_out.json\n"), done.stderr
    answer = json.loads((tmp_path / "infer_out.json").read_text())
    np.testing.assert_allclose(answer["pred"], truth(OLD), atol=1e-5)
    np.save(tmp_path / "bad.npy", np.zeros((1, STEPS, FEATURES + 1)))
    done = run(script, "bad.npy", folder=tmp_path, HOST=server, OUT="no.json")
    assert done.returncode != 0 and "Wrote" not in done.stdout
    assert json.loads((tmp_path / "no.json").read_text())["ok"] is False


def test_refusals_are_told(server: str, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.zeros((1, STEPS, FEATURES + 1)))
    with pytest.raises(EngineError, match="/v2/infer_npy: 4"):
        McuClient(server).infer_npy(tmp_path / "bad.npy")
    with pytest.raises(ConfigError, match=r"none\.npy"):
        McuClient(server).infer(tmp_path / "none.npy")
    with pytest.raises(UnreachableError, match="does not answer"):
        McuClient("http://127.0.0.1:1").infer(tmp_path / "bad.npy")
    for wrong in ("", "localhost:8080", "ftp://a", "http://", "http://a:99999", "http://[a"):
        with pytest.raises(ConfigError):
            McuClient(wrong)
    done = python("pc/client_submit.py", "--input", "none.npy", folder=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error[EF-CONFIG-001]")


def test_requirements_hold_what_the_server_imports() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e .[mcu]"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = " ".join(project["optional-dependencies"]["mcu"])
    assert all(each in extra for each in ("python-multipart", "serial", "cffi", "esptool"))
    code = "from pc.server import app; assert callable(app)"
    done = run(sys.executable, "-W", "error", "-c", code, folder=ROOT)
    assert done.returncode == 0, done.stderr
