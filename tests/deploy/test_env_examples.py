"""Each service has an example of its environment, which it takes as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.config import Settings, settings

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted([*ROOT.glob("config/env/*.env.example"), *ROOT.glob("*/.env.example")])
KNOWN = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs/reference/settings.md").read_text()))
OF_COMMANDS = {"EDGEFLOW_CLIMATE_BROKER", "EDGEFLOW_CLIMATE_STORE"}
OF_THE_SERVICE = {"ML_SERVICE_CONFIG", "MQTT_USERNAME", "MQTT_PASSWORD"}
SERVICES = [path for path in EXAMPLES if path.parent.name != "stack"]


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_there_is_one_for_each_service() -> None:
    names = {path.name.removesuffix(".env.example") or path.parent.name for path in EXAMPLES}
    wanted = {"climate", "boards", "csi", "gateway", "pipelines", "flow", "stack", "ml_service"}
    assert names == wanted


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name + path.parent.name)
def test_what_it_sets_is_read_and_has_a_value_that_is_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = values(path)
    assert set(own) <= KNOWN | OF_COMMANDS | OF_THE_SERVICE
    for name, value in own.items():
        assert not value or not re.search("TOKEN|PASSWORD", name), "an example is no secret"
        monkeypatch.setenv(name, value)
    for name, each in vars(Settings).items():
        if isinstance(each, property):
            getattr(settings, name)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name + path.parent.name)
def test_its_first_line_names_a_command_that_there_is(path: Path) -> None:
    command = path.read_text().splitlines()[0].rsplit("; ", 1)[1]
    if command.startswith("python "):
        assert (path.parent / command.split()[1]).is_file()
        return
    program = str(Path(sys.executable).with_name("edgeflow"))
    words = [program, *command.split()[1:], "--help"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith("Usage: " + command)


def test_a_shell_reads_them() -> None:
    for path in SERVICES:
        subprocess.run(["/bin/sh", "-eu", "-c", f"set -a; . {path}"], timeout=20, check=True)
