"""The container files of boards, as far as they go without Docker."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from edgeflow.config import settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def stub(folder: Path, name: str) -> Path:
    """Make a program that writes down how it was called."""
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n')
    program.chmod(0o755)
    return folder / "calls"


def start(script: str, folder: Path, *words: str, **environment: str) -> None:
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run([DOCKER / script, *words], env=path | environment, check=True, timeout=30)


def test_the_compose_file_names_what_there_is() -> None:
    services = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())["services"]
    gateway, idf = services["gateway"], services["idf"]
    context = (DOCKER / gateway["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / gateway["build"]["dockerfile"]).is_file()
    default = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text)
               for name, text in gateway["environment"].items()}  # fmt: skip
    assert default["SERIAL_PORT"] == "/dev/ttyACM0"
    assert int(default["UART_BAUD"]) == 115200
    assert int(default["PORT"]) == settings.MCU_HTTP_PORT
    assert gateway["ports"] == ["127.0.0.1:${PORT:-8080}:${PORT:-8080}"]
    assert idf["profiles"] == ["idf"]
    (script,) = idf["entrypoint"]
    (volume,) = idf["volumes"]
    inside = volume.partition(":")[2]
    assert (ROOT / Path(script).relative_to(inside)).stat().st_mode & 0o111
    assert (ROOT / Path(idf["environment"]["ESP_PROJECT"]).relative_to(inside)).is_dir()


def test_the_image_copies_what_there_is_and_no_esp_idf() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines()
              if line.startswith("COPY ") and "--from" not in line]  # fmt: skip
    assert copied
    assert all((ROOT / name).exists() for names in copied for name in names)
    assert "espressif" not in text


def test_the_gateway_starts_with_the_environment_of_the_container(tmp_path: Path) -> None:
    calls = stub(tmp_path, "edgeflow")
    start("entrypoint.sh", tmp_path, SERIAL_PORT="/dev/ttyUSB3", PORT="9000")
    assert (
        calls.read_text() == "mcu serve --port /dev/ttyUSB3 --http-host 0.0.0.0 --http-port 9000\n"
    )


@pytest.mark.parametrize(
    ("environment", "last"),
    [
        ({}, []),
        ({"FLASH_FIRMWARE": "1"}, ["-C project -p /dev/ttyACM0 -b 921600 flash"]),
        (
            {"FLASH_SPIFFS_DEFAULT": "1", "SERIAL_PORT": "/dev/ttyUSB3", "IDF_BAUD": "460800"},
            ["-C project -p /dev/ttyUSB3 -b 460800 model-flash"],
        ),
    ],
)
def test_espressifs_container_builds_and_flashes_when_told(
    tmp_path: Path, environment: dict[str, str], last: list[str]
) -> None:
    calls = stub(tmp_path, "idf.py")
    (tmp_path / "export.sh").write_text("")
    start(
        "idf-entrypoint.sh", tmp_path, IDF_PATH=str(tmp_path), ESP_PROJECT="project", **environment
    )
    assert calls.read_text().splitlines() == ["-C project build", *last]
