"""CSI sensing: nodes over UDP, vitals over HTTP and WebSocket.

::

    nodes ── UDP ──> receiver ── frames ──> core ── vitals, events ──> REST, WebSocket, subscribers
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from edgeflow.config import settings
from edgeflow.core.no_flow import NoFlow
from edgeflow.devices.history import History
from edgeflow.observe.activity import activities
from edgeflow.sensing.desk import Desk, with_rooms
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.keeping import Keeper
from edgeflow.sensing.receiver import DEFAULT_PORT
from edgeflow.sensing.rooms import Rooms
from edgeflow.sensing.rows import keep_sensing
from edgeflow.sensing.tracking import TrackOptions
from edgeflow.web.server import WebServer

__all__ = ["CsiServer"]


class CsiServer:
    """Senses, and serves what is sensed, from its construction until ``close``.

    Args:
        host, port, allow, options, capture: as of ``SensingHost``.
        http_port: of REST, WebSocket and dashboard, 0 for any; None for none of them.
        store: url of what keeps vitals and events, for example ``sqlite:///vitals.db``.
        module_key: as of ``SensingHost``.
        rooms: file that keeps calibrations and settings of nodes; it need not exist.

    Attributes:
        history: what is kept where ``EDGEFLOW_STORE`` says, if it does.
        sensing: the nodes; ``desk``: where they are set and watched.
        url: of the dashboard; empty without one.
        http_port: where it is; 0 without one.

    Raises:
        ConfigError: a port is taken.
        StoreError: the capture cannot be made, or the store or the file of rooms not be opened.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        allow: Sequence[str] = (),
        options: TrackOptions | None = None,
        capture: Path | None = None,
        http_port: int | None = None,
        store: str | None = None,
        rooms: Path | None = None,
        module_key: bytes | None = None,
    ) -> None:
        self._web: WebServer | None = None
        self._keeper: Keeper | None = None
        self.history: History | None = None
        kept = Rooms(rooms)
        chosen = with_rooms(options or TrackOptions(), kept)
        with ExitStack() as undone:
            self.sensing = undone.enter_context(
                SensingHost(
                    host,
                    port,
                    allow=allow,
                    options=chosen,
                    capture=capture,
                    module_key=module_key,
                )
            )
            if store is not None:
                self._keeper = undone.enter_context(Keeper(self.sensing, store))
            self.desk = Desk(self.sensing, kept, self._keeper)
            self.history = History.wanted("csi")
            if self.history is not None:
                undone.enter_context(self.history)
                keep_sensing(self.history, lambda: (self.sensing,))
                self.history.health(list)
            if http_port is not None:
                self._web = self._serve(http_port)
            undone.pop_all()
        self.url = self._web.url if self._web is not None else ""
        self.http_port = self._web.port if self._web is not None else 0

    def _serve(self, port: int) -> WebServer:
        flow = NoFlow("csi")
        return WebServer(
            settings.BIND_HOST,
            port,
            app="csi",
            channels=(),
            view=flow,
            frames=flow,
            activity=activities,
            sensing=self.desk,
            port_hint="another program has it: name another with --http-port",
        )

    def close(self) -> None:
        """Hang up within 3 s. Idempotent."""
        if self._web is not None:
            self._web.close()
        self.desk.close()
        if self.history is not None:
            self.history.close()
        self.sensing.close()
        if self._keeper is not None:
            self._keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
