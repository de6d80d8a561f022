"""The gateway system on show: a street camera, an air sensor and rooms, decided on by YAML.

The project is ``edge_gateway`` beside this file; it is copied into the cache, where its models and
snapshots lie too, and runs as ``edgeflow up`` would run it.
"""

import asyncio
import importlib.util
import os
import re
import socket
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import resources
from pathlib import Path

from edgeflow import assets
from edgeflow.assets.projects import copy_project
from edgeflow.assets.puller import Progress
from edgeflow.comms.listening import free_port, shown_host
from edgeflow.config import settings
from edgeflow.errors import EdgeFlowError, MissingExtraError

__all__ = ["GatewayDemo", "prepare"]

CLIP = "vtest"
MODELS = ("nanodet", "mobilenet_v2_cls")
SENSOR_TOPIC = "sensors/lab/env"
SENSOR_SECONDS = 0.5
POLL_SECONDS = 0.05
NODES = 4
"""Of the simulated home."""
EMPTY_ROOMS = "empty.json"
DEFAULT_CSI_PORT = 5005
_PACKAGES = ("onnxruntime", "av", "onnx", "yaml", "paho")


def prepare(progress: Progress | None = None) -> Path:
    """Pull and make what the demo needs, and return the folder it runs in.

    Raises:
        MissingExtraError: a package of the ``demo`` extra is not installed.
        AssetError: the clip or a model cannot be had.
    """
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "demo")
    told = progress or (lambda _asset, _stage: None)
    folder = settings.CACHE_DIR / "demo" / "edge_gateway"
    assets.pull(CLIP, progress=told)
    assets.build_repository(folder / "models", MODELS, progress=told)
    systems = resources.files("edgeflow.systems")
    copy_project(systems / "edge_gateway", folder)
    if senses():
        file = folder / "pipelines.yaml"
        rooms = (systems / "edge_gateway_rooms.yaml").read_text()
        file.write_text(joined(file.read_text(), rooms))
        write_empty_rooms(folder / EMPTY_ROOMS)
    return folder


def senses() -> bool:
    """Tell whether the core that senses is compiled here."""
    return importlib.util.find_spec("edgeflow._native._core") is not None


def joined(base: str, more: str) -> str:
    """Return a YAML file with the sections of another one put first in its own of that name."""
    for section in re.split(r"^(?=\w+:\n)", more, flags=re.MULTILINE)[1:]:
        head, _, body = section.partition("\n")
        base = base.replace(f"\n{head}\n", f"\n{head}\n{body.rstrip()}\n", 1)
    return base


def write_empty_rooms(path: Path) -> None:
    """Write what the nodes of the simulated home know of their empty rooms."""
    from edgeflow.sensing.calibrations import write_calibrations
    from edgeflow.sensing.simulate.home import empty_rooms, home_nodes

    write_calibrations(path, empty_rooms(home_nodes(NODES)))


class GatewayDemo:
    """The demo with its ports chosen; nothing runs yet.

    Args:
        folder: what ``prepare`` returned.
        port: of the dashboard; ``settings.GATEWAY_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.
        camera: number or URL of a camera, or a file, to show instead of the clip.

    Attributes:
        http_port, mqtt_port, csi_port: where its servers will listen; no csi_port: 0.
    """

    def __init__(
        self, folder: Path, port: int | None = None, camera: int | str | None = None
    ) -> None:
        host = settings.BIND_HOST
        self.folder = folder
        self.wanted_port = settings.GATEWAY_HTTP_PORT if port is None else port
        self.http_port = free_port(host, self.wanted_port)
        self.mqtt_port = free_port("127.0.0.1", 1883)
        self.csi_port = _free_udp_port() if senses() else 0
        self._source = assets.path(CLIP) if camera is None else camera
        os.environ |= {
            "GATEWAY_HTTP_PORT": str(self.http_port),
            "EDGE_MQTT_PORT": str(self.mqtt_port),
            "EDGE_METRICS_PORT": str(free_port(host, 9108)),
            "EDGE_CSI_PORT": str(self.csi_port),
            "EDGE_CSI_EMPTY": str(folder / EMPTY_ROOMS),
            "EDGE_MODELS": str(folder / "models"),
            "EDGE_CAMERA": str(self._source),
        }

    def run(self) -> int:
        """Run until Ctrl+C; return the exit code."""
        from edgeflow.comms.mqtt.embedded import kept
        from edgeflow.observe.logs import configure_logging
        from edgeflow.pipelines.loading.loader import load
        from edgeflow.pipelines.orchestrator import Orchestrator
        from edgeflow.runtime.launch import drive
        from edgeflow.runtime.signals import setting_on_hangup

        configure_logging()
        file = self.folder / "pipelines.yaml"
        declaration = load(file)
        orchestrator = Orchestrator(declaration, lambda: load(file))
        sensor = _Sensor(self.mqtt_port, orchestrator.stop_requested)
        sensor.start()
        try:
            with setting_on_hangup(orchestrator.reload_requested), kept(), self._home():
                return drive(orchestrator, declaration.name)
        finally:
            sensor.join()

    def _home(self) -> AbstractContextManager[object]:
        """Return the nodes of the home, which send while they are entered."""
        if not self.csi_port:
            return nullcontext()
        from edgeflow.devices.virtual.csi_node import CsiFleet
        from edgeflow.sensing.simulate.home import home_nodes

        nodes = [node.packets() for node in home_nodes(NODES)]
        return CsiFleet(("127.0.0.1", self.csi_port), nodes)

    def welcome(self) -> list[str]:
        """Return what to tell the user once the flow runs."""
        host = shown_host(settings.BIND_HOST)
        shown = "a street" if self._source == assets.path(CLIP) else f"{self._source}"
        lines = [
            f"Showing {shown}: NanoDet finds people, agents watch two zones, an air sensor sends",
            "over MQTT, and what is decided goes to actuators, a log and an archive.",
            *self._about_rooms(),
            "",
            f"  Open    http://{host}:{self.http_port}/dashboard",
            f"          http://{host}:{self.http_port}/dashboard#/activity",
            *(
                [f"          http://{host}:{self.http_port}/dashboard#/sensing"]
                * bool(self.csi_port)
            ),
            "  Stop    Ctrl+C",
            f"  Change  {self.folder / 'pipelines.yaml'}",
            f"          kill -HUP {os.getpid()} takes the change over",
            "  Send    python -m edgeflow.pipelines.simulate "
            f"mqtt://127.0.0.1:{self.mqtt_port} sensors/attic/env",
            "  Next    edgeflow serve --models DIR           models for other programs",
            "          edgeflow demo csi                     eight nodes in a home",
            "          edgeflow demo frames                  faces, found and hidden",
        ]
        if self.wanted_port not in (0, self.http_port):
            lines.insert(
                2, f"Port {self.wanted_port} is in use; the dashboard is on {self.http_port}."
            )
        return lines

    def _about_rooms(self) -> list[str]:
        if not self.csi_port:
            return []
        return [f"{NODES} simulated WiFi nodes sense who is in which room of a home."]


def _free_udp_port() -> int:
    """Return a UDP port, that of CSI nodes if nobody has it."""
    for wanted in (DEFAULT_CSI_PORT, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    return DEFAULT_CSI_PORT


class _Sensor:
    """An air sensor, simulated in a thread: publishes while the flow runs."""

    def __init__(self, port: int, over: threading.Event) -> None:
        self._port = port
        self._over = over
        self._thread = threading.Thread(target=self._main, name="edgeflow-sensor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._over.set()
        self._thread.join(timeout=2.0)

    def _main(self) -> None:
        asyncio.run(self._publish_until_over())

    async def _publish_until_over(self) -> None:
        publishing = asyncio.create_task(self._publish())
        while not self._over.is_set():
            await asyncio.sleep(POLL_SECONDS)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)

    async def _publish(self) -> None:
        from edgeflow.comms.mqtt.options import MqttOptions
        from edgeflow.pipelines.simulate.sensor import Plan, run

        options = MqttOptions(host="127.0.0.1", port=self._port, outbox=128)
        plan = Plan(topic=SENSOR_TOPIC, interval=SENSOR_SECONDS, qos=1, stamped=True)
        while not self._over.is_set():
            await self._broker_listens()
            with suppress(EdgeFlowError):
                await run(plan, options)

    async def _broker_listens(self) -> None:
        """Wait for the broker, which comes up with the flow."""
        while not self._over.is_set():
            await asyncio.sleep(POLL_SECONDS)
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
