"""What the tests of the web server share: a flow with a gateway, and a server fed by hand."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np

from edgeflow import EdgeApp, Frame
from edgeflow.core.status import FlowStatus, LogLine, NodeStatus
from edgeflow.errors import ConfigError
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.web.server import WebServer


class Pictures(ProducerNode):
    fps = 50

    def produce(self):
        return np.full((24, 32, 3), self.next_id % 256, np.uint8), {"number": self.next_id}


class FivePictures(Pictures):
    def produce(self):
        return super().produce() if self.next_id < 5 else None


class Values(ProducerNode):
    fps = 50

    def produce(self):
        return {"celsius": 21.5}


class Silence(ProducerNode):
    fps = 50

    def produce(self):
        return None


def gateway_app(web: WebInterface, camera: type[ProducerNode] = Pictures) -> EdgeApp:
    """Return an app whose streams ``camera`` and ``weather`` reach ``web``."""

    class Gateway(GatewayNode):
        def configure(self):
            self.add_interface(web)

    app = EdgeApp("door")
    app.add("camera", camera)
    app.add("weather", Values)
    app.add("gateway", Gateway)
    app.link("camera").to("gateway")
    app.link("weather").to("gateway")
    return app


class View:
    """A flow of one node that writes a log line whenever the test says so."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def status(self) -> FlowStatus:
        camera = NodeStatus(name="camera", role="producer", state="running", alive=1)
        return FlowStatus(
            app="door", mode="threads", started=0.0, time=1.0, nodes=[camera], links=[]
        )

    def graph(self) -> dict[str, Any]:
        return {"nodes": [], "links": []}

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        return [line for line in self.lines if line.number > after][:limit]

    def paths(self) -> list[Any]:
        return []

    def traces(self, limit: int = 256) -> list[Any]:
        return []

    def histograms(self) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
        return {}, {}

    def clock_offsets_ns(self) -> dict[str, int]:
        return {}


class NoTaps:
    """Knows no topic beside the streams."""

    def topics(self) -> list[str]:
        return []

    def tap(self, topics: Any, *, latest: bool = True) -> Any:
        raise ConfigError(f"no topic {topics[0]!r}", hint="nothing is declared yet")


@contextlib.contextmanager
def serving(host: str = "127.0.0.1", **options: Any) -> Iterator[WebServer]:
    """Run a server with the stream ``camera``, which the test feeds with ``publish``."""
    options = {"view": View(), "frames": NoTaps()} | options
    server = WebServer(host, 0, app="door", channels=["camera"], **options)
    try:
        yield server
    finally:
        server.close()


def client_of(where: WebServer | WebInterface, **options: Any) -> httpx.Client:
    port = until(lambda: where.port)  # the gateway node opens it a moment after the start
    address = f"http://127.0.0.1:{port}"
    # The server hangs up after 5 s of silence: whoever kept a connection until then may be late.
    kept = httpx.Limits(keepalive_expiry=1.0)
    return httpx.Client(base_url=address, timeout=30, trust_env=False, limits=kept, **options)


def picture(level: int, topic: str = "camera", side: int = 64) -> Frame:
    return Frame(data=np.full((side, side, 3), level, np.uint8), id=level, topic=topic)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true value of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return value
