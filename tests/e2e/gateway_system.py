"""The gateway system as a user runs it: a broker, ``edgeflow serve`` and ``edgeflow up``."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from mqtt_brokers import Broker
from servers import _die_with_parent, free_port

__all__ = ["Command", "Listener", "Serve", "Up", "listening", "until"]


def until(condition: Callable[[], Any], seconds: float = 90.0, what: str = "") -> Any:
    """Return the first true value of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"did not come true in time: {what or condition}"
        time.sleep(0.02)
    return value


class Command:
    """A command of ours in a process; its stderr is kept line by line."""

    def __init__(self, *words: str, folder: Path, **environment: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("edgeflow")), *words],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    @property
    def text(self) -> str:
        """Everything it has said."""
        return "".join(self.lines)

    def says(self, pattern: str, seconds: float = 40.0) -> re.Match[str]:
        """Wait until it has said something that matches."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.text)
            assert match or self.process.poll() is None, f"it ended: {self.text}"
            return match

        try:
            match = until(found, seconds)
        except AssertionError as error:
            raise AssertionError(f"never said {pattern!r}: {self.text}") from error
        assert isinstance(match, re.Match)
        return match

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and the seconds that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()


class Serve(Command):
    """``edgeflow serve`` on a folder of models."""

    def __init__(self, models: Path, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.http_port = free_port()
        super().__init__(
            "serve", "--models", str(models), "--tcp-port", str(self.port),
            "--http-port", str(self.http_port), "--grpc-port", "0", folder=folder,
        )  # fmt: skip


class Up(Command):
    """``edgeflow up`` on a file; its dashboard and metrics ports are free ones."""

    def __init__(self, file: Path) -> None:
        self.http_port = free_port()
        found = re.search(r"^metrics_port: (\d+)$", file.read_text(), re.MULTILINE)
        self.metrics_port = int(found[1]) if found else 9108
        super().__init__("up", str(file), folder=file.parent, GATEWAY_HTTP_PORT=str(self.http_port))


class Listener:
    """A foreign MQTT client that keeps what comes, and publishes."""

    def __init__(self, broker: Broker, topic: str, *, client_id: str = "", qos: int = 1) -> None:
        self.got: list[tuple[str, bytes]] = []
        self._topic, self._qos = topic, qos
        self._subscribed = threading.Event()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not client_id
        )
        if broker.password is not None:
            self.client.username_pw_set("edge", broker.password)
        self.client.max_inflight_messages_set(100)
        self.client.reconnect_delay_set(0.1, 0.5)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _c, _u, message: self.got.append(
            (message.topic, message.payload)
        )
        self.client.connect(broker.host, broker.port, keepalive=30)
        self.client.loop_start()
        assert self._subscribed.wait(20)

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> paho.MQTTMessageInfo:
        """Hand a message to the client."""
        return self.client.publish(topic, payload, qos)

    def close(self) -> None:
        """Leave."""
        with contextlib.suppress(Exception):
            self.client.disconnect()
        self.client.loop_stop()


@contextlib.contextmanager
def listening(broker: Broker, topic: str, **options: Any) -> Iterator[Listener]:
    """Listen for the length of a block."""
    listener = Listener(broker, topic, **options)
    try:
        yield listener
    finally:
        listener.close()
