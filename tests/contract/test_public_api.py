"""Names that users import are a contract, and importing them must stay cheap."""

import subprocess
import sys

import pytest

from edgeflow.errors import ConfigError


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "line",
    [
        "from edgeflow import EdgeApp, RedisBroker, DualRedisBroker, Frame, QoS, __version__",
        "from edgeflow.nodes import ProducerNode, ConsumerNode, FusionNode, SinkNode, GatewayNode",
        "from edgeflow.nodes.gateway.interfaces.web import WebInterface",
        "from edgeflow.comms import RedisBroker",
        "from edgeflow.comms.brokers import RedisBroker, DualRedisBroker",
        "from edgeflow.config import settings",
    ],
)
def test_import_lines_work(line):
    run(line)


def test_import_edgeflow_is_light():
    heavy = {"numpy", "cv2", "fastapi", "redis", "torch", "msgspec", "onnxruntime", "av"}
    loaded = run("import edgeflow, sys; print(' '.join(sys.modules))")
    assert not heavy & set(loaded.split())


def test_constructing_brokers_and_nodes_connects_to_nothing():
    run(
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('connected')\n"
        "socket.socket.connect = refuse\n"
        "from edgeflow import EdgeApp, RedisBroker, DualRedisBroker\n"
        "from edgeflow.nodes import GatewayNode\n"
        "from edgeflow.nodes.gateway.interfaces.web import WebInterface\n"
        "EdgeApp('a', broker=RedisBroker()); DualRedisBroker(); GatewayNode(); WebInterface()\n"
    )


def test_settings_are_read_when_asked(monkeypatch):
    from edgeflow.config import settings

    monkeypatch.setenv("GATEWAY_HTTP_PORT", "1234")
    assert settings.GATEWAY_HTTP_PORT == 1234
    monkeypatch.setenv("GATEWAY_HTTP_PORT", "http")
    with pytest.raises(ConfigError, match="GATEWAY_HTTP_PORT"):
        _ = settings.GATEWAY_HTTP_PORT
