"""What a ``pipelines.yaml`` becomes, and that it works as a process with that environment."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from deployed_flows import pipelines
from deployed_processes import deployed
from valid_manifests import assert_valid

from edgeflow.deploy.kubernetes.manifests import manifests
from edgeflow.deploy.kubernetes.naming import Target
from edgeflow.deploy.pipelines_workload import _EXTRAS
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Kind, SecretKey
from edgeflow.errors import ConfigError
from edgeflow.pipelines.loading.resolve import KINDS
from flows import wait_until
from servers import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGET = Target("edgeflow", "registry.example.com/app:1")


def test_the_parts_share_one_workload_and_no_server(tmp_path):
    stack = plan_file(pipelines(tmp_path))
    (workload,) = stack.all
    assert workload.kind is Kind.PIPELINES
    assert (workload.name, workload.title) == ("machine-hall", "Machine_hall")
    assert workload.single
    ports = {port.name: (port.number, port.public) for port in workload.ports}
    assert ports == {"http": (8000, True), "http-0": (8088, True), "probes": (9100, False)}


def test_what_is_written_goes_to_a_lasting_folder(tmp_path):
    (workload,) = plan_file(pipelines(tmp_path)).workloads
    assert workload.persistent
    assert workload.folder == "/data"
    assert workload.command[-1].endswith("exec edgeflow up /data/pipelines.yaml")
    file = pipelines(tmp_path)
    file.write_text(file.read_text().replace("{type: file, path: alerts.jsonl}", "{type: log}"))
    (workload,) = plan_file(file).workloads
    assert not workload.persistent
    assert workload.command == ("edgeflow", "up", "/app/pipelines.yaml")


def test_variables_of_the_file_become_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("HALL_KEY", "x")
    monkeypatch.setenv("HOSTNAME", "here")
    more = "  told: {type: webhook, url: 'https://x.example/${HALL_KEY}/${HOSTNAME}/${NONE:-1}'}\n"
    stack = plan_file(pipelines(tmp_path, more))
    assert stack.wanted_secrets == ("HALL_KEY",)
    assert stack.workloads[0].environment["HALL_KEY"] == SecretKey("HALL_KEY")


def test_the_token_of_the_deployment_can_be_used_in_the_file(tmp_path):
    stack = plan_file(pipelines(tmp_path))
    assert stack.secrets == ("EDGEFLOW_TOKEN",)
    assert stack.wanted_secrets == ()


def test_what_a_file_asks_for_is_given(tmp_path):
    more = "deploy: {device: gpu, memory: 2Gi, extras: [torch], storage: 3Gi}\n"
    stack = plan_file(pipelines(tmp_path, more))
    (workload,) = stack.workloads
    assert workload.selector == {"edgeflow.io/device": "gpu"}
    assert workload.resources.gpus == 1
    assert workload.resources.memory == 2048
    assert [v.mebibytes for v in workload.volumes if v.persistent] == [3072]
    assert stack.image.extras == ("pipelines", "torch")


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [("{memmory: 1Gi}", "memmory"), ("{max_replicas: 3}", "share one process")],
)
def test_what_cannot_be_asked_for_is_an_error(tmp_path, asked, complaint):
    with pytest.raises(ConfigError, match=complaint):
        plan_file(pipelines(tmp_path, f"deploy: {asked}\n"))


def test_what_listens_to_itself_only_is_told(tmp_path):
    file = pipelines(tmp_path)
    assert plan_file(file).warnings == ()
    file.write_text(file.read_text().replace("${EDGEFLOW_BIND:-127.0.0.1}", "127.0.0.1"))
    (warning,) = plan_file(file).warnings
    assert "'machines'" in warning
    assert "EDGEFLOW_BIND" in warning


def test_it_is_known_of_every_type_what_it_needs():
    types = {*KINDS["connectors"][0], *KINDS["actions"][0]}
    assert types <= set(_EXTRAS)
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    known = set(re.findall(r"^([a-z0-9]+) = \[", text, re.MULTILINE))
    assert {extra for extras in _EXTRAS.values() for extra in extras} <= known


@pytest.mark.parametrize(
    ("engine", "extra"),
    [("faces.onnx", "onnx"), ("rfc2217://10.0.0.9:4001", "mcu"), ("serial:///dev/ttyACM0", "mcu"),
     ("old.tflite", "litert"), ("grpc://models.example:8001", "grpc")],
)  # fmt: skip
def test_engines_of_a_list_of_models_bring_their_extras(tmp_path, engine, extra):
    (tmp_path / "models.yaml").write_text(f"models: [{{id: one, engine: '{engine}'}}]\n")
    stack = plan_file(pipelines(tmp_path, "gateway: {models: models.yaml}\n"))
    assert stack.image.extras == tuple(sorted(("pipelines", extra)))


def test_a_store_elsewhere_brings_its_client(tmp_path):
    more = "  rows: {type: store, url: 'clickhouse://u:p@db.example:8123/home'}\n"
    assert "clickhouse" in plan_file(pipelines(tmp_path, more)).image.extras


@pytest.mark.parametrize("name", ["edge_gateway", "csi_sensing", "smart_room"])
def test_the_examples_give_valid_manifests(name):
    stack = plan_file(EXAMPLES / name / "pipelines.yaml")
    assert_valid(manifests(stack, TARGET))
    assert "pipelines" in stack.image.extras
    assert (
        "broker" in stack.image.extras
        or "embedded" not in (EXAMPLES / name / "pipelines.yaml").read_text()
    )


def test_a_message_becomes_a_line_in_the_lasting_folder(tmp_path):
    project, folder = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    folder.mkdir()
    port, metrics = free_port(), free_port()
    file = pipelines(project, f"metrics_port: {metrics}\n")
    file.write_text(file.read_text().replace("8088", str(port)))
    with deployed(plan_file(file), folder) as running:
        running.await_ready()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/messages",
            data=json.dumps({"sensor_id": "press", "celsius": 91}).encode(),
            headers={
                "Authorization": f"Bearer {running.secrets['EDGEFLOW_TOKEN']}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status in (200, 202)
        (instance,) = running.instances
        book = folder / instance.name / "data" / "alerts.jsonl"
        wait_until(lambda: book.exists() and "91" in book.read_text(), 20)
        assert not (project / "alerts.jsonl").exists()
        http = running.port(instance.workload, "http")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/api/flow", timeout=10)
        refused.value.close()
        assert refused.value.code == 401
