"""The first picture: a camera or clip, a face detector, privacy, and the dashboard.

::

    camera ──> detector ──> privacy ──> gateway
       └───────────────────────────────────┘
"""

import importlib.util
from pathlib import Path
from typing import Any

from edgeflow import assets
from edgeflow.app import EdgeApp
from edgeflow.assets.puller import Progress
from edgeflow.comms.listening import free_port, shown_host
from edgeflow.config import settings
from edgeflow.errors import ConfigError, MissingExtraError
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.sources import CameraProducer, VideoFileProducer
from edgeflow.nodes.vision import BoxDrawer, FaceBlur, FaceDetector

__all__ = ["AssetClip", "Dashboard", "build", "prepare", "welcome"]

CLIP = "carphone"
CLIP_WIDTH = 528
"""Three times the clip's own width, so that boxes and labels are sharp."""


class AssetClip(VideoFileProducer):
    """Plays a clip of the asset catalogue.

    Attributes:
        asset: its name there; pulled if it is not in the cache yet.
    """

    asset: str = CLIP

    def configure(self) -> None:
        """Find the clip and open it."""
        self.path = assets.pull(self.asset)
        super().configure()


class Dashboard(GatewayNode):
    """Shows what arrives.

    Attributes:
        http_port: where.
        wanted_port: where it was to be; the same unless that is in use.
    """

    http_port: int = 8000
    wanted_port: int = 8000

    def configure(self) -> None:
        """Attach the web interface."""
        from edgeflow.nodes.gateway.interfaces.web import WebInterface

        self.add_interface(WebInterface(port=self.http_port))


def build(
    camera: int | str | None = None,
    clip: Path | str | None = None,
    port: int | None = None,
    blur: bool = True,
) -> EdgeApp:
    """Declare the flow; nothing is opened, started or downloaded.

    Args:
        camera: number or URL of a camera to show instead of a clip.
        clip: a video file to show instead of the catalogue's clip.
        port: of the dashboard; ``settings.GATEWAY_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.
        blur: hide faces; otherwise they are only outlined.

    Raises:
        ConfigError: both a camera and a clip are given, the clip is not there, or no port is free.
    """
    app = EdgeApp("demo")
    source, options = _source(camera, clip)
    app.add("camera", source, options=options)
    app.add("detector", FaceDetector)
    app.add("privacy", FaceBlur if blur else BoxDrawer)
    wanted = settings.GATEWAY_HTTP_PORT if port is None else port
    ports = {"http_port": free_port(settings.BIND_HOST, wanted), "wanted_port": wanted}
    app.add("gateway", Dashboard, options=ports)

    app.link("camera").to("detector").to("privacy").to("gateway")
    app.link("camera").to("gateway")
    return app


def _source(
    camera: int | str | None, clip: Path | str | None
) -> tuple[type[ProducerNode], dict[str, Any]]:
    if camera is not None and clip is not None:
        raise ConfigError("a camera and a clip were given", hint="choose one of them")
    if camera is not None:
        number = isinstance(camera, str) and camera.isdecimal()
        return CameraProducer, {"camera": int(camera) if number else camera}
    if clip is None:
        return AssetClip, {"width": CLIP_WIDTH}
    if not Path(clip).is_file():
        raise ConfigError(f"there is no video file {str(clip)!r}", hint="check the path")
    return VideoFileProducer, {"path": Path(clip).resolve()}


def prepare(
    camera: int | str | None = None,
    clip: Path | str | None = None,
    progress: Progress | None = None,
) -> None:
    """Pull what the flow will need, so that a first run can be narrated.

    Raises:
        MissingExtraError: a package of the ``demo`` extra is not installed.
        AssetError: something cannot be had.
    """
    for package in ("onnxruntime", "av"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "demo")
    wanted = ["centerface"] if camera is not None or clip is not None else ["centerface", CLIP]
    for name in wanted:
        assets.pull(name, progress=progress or (lambda _asset, _stage: None))


def welcome(app: EdgeApp) -> list[str]:
    """Return what to tell the user once the flow runs: what, where, how to stop, what next."""
    nodes = {node.name: node for node in app.graph().nodes}
    ports = nodes["gateway"].options
    port, wanted = ports["http_port"], ports["wanted_port"]
    source = nodes["camera"].options
    if "camera" in source:
        shown = f"camera {source['camera']}"
    else:
        shown = f"the clip {Path(source['path']).name if 'path' in source else CLIP!r}"
    done = "hidden" if nodes["privacy"].factory is FaceBlur else "outlined"
    lines = [
        f"Showing {shown}: faces are found by CenterFace and {done}.",
        "",
        f"  Open    http://{shown_host(settings.BIND_HOST)}:{port}/dashboard",
        "  Stop    Ctrl+C",
        "  Next    edgeflow demo --camera 0              your webcam",
        "          edgeflow top                          rates, drops and latency, here",
        "          edgeflow new --template frames NAME   a project of your own",
    ]
    if wanted not in (0, port):
        lines.insert(1, f"Port {wanted} is in use; the dashboard is on {port}.")
    return lines
