"""Ctrl+C ends every command quickly and quietly, and so does a reader that goes away."""

import os
import signal
import subprocess
import sys
import time

import pytest

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"

pytestmark = pytest.mark.usefixtures("small_flow")


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip


def ended(process):
    """Return exit code and narration of a process that was told to end a moment ago."""
    begun = time.monotonic()
    try:
        _, narration = process.communicate(timeout=20)
    finally:
        process.kill()
    assert time.monotonic() - begun < 6.0  # under 3 s on an idle machine
    assert "Traceback" not in narration
    return process.returncode, narration


@pytest.mark.parametrize(
    "words", [("tap", "camera"), ("tap", "camera", "--all"), ("top", "--json", "--interval", "60")]
)
def test_ctrl_c_ends_what_prints_for_ever(words):
    process = start(*words)
    assert process.stdout.readline().startswith("{")
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize("verb", ["serve", "up"])
def test_what_serves_tells_ctrl_c_from_being_ended(verb, number, code, tmp_path):
    file = tmp_path / "pipelines.yaml"
    file.write_text(
        "version: 1\ndashboard: false\nmetrics_port: -1\n"
        "connectors: [{id: push, type: http, port: 0, pipeline: main}]\n"
        "pipelines: [{id: main}]\n"
    )
    ports = ("--tcp-port", "0", "--http-port", "0", "--grpc-port", "0")
    words = ("serve", "--models", str(tmp_path), *ports) if verb == "serve" else ("up", str(file))
    process = start(*words)
    assert any("Stop " in line for line in process.stderr)
    process.send_signal(number)
    assert ended(process)[0] == code


@pytest.mark.parametrize("verb", ["run", "check", "graph"])
def test_ctrl_c_ends_a_file_that_does_not_return(verb, tmp_path):
    file = tmp_path / "main.py"
    file.write_text(
        'import sys, time\nprint("here", file=sys.stderr, flush=True)\ntime.sleep(60)\n'
    )
    process = start(verb, str(file))
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "")


def test_ctrl_c_ends_a_replay(tmp_path):
    recording, file = tmp_path / "run.mcap", tmp_path / "main.py"
    record = start("record", "-t", "camera", "--out", str(recording), "--seconds", "0.5")
    assert record.wait(20) == 0
    record.communicate()
    file.write_text(
        "from edgeflow import EdgeApp\n"
        "from edgeflow.nodes import ProducerNode, SinkNode\n"
        "app = EdgeApp('again')\n"
        "app.add('camera', ProducerNode)\n"
        "class Lines(SinkNode):\n"
        "    def write(self, frame):\n"
        "        print(frame.id, flush=True)\n"
        "app.add('lines', Lines)\n"
        "app.link('camera').to('lines')\n"
    )
    process = start("replay", str(recording), str(file), "--speed", "0.01")
    assert process.stdout.readline() == "0\n"
    process.send_signal(signal.SIGINT)
    code, narration = ended(process)
    assert code == 130
    assert "again: ran " in narration


def test_a_reader_that_has_seen_enough_ends_it():
    process = start("top", "--json", "--interval", "0.5")
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
