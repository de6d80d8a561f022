"""The control socket of a running app, and the client that attaches to it.

Messages in both directions are JSON after a big-endian uint32 length. A request is
``{"call": name, "args": {...}}``; the answer ``{"result": ...}`` or ``{"error": {...}}``. After
``tap`` the server sends frames in their wire form, and empty messages while there are none.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.histogram import Histogram
from edgeflow.core.ports import FlowView, FrameSource
from edgeflow.core.status import FlowStatus, LogLine, PathLatency, TraceRecord
from edgeflow.errors import CommsError, ConfigError, EdgeFlowError, UnreachableError
from edgeflow.protocols.frames import decode, encode

__all__ = ["ControlServer", "RemoteFlow", "RemoteTap", "RunningApp", "attach", "running"]

MAX_REQUEST_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_CLIENTS = 32
SEND_SECONDS = 2.0
HEARTBEAT_SECONDS = 0.5
_LENGTH = struct.Struct("!I")

log = structlog.get_logger(__name__)


class RunningApp(msgspec.Struct):
    """An app that runs on this host."""

    name: str
    pid: int
    mode: str
    started: float


def _folder() -> Path:
    return settings.RUN_DIR / "control"


def _send(peer: socket.socket, *parts: Any) -> None:
    peer.sendall(_LENGTH.pack(sum(len(part) for part in parts)))
    for part in parts:
        if len(part):
            peer.sendall(part)


def _read(peer: socket.socket, limit: int) -> bytearray | None:
    """Return the next message, or None at the end of the stream."""
    header = _read_exactly(peer, _LENGTH.size)
    if header is None:
        return None
    length = _LENGTH.unpack(header)[0]
    if length > limit:
        raise CommsError(f"message of {length} bytes announced; the limit is {limit}")
    return _read_exactly(peer, length)


def _read_exactly(peer: socket.socket, count: int) -> bytearray | None:
    buffer = bytearray(count)
    view, done = memoryview(buffer), 0
    while done < count:
        got = peer.recv_into(view[done:])
        if not got:
            return None
        done += got
    return buffer


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
        self._path = _folder() / f"{name[:40]}-{os.getpid()}.sock"
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
            raw = _read(peer, MAX_REQUEST_BYTES)
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
            _send(peer, msgspec.json.encode(answer))

    def _answer(self, call: str, **arguments: Any) -> Any:
        view = self._view
        if call == "hello":
            status = view.status()
            return RunningApp(self._name, os.getpid(), status.mode, status.started)
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
            _send(peer, msgspec.json.encode({"result": "tapped"}))
            while not self._closing.is_set():
                frame = tap.receive(HEARTBEAT_SECONDS)
                _send(peer, *(encode(frame) if frame is not None else ()))
        finally:
            tap.close()


def _connect(path: Path, timeout: float) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(timeout)
    try:
        peer.connect(str(path))
    except OSError:
        peer.close()
        raise
    return peer


def _call(path: Path, call: str, timeout: float, **arguments: Any) -> Any:
    try:
        with _connect(path, timeout) as peer:
            _send(peer, msgspec.json.encode({"call": call, "args": arguments}))
            raw = _read(peer, MAX_ANSWER_BYTES)
    except OSError as error:
        raise UnreachableError(f"the app behind {path.name} does not answer: {error}") from error
    if raw is None:
        raise UnreachableError(f"the app behind {path.name} has hung up")
    return _result(msgspec.json.decode(raw))


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise ConfigError(answer["error"]["message"], hint=answer["error"]["hint"])
    return answer["result"]


def _find() -> list[tuple[Path, RunningApp]]:
    found = []
    for path in sorted(_folder().glob("*.sock")):
        try:
            found.append((path, msgspec.convert(_call(path, "hello", 1.0), RunningApp)))
        except UnreachableError as error:
            if isinstance(error.__cause__, ConnectionRefusedError):
                path.unlink(missing_ok=True)  # its process is dead
    return found


def running() -> list[RunningApp]:
    """Return the apps that run on this host under this user."""
    return [app for _, app in _find()]


def attach(app: str | None = None, timeout: float = 3.0) -> "RemoteFlow":
    """Attach to a running app.

    Args:
        app: its name; may be left out when one app runs.
        timeout: seconds to wait for each answer.

    Raises:
        UnreachableError: it does not run.
        ConfigError: several run and none was named.
    """
    found = [(path, info) for path, info in _find() if app is None or info.name == app]
    if not found:
        what = f"app {app!r}" if app else "an app"
        raise UnreachableError(f"cannot find {what} running here", hint="edgeflow run main.py")
    if len(found) > 1 and app is None:
        names = ", ".join(sorted(info.name for _, info in found))
        raise ConfigError(f"several apps run: {names}", hint="name one with --app")
    path, info = max(found, key=lambda pair: pair[1].started)
    return RemoteFlow(path, info, timeout)


class RemoteFlow:
    """A running app, seen through its control socket: a ``FlowView`` and a ``FrameSource``."""

    def __init__(self, path: Path, info: RunningApp, timeout: float = 3.0) -> None:
        self.info = info
        self._path = path
        self._timeout = timeout
        self._taps: list[RemoteTap] = []

    def __enter__(self) -> "RemoteFlow":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for tap in self._taps:
            tap.close()

    def _ask(self, call: str, **arguments: Any) -> Any:
        return _call(self._path, call, self._timeout, **arguments)

    def status(self) -> FlowStatus:
        """Return nodes and links as they are now."""
        return msgspec.convert(self._ask("status"), FlowStatus)

    def graph(self) -> dict[str, Any]:
        """Return the declared graph."""
        result: dict[str, Any] = self._ask("graph")
        return result

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        """Return log lines with a number above ``after``, oldest first."""
        raw = self._ask("logs", after=after, node=node, limit=limit)
        return msgspec.convert(raw, list[LogLine])

    def paths(self) -> list[PathLatency]:
        """Return the latency of each path."""
        return msgspec.convert(self._ask("paths"), list[PathLatency])

    def traces(self, limit: int = 256) -> list[TraceRecord]:
        """Return the latest finished traces."""
        return msgspec.convert(self._ask("traces", limit=limit), list[TraceRecord])

    def histograms(self) -> tuple[dict[str, Histogram], dict[tuple[str, str], Histogram]]:
        """Return the processing time per node and the transit time per link."""
        nodes, links = self._ask("histograms")
        return (
            {name: Histogram(counts, total) for name, counts, total in nodes},
            {(a, b): Histogram(counts, total) for a, b, counts, total in links},
        )

    def clock_offsets_ns(self) -> dict[str, int]:
        """Return what to add to the monotonic stamps of each host."""
        result: dict[str, int] = self._ask("clock_offsets_ns")
        return result

    def topics(self) -> list[str]:
        """Return the topics that can be tapped."""
        result: list[str] = self._ask("topics")
        return result

    def tap(self, topics: Sequence[str], *, latest: bool = True) -> "RemoteTap":
        """Listen on ``topics``.

        Raises:
            ConfigError: a topic does not exist.
        """
        try:
            peer = _connect(self._path, self._timeout)
        except OSError as error:
            raise UnreachableError(f"app {self.info.name!r} does not answer: {error}") from error
        try:
            arguments = {"topics": list(topics), "latest": latest}
            _send(peer, msgspec.json.encode({"call": "tap", "args": arguments}))
            raw = _read(peer, MAX_ANSWER_BYTES)
            if raw is None:
                raise UnreachableError(f"app {self.info.name!r} has hung up")
            _result(msgspec.json.decode(raw))
        except BaseException:
            peer.close()
            raise
        tap = RemoteTap(peer)
        self._taps.append(tap)
        return tap


class RemoteTap:
    """A listener on topics of a running app."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def receive(self, timeout: float) -> Frame | None:
        """Return the next frame, or None after ``timeout`` seconds.

        Raises:
            UnreachableError: the app has ended.
        """
        deadline = time.monotonic() + timeout
        while (remaining := deadline - time.monotonic()) > 0:
            self._peer.settimeout(remaining)
            try:
                if not self._peer.recv(1, socket.MSG_PEEK):
                    raise UnreachableError("the app has ended")
                self._peer.settimeout(SEND_SECONDS)
                message = _read(self._peer, settings.MAX_FRAME_BYTES)
            except TimeoutError:
                return None
            except OSError as error:
                raise UnreachableError(f"the app has ended: {error}") from error
            if message is None:
                raise UnreachableError("the app has ended")
            if message:
                return decode(message)
        return None

    def close(self) -> None:
        """Stop listening."""
        self._peer.close()
