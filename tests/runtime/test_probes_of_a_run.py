"""What an orchestrator learns from a process on ``EDGEFLOW_PROBE_PORT``."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from flows import wait_until
from servers import free_port, valkey

SCRIPT = """
import time
from pathlib import Path

from edgeflow import EdgeApp, RedisBroker
from edgeflow.nodes import ProducerNode, SinkNode

app = EdgeApp("probed", broker=RedisBroker())


@app.node(name="source")
class Source(ProducerNode):
    def configure(self):
        while not Path("go").exists():
            time.sleep(0.02)

    def produce(self):
        return {"n": 1}


@app.node(name="sink")
class Sink(SinkNode):
    def write(self, frame):
        pass


app.link("source").to("sink")
app.run()
"""


@contextmanager
def running(tmp_path, *arguments, **environment):
    (tmp_path / "main.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "main.py", *arguments],
        cwd=tmp_path,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.mark.parametrize("arguments", [(), ("--node", "source")], ids=["threads", "node"])
def test_a_process_is_ready_once_its_nodes_run(tmp_path, arguments):
    port = free_port()
    with (
        valkey() as server,
        running(
            tmp_path, *arguments, EDGEFLOW_PROBE_PORT=str(port), REDIS_PORT=str(server.port)
        ),
    ):  # fmt: skip
        wait_until(lambda: ask(port, "/healthz")[0] == 200, 30)
        status, body = ask(port, "/readyz")
        assert status == 503
        assert json.loads(body) == {"problems": ["node source is starting"]}
        (tmp_path / "go").touch()
        wait_until(lambda: ask(port, "/readyz")[0] == 200, 20)
        assert 'edgeflow_node_alive{app="probed",node="source"' in ask(port, "/metrics")[1]


def test_processes_of_one_host_have_one_port_together(tmp_path):
    port = free_port()
    (tmp_path / "go").touch()
    with running(tmp_path, "--processes", EDGEFLOW_PROBE_PORT=str(port)):
        wait_until(lambda: ask(port, "/readyz")[0] == 200, 40)


def test_a_taken_port_is_a_clear_error(tmp_path):
    with valkey() as server:
        (tmp_path / "main.py").write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, "main.py"],
            cwd=tmp_path,
            env=os.environ | {"EDGEFLOW_PROBE_PORT": str(server.port)},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert f"EDGEFLOW_PROBE_PORT {server.port}" in done.stderr
