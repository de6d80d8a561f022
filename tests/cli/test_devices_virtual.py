import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial

from virtual_models import ReferenceClient, lstm


@contextmanager
def started(*options: str | Path) -> Iterator[subprocess.Popen[str]]:
    program = Path(sys.executable).with_name("edgeflow")
    command = [program, "devices", "virtual", *map(str, options)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"it ended without {text!r}")


def stop(process: subprocess.Popen[str], how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(timeout=20)


def test_the_first_line_is_the_port_and_buttons_are_signals(tmp_path: Path) -> None:
    model, flash = tmp_path / "model_fp32.bin", tmp_path / "flash.bin"
    model.write_bytes(lstm())
    with started("--model", model, "--baud", "921600", "--flash", flash) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        wait_for_line(process, "the application runs")
        with serial.Serial(port, 921600, timeout=20) as opened:
            assert ReferenceClient(opened).info() == (8, 2, 3, 6)
        process.send_signal(signal.SIGUSR2)
        wait_for_line(process, "into the loader")
        process.send_signal(signal.SIGUSR1)
        wait_for_line(process, "the application runs")
        assert stop(process, signal.SIGTERM) == 0
    assert not Path(port).exists() and flash.stat().st_size == 16 << 20


def test_several_boards_have_a_line_each() -> None:
    with started("--count", "3", "--transport", "rfc2217", "--reference") as process:
        assert process.stdout is not None
        ports = {process.stdout.readline().strip() for _ in range(3)}
        assert len(ports) == 3 and all(port.startswith("rfc2217://") for port in ports)
        wait_for_line(process, "board 2: the application runs")
        assert stop(process, signal.SIGINT) == 130


def test_a_terminal_that_closes_leaves_nothing_behind() -> None:
    with started("--instant") as process:
        assert process.stdout is not None
        port = Path(process.stdout.readline().strip())
        assert stop(process, signal.SIGHUP) == 0
        assert not port.parent.exists()


def test_mistakes_end_it_with_a_hint(tmp_path: Path) -> None:
    odd = tmp_path / "model.bin"
    odd.write_bytes(b"no model at all")
    for options, word in ((("--model", odd), "LST0"), (("--noise", "flop=1"), "flip")):
        with started(*options) as process:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 3 and word in err and not out
