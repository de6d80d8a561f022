"""Flows as supervised processes, run as a user runs them: ``python main.py --processes``."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeflow.runtime.attach import attach
from flows import wait_until

FLOW = """
import json, os, sys, time
from edgeflow import EdgeApp, QoS
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode

app = EdgeApp("crashy")
COUNT = int(os.environ["COUNT"])

@app.node(name="source", fps=None)
class Source(ProducerNode):
    def configure(self):
        self.number = 0

    def produce(self):
        if self.number >= COUNT:
            self.stop()
            return None
        self.number += 1
        time.sleep(float(os.environ.get("PAUSE", "0")))
        return {"n": self.number - 1}

@app.node(name="step", replicas=int(os.environ.get("REPLICAS", "1")))
class Step(ConsumerNode):
    def process(self, data):
        return data

@app.node(name="sink")
class Sink(SinkNode):
    def configure(self):
        self.file = open(os.environ["OUT"], "a", buffering=1)

    def write(self, frame):
        time.sleep(float(os.environ.get("SINK_PAUSE", "0")))
        self.file.write(json.dumps([frame.data["n"], frame.redelivered]) + "\\n")

app.link("source").to("step", qos=QoS.DURABLE).to("sink", qos=QoS.DURABLE)

if __name__ == "__main__":
    app.run()
"""


class Running:
    """A flow in a subprocess of the test."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.out = folder / "out.jsonl"
        self.out.touch()
        script = folder / "main.py"
        script.write_text(FLOW)
        self.process = subprocess.Popen(
            [sys.executable, str(script), "--processes"],
            env=os.environ | {"OUT": str(self.out)} | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with self.process.stderr as stream:
            self.errors = stream.read()

    def rows(self) -> list[list]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def pid(self, node: str) -> int:
        def pids():
            return next(n for n in self.remote.status().nodes if n.name == node).pids

        wait_until(lambda: bool(pids()))
        return pids()[-1]

    @property
    def remote(self):
        return attach("crashy")

    def end(self) -> int:
        code = self.process.wait(30)
        self._reader.join()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()


@pytest.fixture
def start(tmp_path):
    flows = []

    def run(**environment):
        flows.append(Running(tmp_path, **environment))
        return flows[-1]

    yield run
    for flow in flows:
        flow.close()


def test_every_frame_arrives_and_the_flow_ends_by_itself(start, run_dir):
    flow = start(COUNT="500")
    assert flow.end() == 0, flow.errors
    assert [n for n, _ in flow.rows()] == list(range(500))
    assert "crashy: ran" in flow.errors
    assert list(run_dir.rglob("run-*")) == []


def test_replicas_share_the_work(start):
    flow = start(COUNT="300", REPLICAS="2")
    assert flow.end() == 0, flow.errors
    assert sorted(n for n, _ in flow.rows()) == list(range(300))


@pytest.mark.parametrize("victim", ["step", "sink"])
def test_a_killed_consumer_is_restarted_and_loses_nothing(start, victim):
    flow = start(COUNT="600", PAUSE="0.003")
    wait_until(lambda: len(flow.rows()) > 50, 20)
    os.kill(flow.pid(victim), signal.SIGKILL)
    wait_until(
        lambda: next(n for n in flow.remote.status().nodes if n.name == victim).restarts == 1
    )
    assert flow.end() == 0, flow.errors
    rows = flow.rows()
    firsts = list(dict.fromkeys(n for n, _ in rows))
    if victim == "sink":
        assert firsts == list(range(600))
    else:  # what the dead process had accepted from itself towards the sink may repeat
        assert sorted(firsts) == list(range(600))
    again = [n for n, _ in rows if [m for m, _ in rows].count(n) > 1]
    assert all(any(r for m, r in rows if m == n) for n in set(again))
    assert "killed by SIGKILL" in flow.errors


def test_a_consumer_killed_after_its_source_has_ended_does_not_keep_the_flow_alive(start):
    flow = start(COUNT="40", SINK_PAUSE="0.1")

    def state(node):
        return next(n for n in flow.remote.status().nodes if n.name == node).state

    wait_until(lambda: len(flow.rows()) > 5, 20)
    wait_until(lambda: state("source") == "finished", 20)
    wait_until(lambda: state("step") == "finished", 20)
    os.kill(flow.pid("sink"), signal.SIGKILL)
    assert flow.end() == 0, flow.errors
    assert "SIGUSR1" not in flow.errors
    assert len(flow.rows()) < 45


def test_ctrl_c_ends_everything_within_three_seconds(start):
    flow = start(COUNT="1000000", PAUSE="0.001")
    wait_until(lambda: len(flow.rows()) > 20, 20)
    pids = [flow.pid(node) for node in ("source", "step", "sink")]
    begun = time.monotonic()
    flow.process.send_signal(signal.SIGINT)
    assert flow.end() == 130, flow.errors
    assert time.monotonic() - begun < 6.0  # under 3 s on an idle machine
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def test_a_killed_supervisor_takes_its_processes_along(start):
    flow = start(COUNT="1000000", PAUSE="0.001")
    wait_until(lambda: len(flow.rows()) > 20, 20)
    pids = [flow.pid(node) for node in ("source", "step", "sink")]
    flow.process.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
