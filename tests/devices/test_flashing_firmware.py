"""Build folders are read as ESP-IDF leaves them, and nothing outside of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.devices.flashing.firmware import read_build, read_pieces
from edgeflow.errors import ConfigError
from edgeflow.protocols.partitions import encode_table, read_csv

TABLE = encode_table(read_csv("factory,app,factory,0x10000,2M\nmodel,data,spiffs,,1M"))


def build(folder: Path, **changes: Any) -> Path:
    (folder / "bootloader").mkdir(exist_ok=True)
    (folder / "partition_table").mkdir(exist_ok=True)
    (folder / "bootloader/bootloader.bin").write_bytes(b"\xe9" * 5000)
    (folder / "partition_table/partition-table.bin").write_bytes(TABLE)
    (folder / "app.bin").write_bytes(b"\xe9" * 70000)
    listed = {
        "write_flash_args": ["--flash_mode", "dio"],
        "flash_settings": {"flash_mode": "dio", "flash_size": "16MB", "flash_freq": "80m"},
        "flash_files": {
            "0x10000": "app.bin",
            "0x0": "bootloader/bootloader.bin",
            "0x8000": "partition_table/partition-table.bin",
        },
        "extra_esptool_args": {"after": "hard_reset", "chip": "esp32s3", "stub": True},
    }
    (folder / "flasher_args.json").write_text(json.dumps(listed | changes))
    return folder


def test_a_build_folder_is_read(tmp_path: Path) -> None:
    firmware = read_build(build(tmp_path))
    assert [(piece.offset, len(piece.data)) for piece in firmware.pieces] == [
        (0, 5000),
        (0x8000, 3072),
        (0x10000, 70000),
    ]
    assert firmware.chip == "esp32s3"
    assert firmware.settings == {"flash_mode": "dio", "flash_size": "16MB", "flash_freq": "80m"}
    assert firmware.size == 78072


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flash_files": {}}, "names no file"),
        ({"flash_files": []}, "is no object"),
        ({"flash_files": {"0x0": "../secret.bin"}}, "outside the folder"),
        ({"flash_files": {"0x0": "/etc/hostname"}}, "outside the folder"),
        ({"flash_files": {"0x0": "missing.bin"}}, "cannot be read"),
        ({"flash_files": {"0x10": "app.bin"}}, "no place in flash"),
        ({"flash_files": {"0x0": "app.bin", "0x10000": "app.bin"}}, "overlaps"),
        ({"flash_files": {"0x8000": "app.bin"}}, "row at 0x0 has no magic"),
        ({"flash_settings": {"flash_mode": "--erase-all"}}, "flash_mode"),
        ({"extra_esptool_args": {"chip": "--port=x"}}, "no chip"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_build(build(tmp_path, **changes))


def test_a_folder_without_a_build_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"after idf\.py build"):
        read_build(tmp_path)


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=5), st.lists))
def test_arbitrary_lists_are_refused(tmp_path_factory: pytest.TempPathFactory, junk: Any) -> None:
    folder = tmp_path_factory.mktemp("junk")
    raw = junk if isinstance(junk, bytes) else json.dumps(junk).encode()
    (folder / "flasher_args.json").write_bytes(raw)
    with pytest.raises(ConfigError):
        read_build(folder)


def test_files_are_read_by_their_offsets(tmp_path: Path) -> None:
    file = tmp_path / "app.bin"
    file.write_bytes(b"\xe9" * 10)
    firmware = read_pieces({"0x10000": file})
    assert firmware.pieces[0].offset == 0x10000
    with pytest.raises(ConfigError, match="no place"):
        read_pieces({"somewhere": file})
