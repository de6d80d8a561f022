"""The YAML of the requirements, and the one the reference system ships, load as they are."""

from pathlib import Path

import pytest

from edgeflow.core.checks import find_problems
from edgeflow.core.qos import QoS
from edgeflow.pipelines.compile import compile_flow
from edgeflow.pipelines.loading.loader import load

FILES = Path(__file__).parents[2] / "data" / "requirements"


@pytest.fixture(params=["pipelines.yaml", "shipped.yaml"])
def declaration(request):
    return load(FILES / request.param, {})


def test_both_files_load_and_compile(declaration):
    assert find_problems(compile_flow(declaration).graph) == []
    assert declaration.models == ("mobilenet_v2_cls", "yolov5n_coco")
    assert [plan.name for plan in declaration.agents] == [
        "air_quality_alert",
        "frontdoor_guard",
        "frontdoor_archive",
    ]
    [warning] = declaration.warnings
    assert "zone 'frontdoor' has no polygon" in warning.message


def test_the_requirement_compiles_to_this_graph():
    declaration = load(FILES / "pipelines.yaml", {})
    graph = compile_flow(declaration).graph
    assert graph.name == "pipelines"
    assert [(node.name, node.role.value) for node in graph.nodes] == [
        ("floor1-mqtt", "producer"),
        ("env-quality", "consumer"),
        ("frontdoor-vision", "consumer"),
        ("air_quality_alert", "consumer"),
        ("frontdoor_guard", "consumer"),
        ("frontdoor_archive", "consumer"),
        ("log", "sink"),
        ("mqtt_actuators", "sink"),
        ("dashboard", "gateway"),
    ]
    links = [(link.source, link.target, link.output) for link in graph.links]
    assert links == [
        ("floor1-mqtt", "env-quality", "env-quality"),
        ("floor1-mqtt", "frontdoor-vision", "frontdoor-vision"),
        ("env-quality", "air_quality_alert", None),
        ("env-quality", "dashboard", None),
        ("frontdoor-vision", "frontdoor_guard", None),
        ("frontdoor-vision", "frontdoor_archive", None),
        ("frontdoor-vision", "dashboard", None),
        ("air_quality_alert", "log", "log"),
        ("frontdoor_guard", "mqtt_actuators", "mqtt_actuators"),
        ("frontdoor_archive", "log", "log"),
    ]


def test_an_action_uses_the_broker_of_the_connector_it_names():
    declaration = load(FILES / "pipelines.yaml", {})
    [options] = [plan.options for plan in declaration.actions if plan.name == "mqtt_actuators"]
    assert (options.host, options.port, options.username) == ("192.168.10.40", 1883, "edge")
    assert options.password.get_secret_value() == "changeme"
    assert options.topic == "actuators/frontdoor"


def test_the_shipped_file_keeps_its_guardrails():
    declaration = load(FILES / "shipped.yaml", {})
    assert [plan.options.deadline_ms for plan in declaration.pipelines] == [200, 250]
    assert declaration.document.metrics_port == 9108
    camera = declaration.connectors[1]
    assert camera.pipelines == {"frontdoor-vision": QoS.REALTIME}
    assert (camera.options.source, camera.options.interval) == (0, 0.2)
