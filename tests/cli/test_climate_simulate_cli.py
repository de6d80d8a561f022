"""``edgeflow climate simulate``: on a broker of its own, on none, and with wrong settings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.cli import main
from servers import free_port

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["climate", "simulate", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_sent_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys,
        *("--devices", 3, "--broker", "mqtt://embedded", "--seconds", 2, "--speed", 720),
        *("--setting", "temperature_change=0", "--audio", 0.1, "--json"),
    )
    summary = json.loads(out)
    assert code == 0
    assert summary["devices"] == summary["connected"] == 3
    assert summary["sent"] == summary["confirmed"] > 6
    assert summary["sounds"] >= 3
    assert "3 nodes send to" in err


def test_no_broker_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}?connect_timeout=0.5"
    code, _, err = run(capsys, "--broker", url, "--seconds", 1)
    assert code != 0
    assert "no connection to the MQTT broker" in err


@pytest.mark.parametrize(
    ("text", "said"), [("read_seconds", "no KEY=NUMBER"), ("read_seconds=1", "read_seconds is 1")]
)
def test_settings_that_are_none(capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    code, _, err = run(capsys, "--broker", "mqtt://embedded", "--setting", text)
    assert code != 0
    assert said in err


@pytest.mark.parametrize("name", ["test_mqtt_simulator.py", "test_multi_device.py"])
def test_scripts_are_the_command(name: str) -> None:
    words = ["--devices", "2", "--seconds", "1", "--broker", "mqtt://embedded", "--json"]
    command = [sys.executable, SCRIPTS / name, *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["devices"] == 2
