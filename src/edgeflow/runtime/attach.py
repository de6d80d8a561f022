"""Attaching to an app that runs on this host."""

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.histogram import Histogram
from edgeflow.core.status import FlowStatus, LogLine, PathLatency, TraceRecord
from edgeflow.errors import ConfigError, UnreachableError
from edgeflow.protocols.frames import decode
from edgeflow.runtime.messages import RunningApp, control_folder, read_message, send_message

__all__ = ["RemoteFlow", "RemoteTap", "attach", "running"]

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MESSAGE_SECONDS = 2.0


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
            send_message(peer, msgspec.json.encode({"call": call, "args": arguments}))
            raw = read_message(peer, MAX_ANSWER_BYTES)
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
    for path in sorted(control_folder().glob("*.sock")):
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
        app: its name, or the name of one of its nodes (``app.node``) when they were started one
            by one; may be left out when one app runs.
        timeout: seconds to wait for each answer.

    Raises:
        UnreachableError: it does not run.
        ConfigError: several run and none was named.
    """
    found = [(path, info) for path, info in _find() if app in (None, info.name, info.app)]
    if not found:
        what = f"app {app!r}" if app else "an app"
        raise UnreachableError(f"cannot find {what} running here", hint="edgeflow run main.py")
    if len(found) > 1 and app is None and not _is_one_flow([info for _, info in found]):
        names = ", ".join(sorted(info.name for _, info in found))
        raise ConfigError(f"several apps run: {names}", hint="name one with --app")
    path, info = max(found, key=lambda pair: pair[1].started)
    return RemoteFlow(path, info, timeout)


def _is_one_flow(found: Sequence[RunningApp]) -> bool:
    """Tell whether these are nodes of one app, each of which knows the whole flow."""
    return all(info.mode == "node" and info.app == found[0].app for info in found)


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
            send_message(peer, msgspec.json.encode({"call": "tap", "args": arguments}))
            raw = read_message(peer, MAX_ANSWER_BYTES)
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
                self._peer.settimeout(MESSAGE_SECONDS)
                message = read_message(self._peer, settings.MAX_FRAME_BYTES)
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
