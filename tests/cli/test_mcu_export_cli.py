import json
from pathlib import Path

import numpy as np
import pytest

from edgeflow.cli import main
from edgeflow.protocols.model_file import parse_model
from trained_models import FEATURES, HORIZON, STEPS, samples, save_onnx_lstm


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["mcu", "export", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_export_writes_files_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_onnx_lstm(tmp_path / "sea.onnx")
    np.save(tmp_path / "x.npy", samples())
    np.save(tmp_path / "y.npy", np.zeros((len(samples()), HORIZON)))
    options = ["--calibrate", tmp_path / "x.npy", "--targets", tmp_path / "y.npy"]
    out = tmp_path / "made"
    code, told, narrated = run(capsys, model, "--out", out, *options, "--version", 3)
    assert code == 0
    names = ["model_fp32.bin", "model_meta.json", "model_float32.efm", "model_int8.efm"]
    assert [line for line in narrated.splitlines() if line.startswith("wrote ")] == [
        f"wrote {out / name}" for name in names
    ]
    assert f"T {STEPS}, F {FEATURES}, H {HORIZON}" in told
    assert "no board measured it" in told
    small = parse_model((out / "model_int8.efm").read_bytes())
    assert (small.name, small.version, small.dtype) == ("sea", 3, "int8")
    code, told, _ = run(capsys, model, "--out", out, *options, "--json")
    report = json.loads(told)
    assert code == 0
    assert [each["file"] for each in report["files"]] == [names[0], *names[2:]]
    assert report["files"][0]["relative"] < 1e-4 < report["files"][2]["relative"] < 0.05
    assert report["files"][2]["target_rmse"] > 0


def test_wrong_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = run(capsys, tmp_path / "none.onnx", "--out", tmp_path / "made")
    assert (code, "there is no such file" in told) == (3, True)
    model = save_onnx_lstm(tmp_path / "m.onnx")
    code, _, told = run(capsys, model, "--targets", "y.npy", "--out", tmp_path / "made")
    assert (code, "--calibrate" in told) == (3, True)
    code, _, told = run(capsys, model, "--steps", 5, "--out", tmp_path / "made")
    assert (code, "not 5" in told) == (3, True)
    assert not (tmp_path / "made").exists()
