"""The pages about models and pipelines, done as a reader does them."""

import asyncio
import json
import signal
import urllib.request
from typing import Any

from readers import Reader, assert_printed, on

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from flows import wait_until
from mqtt_brokers import Broker, make
from pulled import pulled
from small_models import save_scale


@on("how-to/pipelines.md")
def test_pipelines(reader, tmp_path):
    first, extra, *_ = (block.text for block in reader.blocks if block.language == "yaml")
    [plugin] = (block.text for block in reader.blocks if block.language == "python")
    save_scale(tmp_path / "models" / "air_quality.onnx", shape=("n", 3))
    file = tmp_path / "pipelines.yaml"
    reader.environment["MQTT_PASSWORD"] = "edge-secret"
    with make("nats", tmp_path / "broker", password="edge-secret") as broker:
        place = f"host: {broker.host}\n    port: {broker.port}"
        file.write_text(first.replace("host: 192.168.10.40", place) + "metrics_port: 0\n")
        check, draw, up, schema = (c.partition("#")[0].strip() for c in reader.commands())
        assert "floor1" in reader.run(check) and "buzzer" in reader.run(draw)
        assert '"threshold"' in reader.run(schema.partition(">")[0])
        with reader.running(up, "pipelines", wait=False) as said:
            assert asyncio.run(buzzed(broker))["value"] == 950
        assert any("air_quality" in line for line in said)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(plugin)
    stage, agent = extra.split("agents:\n")
    text = file.read_text().replace("    preprocess: env.vector_to_tensor\n", stage)
    text = text.replace("[alert]", "[alert, hot]").replace(
        "agents:\n  alert", f"agents:\n{agent}  alert"
    )
    file.write_text(text)
    assert "hot" in reader.run(check)


async def buzzed(broker: Broker) -> dict[str, Any]:
    """Send bad air until the buzzer is told about it; return what it is told."""
    options = MqttOptions(
        host=broker.host, port=broker.port, username="edge", password=broker.password
    )
    body = json.dumps({"co2_ppm": 950, "humidity_pct": 45.0, "temperature_c": 22.0}).encode()
    async with asyncio.timeout(40), MqttClient(options) as client:
        await client.subscribe("actuators/buzzer")
        heard = asyncio.ensure_future(anext(client.messages()))
        while not heard.done():
            await client.publish("sensors/hall/env", body, qos=1)
            await asyncio.wait([heard], timeout=0.2)
        told: dict[str, Any] = json.loads(heard.result().payload)
        return told


@on("how-to/serve-models.md")
def test_serve_models(reader):
    for name in ("mobilenet_v2_cls", "nanodet"):
        pulled(name)
    for variable, port in (
        ("EIG_PORT", "8008"),
        ("EIG_HTTP_PORT", "8009"),
        ("EIG_GRPC_PORT", "8010"),
    ):
        reader.environment[variable] = reader.ports[port]
    for command in reader.commands("edgeflow models pull"):
        reader.run(command)
    folder, file = reader.commands("edgeflow serve")
    described, asked = reader.commands("curl")
    _, _, push, show, rollback = reader.commands("edgeflow models")
    with reader.serving(folder) as server:
        server.says("Stop ")
        assert_printed(reader.printed("Serving 2 models"), server.log.read_text())
        assert json.loads(reader.run(described))["inputs"][0]["name"] == "input"
        assert_same_answer(reader, asked)
        assert reader.run("python ask.py").split() == ["1", "1"]
        reader.run(push)
        assert_printed(reader.printed("PROBLEM"), reader.run(show))
        wait_until(lambda: version(reader, asked) == "2", 30)
        reader.run(rollback)
        wait_until(lambda: version(reader, asked) == "1", 30)
    with reader.serving(file) as server:
        server.says("Serving 1 model")
        with urllib.request.urlopen(
            f"http://127.0.0.1:{reader.ports['8009']}/readyz", timeout=20
        ) as ready:
            assert ready.status == 200


def assert_same_answer(reader: Reader, asked: str) -> None:
    """Check that the page tells the answer: all of it, figures to two places."""
    (page,) = (json.loads(block.text) for block in reader.blocks if block.language == "json")
    answer = json.loads(reader.run(asked))
    for output in answer["outputs"]:
        output["data"] = [round(value, 2) for value in output["data"]]
    assert answer == page


def version(reader: Reader, asked: str) -> str:
    return json.loads(reader.run(asked))["model_version"]


@on("tutorials/first-pipeline.md")
def test_first_pipeline(reader, tmp_path):
    pulled("nanodet")
    file = tmp_path / "pipelines.yaml"
    first, second = (b.text + "metrics_port: 0\n" for b in reader.blocks if b.file == file.name)
    check, pull, fetch = reader.commands("edgeflow check", "edgeflow models", "edgeflow assets")
    up = reader.commands("edgeflow up")[0]

    file.write_text(
        first.replace(
            "{type: threshold, metric: co2_ppm, threshold",
            "{type: threshold, metric: co2_ppm, treshold",
        )
    )
    assert_printed(reader.printed("unknown key"), reader.run(check, 3))
    file.write_text(first)
    assert_printed(reader.printed("no problems"), reader.run(check))

    with reader.serving(up) as flow:
        flow.says("dashboard_ready")
        # Ready is the dashboard; what is sent before the subscription is nobody's, so say it again.
        for _ in range(3):
            reader.run(*reader.commands("python -m edgeflow.pipelines.simulate"))
            if "action_logged" in flow.log.read_text():
                break
        flow.says("action_logged")
        wait_until(lambda: any("at or above 800" in text for text in activity(reader)), 30)

    reader.run(pull)
    assert reader.run(fetch).strip()
    (export,) = reader.commands("export CLIP=")
    reader.environment["CLIP"] = reader.run(export.partition("$(")[2].rstrip(")")).strip()
    file.write_text(second)
    with reader.serving(up) as flow:
        wait_until(lambda: "lamp: published to actuators/lamp" in " ".join(activity(reader)), 60)
        crowd = "agents:\n  crowd: {type: crowd.Crowd, more_than: 3, dispatcher: log}\n  stuffy"
        changed = second.replace("threshold: 800", "threshold: 600").replace(
            "[crossing]", "[crossing, crowd]"
        )
        file.write_text(changed.replace("agents:\n  stuffy", crowd))
        flow.process.send_signal(signal.SIGHUP)
        flow.says("flow_reloaded")
        assert "mqtt_broker_stopped" not in flow.log.read_text()
        wait_until(lambda: any("people at camera:street" in text for text in activity(reader)), 60)


def activity(reader: Reader) -> list[str]:
    """Return what the activity page says."""
    url = f"http://127.0.0.1:{reader.port}/api/activity?limit=500"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return [each["text"] for each in json.load(answer)]
    except OSError:
        return []
