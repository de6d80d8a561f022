"""The requirement's YAML against a real broker and our gateway, with small models of its shapes."""

import asyncio
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from flow_parts import until
from onnx import TensorProto, helper, numpy_helper

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.inference.local import LocalService
from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.observe.activity import ActivityBook
from edgeflow.pipelines.loading.loader import load
from edgeflow.pipelines.orchestrator import Orchestrator
from mqtt_brokers import make

REQUIREMENT = Path(__file__).parents[2] / "data" / "requirements" / "pipelines.yaml"


def save(path, graph):
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))


def save_classifier(path, width):
    """Three numbers in, two logits out."""
    weights = np.array([[1, -1]] * width, np.float32)
    save(path, helper.make_graph(
        [helper.make_node("MatMul", ["in", "w"], ["logits"])], "classifier",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weights, "w")],
    ))  # fmt: skip


def save_detector(path):
    """YOLOv5's interface; says that there is a person where the picture is bright."""
    row = np.zeros((1, 1, 85), np.float16)
    row[0, 0, :6] = [320, 320, 100, 200, 1, 1]
    save(path, helper.make_graph(
        [
            helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Greater", ["mean", "half"], ["bright"]),
            helper.make_node("Cast", ["bright"], ["sure"], to=TensorProto.FLOAT16),
            helper.make_node("Mul", ["row", "sure"], ["preds"]),
        ],
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT16, [1, 3, 640, 640])],
        [helper.make_tensor_value_info("preds", TensorProto.FLOAT16, [1, 1, 85])],
        [
            numpy_helper.from_array(row, "row"),
            numpy_helper.from_array(np.array([0.5], np.float16), "half"),
        ],
    ))  # fmt: skip


def jpeg(brightness):
    image = np.full((480, 640, 3), brightness, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with make("nats", tmp_path / "broker", password="changeme") as broker:
        yield tmp_path, broker


def orchestrate(folder, broker, gateway_port):
    """The file as it is but for hosts and ports; the fixed ports of this host may be taken."""
    text = REQUIREMENT.read_text()
    text = text.replace("192.168.10.40", broker.host).replace("1883", str(broker.port))
    text = text.replace("8008", str(gateway_port))
    path = folder / "pipelines.yaml"
    path.write_text(text + "\nmetrics_port: -1\ndashboard: false\n")
    book = ActivityBook()
    orchestrator = Orchestrator(load(path), lambda: load(path), book=book)
    orchestrator.start()
    return orchestrator, book


def test_the_requirement_runs(place):
    folder, broker = place
    save_classifier(folder / "models" / "mobilenet_v2_cls.onnx", 3)
    save_detector(folder / "models" / "yolov5n_coco.onnx")
    service = LocalService(folder / "models")
    server = TensorServer(service, port=0)
    server.start()
    orchestrator, book = orchestrate(folder, broker, server.port)
    heard = []

    async def sensors():
        options = MqttOptions(
            host=broker.host, port=broker.port, username="edge", password="changeme"
        )
        async with MqttClient(options) as client:
            await client.subscribe("actuators/#")
            feed = orchestrator.flow.session.connectors["floor1-mqtt"].connector
            while feed.state != "connected":
                await asyncio.sleep(0.02)
            for co2 in (500, 950):
                body = {"co2_ppm": co2, "temperature_c": 22.0, "humidity_pct": 45.0}
                await client.publish("sensors/floor1/a/env", json.dumps(body).encode(), qos=1)
            for brightness in (0, 255):
                await client.publish("sensors/floor1/cam1/frame", jpeg(brightness), qos=1)
            async with asyncio.timeout(30):
                async for message in client.messages():
                    heard.append((message.topic, json.loads(message.payload)))
                    return

    try:
        asyncio.run(sensors())
        until(lambda: len([e for e in book.activities() if e.kind == "action"]) >= 4)
    finally:
        assert orchestrator.stop()
        server.stop()
        service.close()
    [(topic, body)] = heard
    assert topic == "actuators/frontdoor"
    assert (body["agent"], body["pipeline"]) == ("frontdoor_guard", "frontdoor-vision")
    alerts = [entry for entry in book.activities() if entry.kind == "alert"]
    [air] = [entry for entry in alerts if entry.agent == "air_quality_alert"]
    assert (air.dispatcher, air.sensor) == ("log", "sensors/floor1/a/env")
    assert len([entry for entry in alerts if entry.agent == "frontdoor_guard"]) == 1
    assert len([entry for entry in alerts if entry.agent == "frontdoor_archive"]) == 2
    kept = sorted((folder / "snapshots").rglob("*.jpg"))
    assert sorted(path.read_bytes() for path in kept) == sorted([jpeg(0), jpeg(255)])
    assert all(entry.ok for entry in book.activities() if entry.kind == "action")


def test_a_model_of_another_shape_is_diagnosed(place):
    folder, broker = place
    save_classifier(folder / "models" / "mobilenet_v2_cls.onnx", 224)
    service = LocalService(folder / "models")
    server = TensorServer(service, port=0)
    server.start()
    orchestrator, book = orchestrate(folder, broker, server.port)

    async def sensor():
        options = MqttOptions(
            host=broker.host, port=broker.port, username="edge", password="changeme"
        )
        async with MqttClient(options) as client:
            feed = orchestrator.flow.session.connectors["floor1-mqtt"].connector
            while feed.state != "connected":
                await asyncio.sleep(0.02)
            body = {"co2_ppm": 950, "temperature_c": 22.0, "humidity_pct": 45.0}
            await client.publish("sensors/floor1/a/env", json.dumps(body).encode(), qos=1)

    try:
        asyncio.run(sensor())
        [told] = until(
            lambda: [e for e in book.activities() if e.kind == "dropped" and e.level == "error"]
        )
    finally:
        assert orchestrator.stop()
        server.stop()
        service.close()
    for part in ("'env-quality'", "env.vector_to_tensor", "float32[1, 3]", "'mobilenet_v2_cls'",
                 "float32[1, 224]"):  # fmt: skip
        assert part in told.text
