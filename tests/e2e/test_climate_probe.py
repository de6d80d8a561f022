"""A running climate system, looked at from outside by the scripts of the plan."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from begun_models import begin_with_model
from edgeflow.cli import main
from edgeflow.comms.probes import ProbeServer
from servers import free_port

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of a broker and of the metrics of a system that runs on it."""
    folder = tmp_path_factory.mktemp("climate")
    port, metrics = free_port(), free_port()
    command = [str(Path(sys.executable).with_name("edgeflow")), "climate", "serve"]
    command += ["--broker", f"mqtt://embedded?port={port}", "--store", f"sqlite:///{folder}/x.db"]
    command += ["--folder", str(folder / "climate"), "--metrics-port", str(metrics)]
    begin_with_model(folder / "climate")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Metrics"):
            break
    yield f"mqtt://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the plan."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_a_reading_becomes_a_decision(system: tuple[str, str]) -> None:
    done = script("validate_data_flow", "--broker", system[0], "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 0 <= told["position"] <= 100
    assert told["seconds"] < 10
    assert told["model_version"] == "v1"


def test_decisions_keep_up_with_load(system: tuple[str, str]) -> None:
    done = script(
        "test_inference_load", "--broker", system[0], "--rate", "50", "--seconds", "2", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["sent"] == told["answered"] == 100
    assert told["p50_ms"] <= told["p99_ms"] <= told["worst_ms"]


def test_the_monitor_tells_what_was_done(system: tuple[str, str]) -> None:
    script("validate_data_flow", "--broker", system[0])
    done = script("monitor_system", "--url", system[1], "--count", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ready"] is True
    assert told["problems"] == []
    assert told["readings"] >= 3
    assert told["decisions"] >= 1


def test_what_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    assert main(["climate", "monitor", "--url", f"http://127.0.0.1:{free_port()}"]) == 4
    assert main(["climate", "monitor", "--url", "ftp://x"]) == 4
    assert main(["climate", "load", "--broker", nowhere, "--rate", "0.05"]) == 2
    assert "edgeflow climate serve" in capsys.readouterr().err


def test_it_is_said_who_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lonely = f"mqtt://embedded?store={tmp_path}"
    assert main(["climate", "validate", "--broker", lonely, "--timeout", "0.5"]) == 4
    assert "no request came" in capsys.readouterr().err


def test_why_it_is_not_ready_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    page = [b"iot_readings_total 3.0\n"]
    probes = ProbeServer(
        0, health=list, readiness=lambda: ["broker: away"], metrics=lambda: page[0]
    )
    probes.open()
    url = f"http://127.0.0.1:{probes.port}"
    try:
        assert main(["climate", "monitor", "--url", url, "--count", "1"]) == 0
        assert "ready False  problems broker: away" in capsys.readouterr().out
        page[0] = b"process_cpu_seconds_total 1.0\n"
        assert main(["climate", "monitor", "--url", url, "--count", "1"]) == 4
        assert "nothing of a climate system" in capsys.readouterr().err
    finally:
        probes.close()
