"""Sensing on show: eight nodes that are only software, in a home with three rooms.

::

    simulated home ── frames ──> eight virtual nodes ── UDP ──> CSI server ──> dashboard
"""

import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from edgeflow.comms.listening import free_port, shown_host
from edgeflow.config import settings
from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.sensing.simulate.home import HomeNode, empty_rooms, home_nodes
from edgeflow.sensing.tracking import TrackOptions
from edgeflow.systems.csi import CsiServer

__all__ = ["HomeDemo", "home_options", "prepare"]

NODES = 8


def prepare() -> tuple[Path, list[HomeNode]]:
    """Return a folder for what is kept, and the nodes of the home."""
    folder = settings.CACHE_DIR / "demo" / "csi"
    folder.mkdir(parents=True, exist_ok=True)
    return folder, home_nodes(NODES)


def home_options(nodes: list[HomeNode]) -> TrackOptions:
    """Return options by which the server knows the empty rooms of nodes 1 and following."""
    return TrackOptions(calibration=empty_rooms(nodes))


class HomeDemo:
    """The demo with its port chosen; nothing runs yet.

    Args:
        folder, nodes: what ``prepare`` returned.
        port: of the dashboard; ``settings.GATEWAY_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.

    Attributes:
        http_port: where the dashboard will be.
    """

    def __init__(self, folder: Path, nodes: list[HomeNode], port: int | None = None) -> None:
        self.wanted_port = settings.GATEWAY_HTTP_PORT if port is None else port
        self.http_port = free_port(settings.BIND_HOST, self.wanted_port)
        self._folder, self._nodes = folder, nodes

    def run(self) -> int:
        """Run until Ctrl+C; return the exit code."""
        from edgeflow.observe.logs import configure_logging
        from edgeflow.runtime.signals import stopping_on_signals

        configure_logging()
        stop = Event()
        with ExitStack() as stack:
            caught = stack.enter_context(stopping_on_signals(stop))
            server = CsiServer(
                port=0,
                options=home_options(self._nodes),
                http_port=self.http_port,
                rooms=self._folder / "rooms.json",
            )
            stack.enter_context(server)
            target = ("127.0.0.1", server.sensing.port)
            fleet = stack.enter_context(CsiFleet(target, [n.packets() for n in self._nodes]))
            while not stop.is_set() and not fleet.wait(0.0):
                stop.wait(1.0)
        return 130 if caught and caught[0] == signal.SIGINT else 0

    def welcome(self) -> list[str]:
        """Return what to tell the user once it runs."""
        root = f"http://{shown_host(settings.BIND_HOST)}:{self.http_port}"
        rooms = ", ".join(dict.fromkeys(node.room for node in self._nodes))
        lines = [
            f"{len(self._nodes)} simulated nodes hear how somebody walks, sits and sleeps in",
            f"{rooms}; the firmware's core senses it on this host.",
            "",
            f"  Open    {root}/dashboard#/sensing",
            f"  Ask     curl {root}/api/csi/vitals",
            "  Stop    Ctrl+C",
            "  Next    edgeflow csi listen --http-port 8000  real nodes",
            "          edgeflow csi simulate two-persons     other rooms",
        ]
        if self.wanted_port not in (0, self.http_port):
            lines.insert(
                2, f"Port {self.wanted_port} is in use; the dashboard is on {self.http_port}."
            )
        return lines
