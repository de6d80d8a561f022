"""``record`` and ``replay``: what comes out is what went in."""

import json
import os
import signal
import subprocess
import sys

import pytest

from edgeflow.cli import main
from edgeflow.store.recording import Recording

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"

VIEWER = """
from edgeflow import EdgeApp
from edgeflow.core.qos import QoS
from edgeflow.nodes import ProducerNode, SinkNode

app = EdgeApp("viewer")

@app.node(name="camera")
class Camera(ProducerNode):
    def produce(self):
        raise RuntimeError("there is no camera here")

@app.node(name="lines")
class Lines(SinkNode):
    def write(self, frame):
        print(frame.id, frame.timestamp, frame.data.shape, int(frame.data.max()), flush=True)

app.link("camera").to("lines", qos=QoS.DURABLE)
app.run()
"""


@pytest.fixture
def recording(small_flow, tmp_path, capsys):
    file = tmp_path / "run.mcap"
    words = ["record", "--topic", "camera", "--out", str(file), "--seconds", "0.5"]
    assert main(words) == 0
    return file


def test_record_prints_what_was_recorded(small_flow, tmp_path, capsys):
    file = tmp_path / "run.mcap"
    words = ["record", "-t", "camera", "-t", "words", "--out", str(file), "--seconds", "0.5"]
    assert main(words) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"{file}: 4 frames, ")
    assert lines[1].split() == ["topic", "frames", "seconds", "per", "second"]
    assert lines[2].split() == ["camera", "3", "2.0", "1.0"]
    assert lines[3].split() == ["words", "1", "0.0", "-"]
    assert f"Recording camera, words into {file}" in printed.err


def test_all_topics_are_recorded_unless_some_are_named(small_flow, tmp_path, capsys):
    words = ["record", "--out", str(tmp_path / "all.mcap"), "--seconds", "0.5", "--json"]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {topic["topic"] for topic in printed["topics"]} == {"bytes", "camera", "facts", "words"}
    assert printed["frames"] == 6


def test_a_topic_without_frames_fails(small_flow, tmp_path, capsys):
    words = ["record", "-t", "silent", "--out", str(tmp_path / "x.mcap"), "--seconds", "0.3"]
    assert main(words) == 1
    assert "no frame on silent" in capsys.readouterr().err


def test_nothing_is_overwritten(recording, small_flow, capsys):
    assert main(["record", "-t", "camera", "--out", str(recording)]) == 1
    assert "error[EF-STORE-001]" in capsys.readouterr().err


def test_a_signal_closes_the_file_in_order(small_flow, tmp_path):
    file = tmp_path / "run.mcap"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "record", "-t", "camera", "--out", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stderr.readline().startswith("Recording camera")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode in (0, 1)  # 1 when it was quicker than the first frame
    assert str(file) in out
    assert not Recording(file).summary().truncated


def test_replay_tells_what_is_in_a_file(recording, capsys):
    capsys.readouterr()
    assert main(["replay", str(recording)]) == 0
    assert capsys.readouterr().out.startswith(f"{recording}: 3 frames, 2.0 s, ")
    assert main(["replay", str(recording), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["frames"] == 3
    assert printed["seconds"] == 2.0


def test_replay_feeds_the_recorded_frames_to_a_flow(recording, tmp_path):
    file = tmp_path / "main.py"
    file.write_text(VIEWER)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "replay", str(recording), str(file), "--speed", "20"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{n} {100.0 + n} (4, 6, 3) {n}" for n in range(3)]
    assert done.stderr.startswith("camera: 3 recorded frames\n")
    assert "viewer: ran " in done.stderr


def test_a_flow_without_a_recorded_producer(recording, tmp_path, capsys):
    file = tmp_path / "main.py"
    file.write_text(VIEWER.replace('"camera"', '"lens"'))
    assert main(["replay", str(recording), str(file)]) == 3
    err = capsys.readouterr().err
    assert "holds none of the producers of app 'viewer'" in err
    assert "help: it holds camera; the producers are lens" in err


@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_a_file_that_was_cut_off_gives_what_it_holds(recording, kept, tmp_path, capsys):
    whole = recording.read_bytes()
    part = tmp_path / "cut.mcap"
    part.write_bytes(whole[: int(len(whole) * kept)])
    capsys.readouterr()
    assert main(["replay", str(part)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{part}: 3 frames, " if kept > 0.6 else f"{part}: ")
    assert "the file is cut off or damaged" in printed.err


@pytest.mark.parametrize("content", [b"", b"no recording at all"])
def test_a_file_that_is_no_recording(content, tmp_path, capsys):
    file = tmp_path / "x.mcap"
    file.write_bytes(content)
    assert main(["replay", str(file)]) == 1
    assert "error[EF-STORE-001]" in capsys.readouterr().err
