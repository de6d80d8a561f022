"""MCU inference: boards on serial ports behind an HTTP API, with hot swap and the dashboard.

::

    clients ── HTTP ──> queue of the board ── UART ──> model on the board
                └─ model file ──> slots over the wire, or esptool
"""

import gc
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from threading import Event
from types import TracebackType
from typing import Self

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from edgeflow import __version__
from edgeflow.config import settings
from edgeflow.core.no_flow import NoFlow
from edgeflow.devices.boards.base import Board, BoardModel, OnProgress
from edgeflow.devices.boards.opening import open_boards
from edgeflow.devices.fleet import Fleet
from edgeflow.devices.fleet_history import keep_fleet
from edgeflow.devices.swapping import roll_back_model, swap_model
from edgeflow.inference.servers.mcu_http import mcu_routes
from edgeflow.observe.activity import activities
from edgeflow.runtime.signals import stopping_on_signals
from edgeflow.web.access import Access, AccessRules, is_loopback
from edgeflow.web.own_routes import BodyLimit
from edgeflow.web.server import WebServer

__all__ = ["McuOptions", "McuServer", "create_app", "make_fleet", "serve"]

FIND_SECONDS = 2.0
"""A board that takes longer is served once it answers."""

_OF_PROXIES = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class McuOptions:
    """Which boards, and where they are served.

    Attributes:
        ports: ``PORT`` or ``NAME=PORT`` each; a pattern may stand for several.
        baud: rate at which boards start to talk; ``flash_baud``: at which they are flashed.
        host: address to bind.
        http_port: 0 for any.
    """

    ports: tuple[str, ...]
    baud: int = 115200
    flash_baud: int = 921600
    host: str = "127.0.0.1"
    http_port: int = 8080

    @classmethod
    def of_environment(cls) -> Self:
        """Return what SERIAL_PORT, UART_BAUD, IDF_BAUD, PORT and EDGEFLOW_BIND say."""
        ports = tuple(port.strip() for port in settings.SERIAL_PORT.split(",") if port.strip())
        return cls(
            ports,
            settings.UART_BAUD,
            settings.IDF_BAUD,
            settings.BIND_HOST,
            settings.MCU_HTTP_PORT,
        )


def make_fleet(
    boards: Sequence[Board], flash_baud: int = 921600, cancel: Event | None = None
) -> Fleet:
    """Return the fleet of these boards, whose models are changed by slots or with esptool.

    Args:
        boards: which.
        flash_baud: rate at which esptool works.
        cancel: ends flashing when set.
    """

    def swap(
        board: Board, file: bytes, meta: bytes | None, model: int, told: OnProgress
    ) -> BoardModel:
        return swap_model(
            board, file, meta, model=model, baud=flash_baud, cancel=cancel, on_progress=told
        )

    def roll_back(board: Board, model: int, told: OnProgress) -> BoardModel:
        return roll_back_model(board, model=model, baud=flash_baud, cancel=cancel, on_progress=told)

    return Fleet(boards, swap, roll_back)


class McuServer:
    """Serves boards from its construction until ``close``.

    Raises:
        ConfigError: a port's name is wrong, or the HTTP port is taken.
    """

    def __init__(self, options: McuOptions) -> None:
        self._stopping = Event()
        with ExitStack() as undone:
            boards = open_boards(options.ports, wait=FIND_SECONDS, baud=options.baud)
            self.fleet = make_fleet(boards, options.flash_baud, self._stopping)
            undone.callback(self.fleet.close)
            self._history = keep_fleet(self.fleet)
            if self._history is not None:
                undone.enter_context(self._history)
            flow = NoFlow("boards")
            self._web = WebServer(
                options.host,
                options.http_port,
                app="boards",
                channels=(),
                view=flow,
                frames=flow,
                activity=activities,
                devices=self.fleet,
                routers=(mcu_routes(self.fleet),),
                port_hint="another program has it: name another with --http-port, or set PORT",
            )
            undone.pop_all()
        self.rules = self._web.rules
        self.dashboard = self._web.url
        self.port = self._web.port
        log.info("boards_served", boards=[board.name for board in boards], port=self.port)

    def close(self) -> None:
        """Hang up, and close every port, within 3 s. Idempotent."""
        self._stopping.set()
        if self._history is not None:
            self._history.close()
        self.fleet.close()  # first: whoever follows a swap hears how it ended
        self._web.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(options: McuOptions, ready: Callable[[McuServer], None]) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        options: which boards, and where.
        ready: told once clients can connect.

    Returns:
        130 after SIGINT, else 0.
    """
    stop = Event()
    with stopping_on_signals(stop) as caught, McuServer(options) as server:
        ready(server)
        # A full collection held answers up for 50 ms: what lives as long as the server is spared.
        gc.collect()
        gc.freeze()
        while not stop.wait(1.0):
            pass
    return 130 if caught and caught[0] == signal.SIGINT else 0


def create_app(options: McuOptions | None = None) -> ASGIApp:
    """Return the HTTP API for an ASGI server of the user's own: ``uvicorn pc.server:app``.

    The ports are opened when that server starts. Clients on this machine are served as they come;
    others, and whatever a proxy passes on, need a token, as everywhere.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        chosen = options or McuOptions.of_environment()
        boards = open_boards(chosen.ports, wait=FIND_SECONDS, baud=chosen.baud)
        stopping = Event()
        fleet = make_fleet(boards, chosen.flash_baud, stopping)
        app.include_router(mcu_routes(fleet))
        try:
            yield
        finally:
            stopping.set()
            fleet.close()

    app = FastAPI(title="EdgeFlow: boards", version=__version__, lifespan=lifespan)
    return _ByPeer(BodyLimit(app, settings.MAX_FRAME_BYTES))


class _ByPeer:
    """Applies the rules of loopback to clients on this machine, and of a wide bind to others."""

    def __init__(self, app: ASGIApp) -> None:
        self._near = Access(app, AccessRules("127.0.0.1", "boards"))
        self._rules = AccessRules("0.0.0.0", "boards")
        self._far = Access(app, self._rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" and self._rules.token and settings.TOKEN is None:
            log.warning("token_needed", clients="of other machines", token=self._rules.token)
        near = scope["type"] == "lifespan" or _is_of_this_machine(scope)
        await (self._near if near else self._far)(scope, receive, send)


def _is_of_this_machine(scope: Scope) -> bool:
    """Behind a proxy of this machine everybody seems to be; its headers tell."""
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return False
    return not any(name in _OF_PROXIES for name, _ in scope["headers"])
