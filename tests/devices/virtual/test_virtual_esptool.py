"""The real esptool on a virtual board: with reset lines over RFC 2217, without on a terminal."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial

from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.devices.virtual.image import model_files
from edgeflow.protocols.partitions import decode_table, find_partition
from edgeflow.protocols.spiffs import pack
from virtual_models import ReferenceClient, lstm

# pySerial polls its RFC 2217 options every 50 ms, several times per command of esptool.
QUICKLY = """
import runpy, sys, time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.0005) if seconds <= 0.1 else seconds)
sys.argv[0] = "esptool"
runpy.run_module("esptool", run_name="__main__")
"""


def esptool(board: VirtualBoard, *arguments: str | Path) -> str:
    command = [sys.executable, "-c", QUICKLY, "--chip", "esp32s3", "--port", board.port]
    done = subprocess.run(
        [*command, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_it_identifies_writes_verifies_and_resets_into_the_new_model(tmp_path: Path) -> None:
    with VirtualBoard(model=lstm(), transport="rfc2217", instant=True) as board:
        out = esptool(board, "flash-id")
        assert "ESP32-S3 (QFN56) (revision v0.2)" in out and "02:ed:6e:00:00:01" in out
        assert "Manufacturer: ef" in out and "Detected flash size: 16MB" in out
        table, image = tmp_path / "table.bin", tmp_path / "model.bin"
        esptool(board, "read-flash", "0x8000", "0xC00", table)
        place = find_partition(decode_table(table.read_bytes()), "model")
        files = model_files(lstm(steps=5, hidden=9), None, reference=False)
        image.write_bytes(pack(files, place.size))
        out = esptool(board, "-b", "921600", "write-flash", hex(place.offset), image)
        assert "Hash of data verified" in out and "Hard resetting via RTS pin" in out
        wait_for(lambda: board.state == "running")
        assert "digest matched" in esptool(board, "verify-flash", hex(place.offset), image)
        wait_for(lambda: board.state == "running")
        with serial.serial_for_url(board.port, 115200, timeout=20) as port:
            assert ReferenceClient(port).info() == (5, 2, 3, 9)


def test_a_terminal_is_reached_by_the_buttons_and_left_by_the_watchdog(tmp_path: Path) -> None:
    stay = ("--before", "no-reset", "--after", "no-reset")
    blob, back = tmp_path / "blob.bin", tmp_path / "back.bin"
    blob.write_bytes(bytes(range(256)) * 300)
    with VirtualBoard(model=lstm(), instant=True) as board:
        board.press_reset(boot=True)
        for way in ([], ["--no-stub"]):
            esptool(board, *stay, *way, "write-flash", "0x320000", blob)
            assert board.flash.read(0x320000, 0x12C00) == blob.read_bytes()
            esptool(board, *stay, *way, "read-flash", "0x320000", "0x1400", back)
            assert back.read_bytes() == blob.read_bytes()[:0x1400]
            board.flash.erase(0x320000, 0x20000)
        esptool(board, *stay, "write-flash", "--no-compress", "0x320000", blob)
        esptool(board, *stay, "erase-region", "0x320000", "0x2000")
        assert board.flash.read(0x320000, 0x2000) == 0x2000 * b"\xff"
        assert board.flash.read(0x322000, 0x1000) == blob.read_bytes()[0x2000:0x3000]
        assert board.state == "loader"
        esptool(board, "--before", "no-reset", "--after", "watchdog-reset", "erase-flash")
        wait_for(lambda: board.state == "starting")
        assert board.flash.read(0, 0x10000) == 0x10000 * b"\xff"
