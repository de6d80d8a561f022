"""All five systems on show in one room: camera, WiFi, air, a microcontroller, and what follows.

The project is ``smart_room`` beside this file; it is copied into the cache, and runs as
``edgeflow up`` would run it.

::

    somebody comes and goes ──> camera, WiFi link, air of the room
    their pipelines ── by time ──> room ──> forecast on a board ──> window, alerts, database
"""

import importlib.util
import os
import re
import shutil
import socket
from importlib import resources
from pathlib import Path

from edgeflow import assets
from edgeflow.assets.projects import copy_project
from edgeflow.assets.puller import Progress
from edgeflow.comms.listening import free_port, shown_host
from edgeflow.config import settings
from edgeflow.errors import EdgeFlowError, MissingExtraError

__all__ = ["RoomDemo", "lay_out", "prepare"]

CLIP, DETECTOR = "carphone", "centerface"
STORE = "room.db"
_PACKAGES = ("onnxruntime", "av", "cv2", "yaml", "paho", "serial", "cffi")
_BOARD = re.compile(r"rfc2217://127\.0\.0\.1:\d+")


def prepare(progress: Progress | None = None) -> Path:
    """Pull what the demo needs, and return the folder it runs in.

    Raises:
        MissingExtraError: a package is not installed, or the core not compiled.
        AssetError: the clip or the detector cannot be had.
    """
    for package in (*_PACKAGES, "edgeflow._native._core"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "demo")
    told = progress or (lambda _asset, _stage: None)
    assets.pull(CLIP, progress=told)
    assets.pull(DETECTOR, progress=told)
    folder = settings.CACHE_DIR / "demo" / "smart_room"
    lay_out(folder)
    return folder


def lay_out(folder: Path) -> None:
    """Write the project into a folder, with its detector; a database of before stays.

    Raises:
        AssetError: the detector cannot be had.
    """
    copy_project(resources.files("edgeflow.systems") / "smart_room", folder)
    shutil.copyfile(assets.pull(DETECTOR), folder / "centerface.onnx")


class RoomDemo:
    """The demo with its ports chosen; nothing runs yet.

    Args:
        folder: what ``prepare`` returned.
        port: of the dashboard; ``settings.GATEWAY_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.
        source: camera or video to look at, instead of the virtual camera.

    Attributes:
        http_port: where the dashboard will be.
    """

    def __init__(
        self, folder: Path, port: int | None = None, source: int | str | None = None
    ) -> None:
        self.folder = folder
        self.wanted_port = settings.GATEWAY_HTTP_PORT if port is None else port
        self.http_port = free_port(settings.BIND_HOST, self.wanted_port)
        camera = free_port("127.0.0.1", 8190)
        board = free_port("127.0.0.1", camera + 1)
        os.environ |= {
            "GATEWAY_HTTP_PORT": str(self.http_port),
            "ROOM_METRICS_PORT": str(free_port(settings.BIND_HOST, 9108)),
            "ROOM_MQTT_PORT": str(free_port("127.0.0.1", 1883)),
            "ROOM_CSI_PORT": str(_free_udp_port(5005)),
            "ROOM_CAMERA_PORT": str(camera),
            "ROOM_BOARD_PORT": str(board),
            "ROOM_CAMERA": f"http://127.0.0.1:{camera}/" if source is None else str(source),
            "ROOM_CLIP": str(assets.path(CLIP)),
            "ROOM_STORE": f"sqlite:///{folder.resolve() / STORE}",
        }
        # Of this run alone: another one may show the same folder with a board of its own.
        models = folder / f"models-{board}.yaml"
        listed = (folder / "models.yaml").read_text("utf-8")
        models.write_text(_BOARD.sub(f"rfc2217://127.0.0.1:{board}", listed), "utf-8")
        os.environ["ROOM_MODELS"] = models.name

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
        with setting_on_hangup(orchestrator.reload_requested), kept():
            return drive(orchestrator, declaration.name)

    def welcome(self) -> list[str]:
        """Return what to tell the user once the flow runs."""
        root = f"http://{shown_host(settings.BIND_HOST)}:{self.http_port}/dashboard"
        lines = [
            "A room in which somebody comes and goes: a camera finds faces, WiFi senses presence",
            "and breath, a climate node feels the air, an ESP32-S3 forecasts the temperature, and",
            "the window follows. After two and a half minutes camera and WiFi disagree: an alert.",
            "The devices are software; the air of the room lives 60 times faster than we do.",
            "",
            f"  Open    {root}#/room      all senses on one page",
            f"          {root}#/sensing   what WiFi senses",
            f"          {root}#/topology  how it is wired",
            "  Stop    Ctrl+C",
            f"  Change  {self.folder / 'pipelines.yaml'}",
            f"          kill -HUP {os.getpid()} takes the change over",
            f"  Kept    {self.folder / STORE}",
            "  Next    edgeflow demo gateway                 people in a street, zones, actions",
            "          edgeflow demo csi                     eight nodes in a home",
            "          edgeflow demo boards                  forecasts of the sea on three boards",
            "          edgeflow demo frames                  faces, found and hidden",
            "          edgeflow demo climate                 ten rooms, and windows that learn",
        ]
        if self.wanted_port not in (0, self.http_port):
            lines.insert(
                4, f"Port {self.wanted_port} is in use; the dashboard is on {self.http_port}."
            )
        return lines


def _free_udp_port(wanted: int) -> int:
    """Return a UDP port, this one if nobody has it."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EdgeFlowError("no UDP port is free", hint="stop what holds them")
