"""The ESP-IDF project: its sources against the SDK's declarations, its tables, its commands."""

import os
import subprocess
from pathlib import Path

import pytest

from esp_idf import STUBS, Project

ROOT = Path(__file__).parents[2]
PROJECT = Project("model_client")


@pytest.mark.parametrize("wire", [(), ("-DSTUB_WIRE_USB",)], ids=["uart", "usb"])
@pytest.mark.parametrize("source", PROJECT.sources, ids=lambda path: path.name)
def test_sources_use_the_sdk_as_it_is(source: Path, wire: tuple[str, ...]) -> None:
    checked = PROJECT.check_syntax(source, *wire)
    assert checked.returncode == 0, checked.stderr


def test_a_wrong_argument_is_found(tmp_path: Path) -> None:
    wrong = PROJECT.changed(
        "wire_uart.c", "uart_set_baudrate(WIRE, baud)", "uart_set_baudrate(baud)", folder=tmp_path
    )
    assert "too few arguments" in PROJECT.check_syntax(wrong).stderr


def test_a_slow_line_neither_starves_the_watchdog_nor_loses_a_reply(tmp_path: Path) -> None:
    sources = [PROJECT.main / "wire_uart.c", STUBS / "slow_line.c"]
    PROJECT.run(tmp_path / "slow_line", sources)


def test_load_is_no_hang_and_an_erase_loses_no_bytes() -> None:
    found = PROJECT.settings()
    assert found["CONFIG_ESP_TASK_WDT_PANIC"] == "y"
    # The task that serves runs on core 1 without a pause while requests wait.
    assert found["CONFIG_ESP_TASK_WDT_CHECK_IDLE_TASK_CPU1"] == "n"
    assert found["CONFIG_UART_ISR_IN_IRAM"] == "y"


def test_numbers_to_configure_have_a_range_and_the_stubs_their_defaults() -> None:
    PROJECT.check_numbers(4)


@pytest.mark.parametrize(
    ("table", "flash"), [("partitions.csv", 8 << 20), ("partitions_16mb.csv", 16 << 20)]
)
def test_partitions_follow_each_other_within_the_flash(table: str, flash: int) -> None:
    PROJECT.check_partitions(table, flash)


@pytest.mark.parametrize("table", ["partitions.csv", "partitions_16mb.csv"])
def test_partitions_are_where_the_reference_tools_look(table: str) -> None:
    found = PROJECT.partitions(table)
    assert found["factory"][2:] == (0x10000, 2 << 20)
    assert found["model"][:3] == ("data", "spiffs", 0x210000)
    assert found["model_a"][3] == found["model_b"][3]


def test_the_documented_path_is_the_project() -> None:
    assert (ROOT / "esp32/model_client").resolve() == PROJECT.folder


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """An ESP-IDF whose ``idf.py`` writes down how it was called."""
    home = tmp_path / "esp-idf"
    home.mkdir()
    (home / "export.sh").write_text(f'export PATH="{home}:$PATH"\n')
    tool = home / "idf.py"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho "$IDF_PATH" >> {tmp_path}/idf\n'
    )
    tool.chmod(0o755)
    return home


def called(sdk: Path, command: list[str], **extra: str) -> list[str]:
    environment = {**os.environ, "IDF_PATH": str(sdk), **extra}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return (sdk.parent / "calls").read_text().splitlines()


def refused(**extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./scripts/idf", "build"],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_fw_flash_builds_and_flashes(sdk: Path) -> None:
    command = ["make", "fw-flash", "ESP_PORT=/dev/ttyACM7", "ESP_BAUD=115200"]
    assert called(sdk, command) == ["-C esp32/model_client -p /dev/ttyACM7 -b 115200 build flash"]


def test_make_fw_flash_has_the_documented_defaults(sdk: Path) -> None:
    expected = "-C esp32/model_client -p /dev/ttyACM0 -b 460800 build flash"
    assert called(sdk, ["make", "fw-flash"]) == [expected]


def test_the_wrapper_passes_its_arguments_on(sdk: Path) -> None:
    command = ["./scripts/idf", "-C", "esp32/model_client", "set-target", "esp32s3"]
    assert called(sdk, command) == ["-C esp32/model_client set-target esp32s3"]
    assert (sdk.parent / "idf").read_text().strip() == str(sdk)


def test_the_wrapper_finds_an_sdk_in_the_home_folder(sdk: Path) -> None:
    called(sdk, ["./scripts/idf", "build"], IDF_PATH="", HOME=str(sdk.parent))


def test_without_an_sdk_the_wrapper_says_what_to_do(tmp_path: Path) -> None:
    run = refused(IDF_PATH="", HOME=str(tmp_path))
    assert run.returncode == 3
    assert "edgeflow flash model" in run.stderr


def test_a_wrong_idf_path_is_named(tmp_path: Path) -> None:
    run = refused(IDF_PATH=str(tmp_path))
    assert run.returncode == 3
    assert f"IDF_PATH={tmp_path}" in run.stderr
