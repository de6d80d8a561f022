"""Boards that are only software on show: a forecast of sea temperatures, on three of them.

::

    the sea, hour by hour ──> three virtual boards, one with int8 weights ──> dashboard, HTTP API
"""

import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgeflow.comms.listening import free_port, shown_host
from edgeflow.config import settings
from edgeflow.devices.boards.base import Board
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.devices.virtual.loop import BoardLoop
from edgeflow.errors import EdgeFlowError
from edgeflow.systems.mcu import McuOptions, McuServer, serve
from edgeflow.systems.sea import Sea, read_sea

__all__ = ["BoardsDemo", "prepare"]

BOARDS = {"north": "float32", "south": "float32", "east": "int8"}
"""Names, and weights of the models."""
HALF_HOUR_SECONDS = 0.25
"""How long half an hour of the series takes."""
APART = 300
"""Half-hours between what two boards are shown."""


def prepare() -> tuple[Path, Sea]:
    """Return a folder with files for people to send, and the series, which is pulled."""
    folder = settings.CACHE_DIR / "demo" / "boards"
    folder.mkdir(parents=True, exist_ok=True)
    sea = read_sea()
    (folder / "model_int8.efm").write_bytes(_model("int8"))
    out = io.BytesIO()
    np.save(out, np.stack([sea.sample(number) for number in range(4)]))
    (folder / "sea.npy").write_bytes(out.getvalue())
    return folder, sea


class BoardsDemo:
    """The demo with its port chosen; nothing runs yet.

    Args:
        folder, sea: what ``prepare`` returned.
        port: of the dashboard; ``settings.MCU_HTTP_PORT`` if not given. The next free one is
            taken when it is in use.

    Attributes:
        http_port: where the dashboard will be.
    """

    def __init__(self, folder: Path, sea: Sea, port: int | None = None) -> None:
        self.wanted_port = settings.MCU_HTTP_PORT if port is None else port
        self.http_port = free_port(settings.BIND_HOST, self.wanted_port)
        self._folder = folder
        self._sea = sea

    def run(self) -> int:
        """Run until Ctrl+C; return the exit code."""
        from edgeflow.observe.logs import configure_logging

        configure_logging()
        feeder = _Feeder(self._sea)
        with _virtual_boards() as ports:
            options = McuOptions(ports, host=settings.BIND_HOST, http_port=self.http_port)
            try:
                return serve(options, feeder.start)
            finally:
                feeder.stop()

    def welcome(self) -> list[str]:
        """Return what to tell the user once it runs."""
        root = f"http://{shown_host(settings.BIND_HOST)}:{self.http_port}"
        series = "Sea temperatures off Maine" if self._sea.real else "Made-up sea temperatures"
        lines = [
            f"{series} go to three virtual boards, which forecast the next eight hours.",
            "North and south have float32 weights, east has int8.",
            "",
            f"  Open    {root}/dashboard#/boards",
            f"  Ask     curl -F input_npy=@{self._folder / 'sea.npy'} {root}/v2/infer",
            f"  Swap    curl -F model_bin=@{self._folder / 'model_int8.efm'} {root}/v2/models/0",
            "          (or drop that file on a board of the page)",
            "  Stop    Ctrl+C",
            "  Next    edgeflow devices virtual              a board for other programs",
            "          edgeflow mcu serve --port /dev/ttyACM0",
        ]
        if self.wanted_port not in (0, self.http_port):
            lines.insert(
                2, f"Port {self.wanted_port} is in use; the dashboard is on {self.http_port}."
            )
        return lines


class _Feeder:
    """Shows every board the series, each another part of it."""

    def __init__(self, sea: Sea) -> None:
        self._sea = sea
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, server: McuServer) -> None:
        boards = server.fleet.boards
        self._thread = threading.Thread(
            target=self._main, args=(boards,), name="edgeflow-sea", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _main(self, boards: tuple[Board, ...]) -> None:
        number = 0
        while not self._over.wait(HALF_HOUR_SECONDS):
            for index, board in enumerate(boards):
                self._show(board, number + index * APART)
            number += 1

    def _show(self, board: Board, number: int) -> None:
        """Queue a sample; what becomes of it is on the dashboard."""
        sample = np.ascontiguousarray(self._sea.sample(number))
        try:
            board.submit(sample, timeout=2.0)
        except EdgeFlowError:
            return  # Unplugged, or another model was put on it: the page says so.


@contextmanager
def _virtual_boards() -> Iterator[tuple[str, ...]]:
    """Run the boards on one thread; yield their ports with names."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="boards-")))
        loop = BoardLoop()
        stack.callback(loop.close)
        loop.start()
        ports = []
        for number, (name, dtype) in enumerate(BOARDS.items()):
            board = VirtualBoard(model=_model(dtype), number=number, link=folder / name, loop=loop)
            ports.append(f"{name}={stack.enter_context(board).port}")
        yield tuple(ports)


def _model(dtype: str) -> bytes:
    folder = resources.files("edgeflow.systems") / "board_models"
    return (folder / f"model_{dtype}.efm").read_bytes()
