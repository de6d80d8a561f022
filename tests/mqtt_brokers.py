"""Real MQTT brokers for tests, on a loopback port and in a folder that they keep when killed."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from edgeflow.comms.mqtt.embedded import find_binary
from servers import _die_with_parent, free_port

__all__ = ["KINDS", "Broker", "Mosquitto", "Nats", "make"]

KINDS = ("nats", "mosquitto")
_MOSQUITTO = "apt-get install --yes mosquitto"


class Broker:
    """A broker that can be killed and started again on the same port and store.

    Args:
        folder: its configuration, log and store.
        password: of the user ``edge``, demanded from clients; None to let everybody in.
        tls: folder with ca.pem, server.pem and server.key; None for plain connections.
        max_payload: longest message.
        ack_wait: seconds after which nats-server delivers again what was not confirmed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password: str | None = None,
        tls: Path | None = None,
        client_certs: bool = False,
        max_payload: int = 8 << 20,
        ack_wait: int = 1,
    ) -> None:
        self.folder = folder
        self.password = password
        self.tls = tls
        self.client_certs = client_certs
        self.max_payload = max_payload
        self.ack_wait = ack_wait
        self.host = "127.0.0.1"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Address for clients, without credentials."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def command(self) -> list[str]:
        """Write the configuration and return the command line."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        command = self.command()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError((self.folder / "broker.log").read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """Kill it as a crash would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def fall(self) -> None:
        """Go down as hard as the broker can without losing what it has confirmed."""
        self.kill()

    def restart(self) -> None:
        """Go down and come back."""
        self.fall()
        self.start()

    stop = kill

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Nats(Broker):
    """nats-server, MQTT 3.1.1 only."""

    versions = ("3.1.1",)

    def command(self) -> list[str]:
        tls = ""
        if self.tls:
            tls = f', tls {{ cert_file: "{self.tls}/server.pem", key_file: "{self.tls}/server.key"'
            if self.client_certs:
                tls += f', ca_file: "{self.tls}/ca.pem", verify: true'
            tls += " }"
        config = self.folder / "nats.conf"
        text = (
            f'host: 127.0.0.1\nport: -1\nserver_name: "test"\nmax_payload: {self.max_payload}\n'
            f'jetstream {{ store_dir: "{self.folder}/store" }}\n'
            f'mqtt {{ host: 127.0.0.1, port: {self.port}, ack_wait: "{self.ack_wait}s" {tls}}}\n'
        )
        if self.password:
            text += f'authorization {{ user: edge, password: "{self.password}" }}\n'
        config.write_text(text)
        return [str(find_binary()), "-c", str(config)]


class Mosquitto(Broker):
    """Eclipse mosquitto, MQTT 3.1.1 and 5.

    Its store is a picture of its memory that it writes now and then, and when it is asked to end:
    a kill loses what it confirmed since.
    """

    versions = ("3.1.1", "5")

    def fall(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def command(self) -> list[str]:
        binary = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if binary is None:
            pytest.skip(f"mosquitto is not installed: {_MOSQUITTO}")
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if self.password else 'true'}",
            "persistence true",
            f"persistence_location {store}/",
            "max_queued_messages 100000",
            f"message_size_limit {self.max_payload}",
            "user root",
        ]
        if self.tls:
            lines += [f"certfile {self.tls}/server.pem", f"keyfile {self.tls}/server.key"]
            lines += [f"cafile {self.tls}/ca.pem"]
            lines += [f"require_certificate {'true' if self.client_certs else 'false'}"]
        if self.password:
            passwords = self.folder / "passwords"
            subprocess.run(
                ["mosquitto_passwd", "-c", "-b", str(passwords), "edge", self.password],
                check=True,
                capture_output=True,
            )
            lines.append(f"password_file {passwords}")
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        return [binary, "-c", str(config)]


def make(kind: str, folder: Path, **options: object) -> Broker:
    """Return a broker of a kind, not started."""
    return {"nats": Nats, "mosquitto": Mosquitto}[kind](folder, **options)  # type: ignore[arg-type]
