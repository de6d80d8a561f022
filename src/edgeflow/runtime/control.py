"""The control socket of a running app: answers the user's other processes."""

import contextlib
import os
import socket
import threading
from typing import Any

import msgspec
import structlog

from edgeflow.core.ports import FlowView, FrameSource
from edgeflow.errors import CommsError, ConfigError, EdgeFlowError
from edgeflow.protocols.frames import encode
from edgeflow.runtime.messages import RunningApp, control_folder, read_message, send_message

__all__ = ["ControlServer"]

MAX_REQUEST_BYTES = 64 * 1024
MAX_CLIENTS = 32
SEND_SECONDS = 2.0
HEARTBEAT_SECONDS = 0.5

log = structlog.get_logger(__name__)


class ControlServer:
    """Serves one run to the user's own processes. Use as a context manager.

    Args:
        name: name of the app.
        view: answers the questions.
        frames: gives the frames of taps.
    """

    def __init__(self, name: str, view: FlowView, frames: FrameSource) -> None:
        self._name = name
        self._view = view
        self._frames = frames
        self._path = control_folder() / f"{name[:40]}-{os.getpid()}.sock"
        self._closing = threading.Event()
        self._clients: list[threading.Thread] = []
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept, name="edgeflow-control", daemon=True)

    def __enter__(self) -> "ControlServer":
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.bind(str(self._path))
            self._socket.listen(8)
            self._socket.settimeout(0.25)
        except OSError as error:
            log.warning("control_unavailable", path=str(self._path), error=str(error))
            return self
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=1.0)
        for client in self._clients:
            client.join(timeout=1.0)
        if self._socket is not None:
            self._socket.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        assert self._socket is not None  # noqa: S101 - the thread starts after it is made
        while not self._closing.is_set():
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._clients = [client for client in self._clients if client.is_alive()]
            if len(self._clients) >= MAX_CLIENTS:
                peer.close()
                continue
            client = threading.Thread(
                target=self._serve, args=(peer,), name="edgeflow-control-client", daemon=True
            )
            self._clients.append(client)
            client.start()

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(SEND_SECONDS)
        with peer, contextlib.suppress(OSError, CommsError, msgspec.MsgspecError):
            raw = read_message(peer, MAX_REQUEST_BYTES)
            if raw is None:
                return
            request = msgspec.json.decode(raw, type=dict[str, Any])
            call, arguments = request.get("call"), request.get("args") or {}
            try:
                if call == "tap":
                    self._stream(peer, **arguments)
                    return
                answer = {"result": self._answer(str(call), **arguments)}
            except EdgeFlowError as error:
                answer = {"error": {"message": error.message, "hint": error.hint}}
            except TypeError as error:
                answer = {"error": {"message": f"bad arguments: {error}", "hint": ""}}
            send_message(peer, msgspec.json.encode(answer))

    def _answer(self, call: str, **arguments: Any) -> Any:
        view = self._view
        if call == "hello":
            status = view.status()
            return RunningApp(self._name, os.getpid(), status.mode, status.started, app=status.app)
        if call == "histograms":
            nodes, links = view.histograms()
            return [
                [[name, h.counts, h.total_ns] for name, h in nodes.items()],
                [[*pair, h.counts, h.total_ns] for pair, h in links.items()],
            ]
        if call == "topics":
            return self._frames.topics()
        if call in ("status", "graph", "logs", "paths", "traces", "clock_offsets_ns"):
            return getattr(view, call)(**arguments)
        raise ConfigError(f"unknown call {call!r}")

    def _stream(self, peer: socket.socket, topics: list[str], latest: bool = True) -> None:
        tap = self._frames.tap([str(topic) for topic in topics], latest=latest)
        try:
            send_message(peer, msgspec.json.encode({"result": "tapped"}))
            while not self._closing.is_set():
                frame = tap.receive(HEARTBEAT_SECONDS)
                send_message(peer, *(encode(frame) if frame is not None else ()))
        finally:
            tap.close()
