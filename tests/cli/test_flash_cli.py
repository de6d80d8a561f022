"""``edgeflow flash`` on virtual boards, with the real esptool where it takes part."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeflow.cli import main
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.protocols.model_file import LstmWeights, lstm_file, lstm_meta, parse_model
from edgeflow.protocols.partitions import decode_table, encode_table, read_csv


def model(horizon: int) -> bytes:
    random = np.random.default_rng(horizon)
    shapes = [(64, 2), (64, 16), (64,), (horizon, 16), (horizon,)]
    arrays = [(0.3 * random.standard_normal(shape)).astype(np.float32) for shape in shapes]
    return lstm_file(LstmWeights(*arrays), steps=8)


@pytest.fixture
def virtual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    with VirtualBoard(model=model(3), transport="rfc2217", instant=True) as board:
        yield board


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "model_fp32.bin").write_bytes(model(5))
    (tmp_path / "model_meta.json").write_bytes(lstm_meta(parse_model(model(5))))
    (tmp_path / "other_meta.json").write_bytes(lstm_meta(parse_model(model(3))))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["flash", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_model_goes_there_and_back(
    virtual: VirtualBoard, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [files / "model_fp32.bin", "--meta", files / "model_meta.json", "--port", virtual.port]
    code, out, err = run(capsys, "model", *words)
    assert code == 0, err
    start = f"{virtual.port} answers with the model (T 8, F 2, H 5, hidden 16) in slot "
    assert out.startswith(start)
    code, out, err = run(capsys, "model", "--roll-back", "--port", virtual.port, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["model"]["horizon"], facts["port"]) == (3, virtual.port)


def test_the_flash_route_tells_its_steps_once_where_lines_stay(
    virtual: VirtualBoard, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [files / "model_fp32.bin", "--route", "flash", "--port", virtual.port, "--json"]
    code, out, err = run(capsys, "model", *words)
    assert code == 0, err
    assert err.splitlines() == [
        "validate",
        "reading the partition table",
        "reading the model that is there",
        "erase",
        "write",
        "comparing the MD5 of the whole image",
        "restart",
    ]
    facts = json.loads(out)
    assert (facts["model"]["horizon"], facts["model"]["slot"]) == (5, "file")
    assert 0 < facts["written"] < 64 * 1024


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["model", "--port", "PORT"], 2, "give a FILE, or --roll-back"),
        (["model", "FILES/model_fp32.bin", "--roll-back", "--port", "PORT"], 2, "without one"),
        (["model", "FILES/missing.bin", "--port", "PORT"], 3, "cannot be read"),
        (
            ["model", "FILES/model_fp32.bin", "--meta", "FILES/other_meta.json", "--port", "PORT"],
            3,
            "H is 3, and the binary says 5",
        ),
        (["model", "FILES/model_fp32.bin", "--route", "air", "--port", "PORT"], 2, "air"),
        (["firmware", "--port", "PORT"], 2, "give a build folder"),
        (["firmware", "FILES", "--port", "PORT"], 3, "flasher_args.json cannot be read"),
        (["firmware", "--at", "0x10000", "--port", "PORT"], 2, "OFFSET=FILE"),
        (["firmware", "--at", "0x0=FILES/model_fp32.bin", "--port", "/dev/none"], 4, "/dev/none"),
    ],
)
def test_mistakes_are_told_and_touch_nothing(
    virtual: VirtualBoard,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    given = [word.replace("FILES", str(files)).replace("PORT", virtual.port) for word in words]
    wear = virtual.flash.wear.sum()
    found, out, err = run(capsys, *given)
    assert (found, out) == (code, "")
    assert message in err
    assert virtual.flash.wear.sum() == wear


def test_ctrl_c_while_writing_restarts_the_board_and_tells_what_is_left(
    files: Path, tmp_path: Path
) -> None:
    with VirtualBoard(model=model(3), transport="rfc2217") as virtual:  # at real speed
        words = ["flash", "model", files / "model_fp32.bin", "--port", virtual.port]
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("edgeflow"),
                *words,
                "--route",
                "flash",
                "--baud",
                "921600",
            ],
            env=os.environ | {"EDGEFLOW_CACHE_DIR": str(tmp_path / "cache")},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("erase"):
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.stderr.read()
            assert process.wait(30) == 130, rest
            assert "interrupted while writing" in rest
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        assert virtual.state != "loader"


def test_firmware_of_a_build_folder(
    virtual: VirtualBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = struct.pack("<BBBBI4xH9xB", 0xE9, 0, 2, 0x4F, 0x403C9914, 9, 0)
    (tmp_path / "bootloader.bin").write_bytes(header + bytes(5000))
    table = encode_table(read_csv("factory,app,factory,0x10000,2M\nmodel,data,spiffs,,1M"))
    (tmp_path / "table.bin").write_bytes(table)
    (tmp_path / "app.bin").write_bytes(header + bytes(70000))
    listed = {
        "flash_settings": {"flash_mode": "dio", "flash_size": "16MB", "flash_freq": "80m"},
        "flash_files": {"0x0": "bootloader.bin", "0x8000": "table.bin", "0x10000": "app.bin"},
        "extra_esptool_args": {"chip": "esp32s3"},
    }
    (tmp_path / "flasher_args.json").write_text(json.dumps(listed))
    code, out, err = run(capsys, "firmware", tmp_path, "--port", virtual.port)
    assert code == 0, err
    assert "(02:ed:6e:00:00:00)" in out or "(02:ed:6e:00:00:01)" in out
    assert "0x0, 0x8000, 0x10000" in out
    assert virtual.flash.read(0x10000, 70024) == header + bytes(70000)
    assert [row.label for row in decode_table(virtual.flash.read(0x8000, 0xC00))] == [
        "factory",
        "model",
    ]
    assert virtual.state in ("starting", "running")
