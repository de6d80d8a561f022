"""Reload, the metrics port, and ``edgeflow up`` as a process."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from flow_parts import until, write_plugins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.comms.event_loop import EventLoopThread
from edgeflow.comms.probes import ProbeServer
from edgeflow.errors import ConfigError, GraphError
from edgeflow.observe.activity import ActivityBook
from edgeflow.pipelines.loading.loader import load
from edgeflow.pipelines.orchestrator import Orchestrator

EDGEFLOW = [sys.executable, "-c", "import sys; from edgeflow.cli import main; sys.exit(main())"]

TICKING = '''
import asyncio

from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions
from edgeflow.pipelines.message import EdgeMessage

BROKER = {"unacknowledged": [], "acknowledged": []}


class Options(ConnectorOptions):
    interval_s: float = 0.01
    qos: int = 1


class Broker(BaseConnector):
    """Delivers what was not acknowledged again, as a broker does to a client that returns."""

    Options = Options

    async def start(self):
        self.state = "connected"

    async def iter_messages(self):
        number = 0
        while True:
            self.number = number = number + 1
            yield EdgeMessage(sensor_id="tick", payload={"value": number}, receipt=number)
            await asyncio.sleep(self.options.interval_s)

    async def acknowledge(self, message):
        BROKER["acknowledged"].append(message.receipt)
'''

FLOW = """\
version: 1
dashboard: false
metrics_port: 0
connectors:
  - {id: ticks, type: ticking.Broker, pipeline: main}
pipelines:
  - {id: main, agents: [watch]}
agents:
  watch: {type: parts.Watch, dispatcher: log, above: 100000}
"""


@pytest.fixture
def file(tmp_path):
    write_plugins(tmp_path)
    (tmp_path / "plugins" / "ticking.py").write_text(TICKING)
    with (tmp_path / "plugins" / "parts.py").open("a") as parts:
        parts.write("\nRIGS['rig'] = Rig()\n")
    path = tmp_path / "pipelines.yaml"
    path.write_text(FLOW)
    return path


@contextmanager
def orchestrated(file):
    book = ActivityBook()
    orchestrator = Orchestrator(load(file), lambda: load(file), book=book)
    orchestrator.start()
    waiting = threading.Thread(target=orchestrator.wait)
    waiting.start()
    try:
        yield orchestrator, book
    finally:
        orchestrator.stop_requested.set()
        waiting.join(20)
        assert not waiting.is_alive()
        assert orchestrator.stop()


def get(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def handled(orchestrator):
    plugins = orchestrator.flow.session.declaration.plugins
    return plugins.load("parts").RIGS["rig"].handled


def test_a_wrong_file_is_refused_and_the_old_flow_goes_on(file):
    with orchestrated(file) as (orchestrator, book):
        flow = orchestrator.flow
        until(lambda: handled(orchestrator))
        file.write_text(FLOW.replace("agents: [watch]", "agents: [wach]"))
        orchestrator.reload_requested.set()
        [told] = until(lambda: [e for e in book.activities() if e.kind == "reload"])
        assert (told.ok, told.level) == (False, "error")
        assert "there is no agent 'wach'" in told.detail["problems"][0]
        before = len(handled(orchestrator))
        until(lambda: len(handled(orchestrator)) > before)
        assert orchestrator.flow is flow


def test_a_right_file_replaces_the_flow_and_new_plugin_code_runs(file):
    with orchestrated(file) as (orchestrator, book):
        until(lambda: handled(orchestrator))
        plugin = file.parent / "plugins" / "ticking.py"
        plugin.write_text(TICKING.replace('"value": number', '"value": -number'))
        file.write_text(FLOW.replace("watch", "looker"))
        orchestrator.reload_requested.set()
        until(lambda: [e for e in book.activities() if e.kind == "reload"])
        name, payload, _, _ = until(lambda: handled(orchestrator))[0]
        assert name == "looker" and payload["value"] < 0
        assert orchestrator.status().state == "running"
        assert [node["name"] for node in orchestrator.view.graph()["nodes"]][2] == "looker"


def test_what_was_taken_is_finished_and_acknowledged_before_the_swap(file):
    with orchestrated(file) as (orchestrator, _):
        until(lambda: len(handled(orchestrator)) > 5)
        plugins = orchestrator.flow.session.declaration.plugins
        broker, seen = plugins.load("ticking").BROKER, handled(orchestrator)
        assert orchestrator.flow.session.live
        orchestrator.reload_requested.set()
        until(lambda: handled(orchestrator) is not seen)
        acknowledged = broker["acknowledged"]
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        assert [payload["value"] for _, payload, _, _ in seen] == acknowledged


def test_probes_and_metrics(file):
    with orchestrated(file) as (orchestrator, _):
        port = orchestrator.probes.port
        until(lambda: get(port, "/readyz")[0] == 200)
        assert get(port, "/healthz") == (200, b"ok\n")
        until(lambda: handled(orchestrator))
        status, page = get(port, "/metrics")
        text = page.decode()
        assert status == 200
        for line in (
            'eig_pipeline_ingress_total{pipeline="main"}',
            'eig_pipeline_latency_ms_bucket{le="2000.0",pipeline="main"}',
            'eig_pipeline_queue_depth{pipeline="main"}',
            'edgeflow_connector_connected{connector="ticks"} 1.0',
            'edgeflow_agent_runs_total{agent="watch",outcome="quiet"}',
            'edgeflow_node_frames_in_total{app="pipelines",node="main"',
        ):
            assert line in text
        assert get(port, "/nothing")[0] == 404
        assert get(port, "/healthz", "POST")[0] == 405
        assert get(port, "/healthz", "HEAD") == (200, b"")
        assert get(port, "/metrics", Host="evil.example")[0] == 403


def test_a_node_that_failed_is_unhealthy(file):
    text = file.read_text().replace("ticking.Broker", "broken.Broken")
    (file.parent / "plugins" / "broken.py").write_text(
        TICKING.replace("class Broker", "class Broken").replace(
            'self.state = "connected"',
            'from edgeflow.errors import ConfigError\n        raise ConfigError("cannot work")',
        )
    )
    file.write_text(text)
    orchestrator = Orchestrator(load(file), lambda: load(file), book=ActivityBook())
    orchestrator.start()
    try:
        until(lambda: orchestrator.failed)
        status, body = get(orchestrator.probes.port, "/healthz")
        assert (status, json.loads(body)) == (503, {"problems": ["node ticks has failed"]})
        assert get(orchestrator.probes.port, "/readyz")[0] == 503
    finally:
        assert orchestrator.stop()


def test_a_metrics_port_in_use_names_both(file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(FLOW.replace("metrics_port: 0", f"metrics_port: {port}"))
        orchestrator = Orchestrator(load(file), lambda: load(file))
        with pytest.raises(ConfigError, match=f"metrics_port {port}.*in use"):
            orchestrator.start()


def test_models_of_this_process_have_to_exist(file):
    (file.parent / "models").mkdir()
    text = FLOW.replace("agents: [watch]}", "agents: [watch], model: nothing}")
    file.write_text(text + "gateway: {models: models}\n")
    with pytest.raises(GraphError, match=r"pipelines\.yaml:7:5: .*'nothing'"):
        Orchestrator(load(file), lambda: load(file))


@pytest.mark.parametrize("models", ["nowhere", "nowhere/models.yaml"])
def test_models_that_are_nowhere_are_told_with_the_place_that_names_them(file, models):
    file.write_text(FLOW + f"gateway: {{port: 8008, models: {models}}}\n")
    line = file.read_text().count("\n")
    with pytest.raises(ConfigError) as caught:
        Orchestrator(load(file), lambda: load(file))
    missing = file.parent / models
    expected = f"{file}:{line}:31: gateway.models: there is nothing at {missing}"
    assert caught.value.message == expected


@pytest.fixture(scope="module")
def probe_server():
    server = ProbeServer(0, health=list, readiness=lambda: ["no"], metrics=lambda: b"m 1\n")
    server.open()
    yield server
    server.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_any_bytes_leave_the_metrics_port_serving(probe_server, data):
    with socket.create_connection(("127.0.0.1", probe_server.port), timeout=20) as client:
        client.sendall(data + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(100)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert get(probe_server.port, "/readyz")[0] == 503


def test_a_long_head_is_refused(probe_server):
    with socket.create_connection(("127.0.0.1", probe_server.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 20000)
        assert client.recv(100).startswith(b"HTTP/1.1 431")


def test_the_event_loop_thread_ends_with_work_that_does_not():
    async def forever():
        import asyncio

        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
                raise

    thread = EventLoopThread()
    thread.start()
    thread.spawn(forever())
    with pytest.raises(TimeoutError):
        thread.run(forever(), 0.05)
    started = time.monotonic()
    assert thread.close() and thread.close()
    assert time.monotonic() - started < 6


def test_up_runs_reloads_and_stops(file):
    file.write_text(FLOW.replace("above: 100000", "above: 3"))
    command = [*EDGEFLOW, "up", str(file)]
    environment = {**os.environ, "EDGEFLOW_LOG_LEVEL": "info"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        seen = []

        def wait_for(words):
            for line in process.stderr:
                seen.append(line)
                if words in line:
                    return
            raise AssertionError("".join(seen))

        wait_for("action_logged")
        file.write_text("version: 1\n")
        process.send_signal(signal.SIGHUP)
        wait_for("reload_refused")
        file.write_text(FLOW.replace("above: 100000", "above: 5"))
        process.send_signal(signal.SIGHUP)
        wait_for("flow_reloaded")
        wait_for("action_logged")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(20) == 130
        assert time.monotonic() - started < 6
        assert "pipelines: ran" in rest


def test_up_refuses_processes_and_wrong_files(file):
    def run(*words):
        return subprocess.run(
            [*EDGEFLOW, *words], capture_output=True, text=True, timeout=60, check=False
        )

    refused = run("up", str(file), "--processes")
    assert refused.returncode == 3 and "one process" in refused.stderr
    file.write_text(FLOW.replace("main, agents", "main, agentss"))
    wrong = run("check", str(file))
    assert wrong.returncode == 3
    assert "did you mean 'agents'?" in wrong.stderr and "pipelines.yaml:7:16" in wrong.stderr
    found = json.loads(run("check", str(file), "--json").stdout)
    assert not found["ok"] and found["problems"][0]["code"] == "EF-CONFIG-012"
    file.write_text(FLOW)
    assert "ticks" in run("graph", str(file), "--format", "mermaid").stdout


def test_check_warns_of_models_that_are_nowhere_yet(file):
    file.write_text(FLOW + "gateway: {models: nowhere}\n")
    line = file.read_text().count("\n")
    command = [*EDGEFLOW, "check", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["ok"]
    [warning] = found["warnings"]
    place, told = f"{file}:{line}:19: ", f"there is nothing at {file.parent / 'nowhere'}"
    assert warning["message"] == f"{place}gateway.models: {told}"


def test_check_warns_of_each_model_whose_file_or_entry_is_not_there(file):
    models = file.parent / "models.yaml"
    models.write_text(
        "models:\n  - {id: heat, engine: gone.onnx}\n  - id: board\n    engine: serial:///x\n"
    )
    text = FLOW.replace("agents: [watch]}", "agents: [watch], model: heta}")
    file.write_text(text + "gateway: {models: models.yaml}\n")
    command = [*EDGEFLOW, "check", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["ok"]
    fileless, unknown = found["warnings"]
    missing = file.parent / "gone.onnx"
    assert fileless["message"] == f"{models}:2:16: {missing}: there is no such file"
    assert "edgeflow models pull" in fileless["hint"]
    assert unknown["message"].startswith(f"{file}:7:5: pipeline 'main' uses the model 'heta'")
    assert unknown["hint"] == "known: board, heat"
    models.write_text("models: [{id: heat, engin: gone.onnx}]\n")
    wrong = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 3 and f"{models}:1:" in wrong.stdout + wrong.stderr


def test_an_agent_that_blocks_the_event_loop_is_seen(file):
    (file.parent / "plugins" / "blocking.py").write_text(
        "import threading\n"
        "from edgeflow.pipelines.agents.base import Agent\n"
        "GO_ON = threading.Event()\n"
        "class Blocking(Agent):\n"
        "    async def handle(self, *, message, payload, latency_ms):\n"
        "        GO_ON.wait(30)\n"
        "        return []\n"
    )
    file.write_text(FLOW.replace("type: parts.Watch, ", "type: blocking.Blocking, ")
                    .replace(", above: 100000", ""))  # fmt: skip
    with orchestrated(file) as (orchestrator, _):
        go_on = orchestrator.flow.session.declaration.plugins.load("blocking").GO_ON
        port = orchestrator.probes.port
        try:
            until(lambda: get(port, "/healthz")[0] == 503)
        finally:
            go_on.set()
        until(lambda: get(port, "/healthz")[0] == 200)
