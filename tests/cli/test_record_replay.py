"""A flow in processes is recorded, and replayed bit for bit, at several speeds."""

import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from mcap.reader import make_reader

from edgeflow.cli import main
from edgeflow.protocols.frames import decode
from edgeflow.store.recording import Recording

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"

FLOW = """
import hashlib

import numpy as np

from edgeflow import EdgeApp
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode

app = EdgeApp("taped")
kinds = [
    lambda n: np.random.default_rng(n).integers(0, 256, (48, 64, 3), np.uint8),
    lambda n: np.random.default_rng(n).normal(size=(7, 5)).astype(">f4"),
    lambda n: bytes([n % 256, 0, 255]) * n,
    lambda n: "text with \\u00fc and \\0 " * (n % 3),
    lambda n: {"n": n, "list": [1.5, None, "x"]},
]


@app.node(name="source", fps=50)
class Source(ProducerNode):
    def produce(self):
        n = self.next_id
        return kinds[n % len(kinds)](n), {"n": n}


@app.node(name="copy")
class Copy(ConsumerNode):
    def process(self, data):
        return data


@app.node(name="digests")
class Digests(SinkNode):
    def write(self, frame):
        data = frame.data
        raw = data.tobytes() if hasattr(data, "tobytes") else repr(data).encode()
        print(frame.id, frame.timestamp, frame.meta, hashlib.sha256(raw).hexdigest(), flush=True)


app.link("source").to("copy", qos="durable").to("digests", qos="durable")

if __name__ == "__main__":
    app.run()
"""


def edgeflow(*words):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def taped(tmp_path_factory):
    """The recording of a flow in processes, and the flow's file."""
    folder = tmp_path_factory.mktemp("taped")
    (folder / "main.py").write_text(FLOW)
    file = folder / "run.mcap"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFLOW_RUN_DIR", str(folder / "run"))
        with subprocess.Popen(
            [sys.executable, str(folder / "main.py"), "--processes"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ,
        ) as process:  # fmt: skip
            try:
                process.stdout.readline()
                done = edgeflow("record", "-t", "source", "--out", str(file), "--seconds", "1")
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=20)
            finally:
                process.kill()
    assert done.returncode == 0, done.stderr
    return file, folder / "main.py"


def digest(frame):
    data = frame.data
    raw = data.tobytes() if isinstance(data, np.ndarray) else repr(data).encode()
    return f"{frame.id} {frame.timestamp} {frame.meta} {hashlib.sha256(raw).hexdigest()}"


@pytest.mark.parametrize("speed", ["0", "1", "10"])
def test_what_was_recorded_comes_back_bit_for_bit(taped, speed):
    file, flow = taped
    recorded = list(Recording(file).frames())
    assert len(recorded) > 20
    first = recorded[0].id
    assert [frame.id for frame in recorded] == list(range(first, first + len(recorded)))
    done = edgeflow("replay", str(file), str(flow), "--speed", speed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [digest(frame) for frame in recorded]


def test_other_readers_find_topics_times_and_frames(taped):
    with taped[0].open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        messages = list(reader.iter_messages(topics=["source"]))
    assert {channel.topic for channel in summary.channels.values()} == {"source"}
    assert summary.statistics.message_count == len(messages)
    frames = [decode(message.data) for _, _, message in messages]
    assert [digest(frame) for frame in frames] == [
        digest(frame) for frame in Recording(taped[0]).frames()
    ]
    assert [message.log_time for _, _, message in messages] == [
        int(frame.timestamp * 1e9) for frame in frames
    ]


def test_new_times_are_those_of_the_replay(taped):
    file, flow = taped
    old = {str(frame.timestamp) for frame in Recording(file).frames()}
    done = edgeflow("replay", str(file), str(flow), "--speed", "0", "--new-times")
    times = [line.split()[1] for line in done.stdout.splitlines()]
    assert len(times) == len(old)
    assert not old & set(times)


def test_a_cut_recording_is_replayed_up_to_the_cut(taped, tmp_path, capsys):
    file, flow = taped
    part = tmp_path / "cut.mcap"
    part.write_bytes(file.read_bytes()[:-200])
    assert main(["replay", str(part)]) == 0
    assert "the file is cut off or damaged" in capsys.readouterr().err
    done = edgeflow("replay", str(part), str(flow), "--speed", "0")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(list(Recording(part).frames())) > 0
    assert "recording_truncated" in done.stderr
