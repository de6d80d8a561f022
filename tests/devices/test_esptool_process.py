"""esptool as a program of its own: bounded in time, ended with us, silent ports told."""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeflow.devices.flashing.process import run_esptool
from edgeflow.devices.flashing.tool import Esptool, check_lines
from edgeflow.errors import (
    CancelledError,
    ConfigError,
    DeadlineError,
    MissingExtraError,
    UnreachableError,
)

pytest.importorskip("serial")


@pytest.fixture
def silent_port() -> Iterator[str]:
    """A port behind which nothing ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_its_version_is_told(tmp_path: Path) -> None:
    status, lines = run_esptool(["version"], folder=str(tmp_path), timeout=60)
    assert status == 0
    assert lines[0].startswith("esptool v5")


def test_it_is_killed_when_its_time_is_over(tmp_path: Path, silent_port: str) -> None:
    before = children()
    with pytest.raises(DeadlineError, match="not done after 1 seconds"):
        run_esptool(["--port", silent_port, "read-mac"], folder=str(tmp_path), timeout=1)
    assert children() <= before


def test_cancelling_kills_it_at_once(tmp_path: Path, silent_port: str) -> None:
    cancel = threading.Event()
    before = children()
    threading.Timer(0.5, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        run_esptool(
            ["--port", silent_port, "read-mac"], folder=str(tmp_path), timeout=60, cancel=cancel
        )
    assert time.monotonic() - started < 20
    assert children() <= before


def test_without_esptool_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "esptool", None)  # as the import system marks what is missing
    with pytest.raises(MissingExtraError, match=r"edgeflow\[mcu\]"):
        run_esptool(["version"], folder=str(tmp_path), timeout=60)


@pytest.mark.parametrize("greeting", [b"", b"\xff\xfa" * 500, bytes(range(256)) * 40])
def test_a_server_that_hangs_up_is_told_at_once(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        port = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UnreachableError), Esptool(port) as tool:
            thread.join()
            tool.read(0x8000, 0xC00, "reading")
    assert not [each for each in threading.enumerate() if each.name == "flash-bridge"]


def test_settings_in_the_current_folder_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "here"
    evil.mkdir()
    (evil / "esptool.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(evil)
    status, _ = run_esptool(["version"], folder=str(tmp_path), timeout=60)
    assert status == 0


def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(UnreachableError, match="no port /dev/not-there"), Esptool("/dev/not-there"):
        pass


def test_a_port_without_reset_lines_is_told() -> None:
    controller, device = os.openpty()
    try:
        with pytest.raises(UnreachableError, match="pseudo-terminal") as caught:
            check_lines(os.ttyname(device))
        assert "rfc2217" in caught.value.hint
        check_lines("/dev/ttyACM0")
        check_lines("rfc2217://127.0.0.1:4000")
    finally:
        os.close(controller)
        os.close(device)


def test_what_is_no_serial_port_is_told(tmp_path: Path) -> None:
    with Esptool("/dev/null") as tool, pytest.raises(UnreachableError, match="busy or gone"):
        tool.read(0x8000, 0xC00, "reading")


def test_a_port_that_another_program_has_open_is_told() -> None:
    import serial

    controller, device = os.openpty()
    try:
        name = os.ttyname(device)
        with (
            serial.Serial(name, exclusive=True),
            Esptool(name) as tool,
            pytest.raises(UnreachableError, match="is busy or gone") as caught,
        ):
            tool.read(0x8000, 0xC00, "reading")
        assert "end the program that has it open" in caught.value.hint
    finally:
        os.close(controller)
        os.close(device)


@pytest.mark.parametrize("port", ["", "-p", "@/etc/passwd", "a\0b"])
def test_ports_that_would_be_options_are_refused(port: str) -> None:
    with pytest.raises(ConfigError, match="no serial port"):
        Esptool(port)


@pytest.mark.parametrize("baud", [0, -1, 10**9])
def test_impossible_rates_are_refused(baud: int) -> None:
    with pytest.raises(ConfigError, match="baud"):
        Esptool("/dev/ttyACM0", baud)
