"""``settings``: typed configuration from the environment, read when it is asked for.

Every field is looked up at access time, so tests and ``monkeypatch.setenv`` just work and
nothing is frozen at import.
"""

import os
import socket
import tempfile
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["Settings", "settings"]

_TRUE = {"1", "true", "yes", "on"}


def _text(name: str, default: str) -> str:
    return os.environ.get(name) or default


def _integer(name: str, default: int, low: int, high: int) -> int:
    raw = os.environ.get(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ConfigError(
            f"environment variable {name}={raw!r} is not an integer from {low} to {high}",
            hint=f"unset it for the default, {default}",
        )
    return value


def _words(name: str) -> list[str] | None:
    """Return what commas or blanks separate; None when there is nothing."""
    return os.environ.get(name, "").replace(",", " ").split() or None


def _port(name: str, default: int) -> int:
    return _integer(name, default, 0, 65535)


class Settings:
    """Environment-backed settings. Names follow the variables that ``edgeflow deploy`` injects."""

    @property
    def REDIS_HOST(self) -> str:
        """Host of the control Redis or Valkey."""
        return _text("REDIS_HOST", "localhost")

    @property
    def REDIS_PORT(self) -> int:
        """Port of the control Redis or Valkey."""
        return _port("REDIS_PORT", 6379)

    @property
    def DATA_REDIS_HOST(self) -> str:
        """Host of the payload server in dual mode."""
        return _text("DATA_REDIS_HOST", self.REDIS_HOST)

    @property
    def DATA_REDIS_PORT(self) -> int:
        """Port of the payload server in dual mode."""
        return _port("DATA_REDIS_PORT", 6380)

    @property
    def REDIS_PASSWORD(self) -> str | None:
        """Password for both servers, or None."""
        return os.environ.get("REDIS_PASSWORD") or None

    @property
    def ZENOH_CONNECT(self) -> list[str] | None:
        """Endpoints that zenoh connects to (``EDGEFLOW_ZENOH_CONNECT``), or None."""
        return _words("EDGEFLOW_ZENOH_CONNECT")

    @property
    def ZENOH_LISTEN(self) -> list[str] | None:
        """Endpoints that zenoh listens at (``EDGEFLOW_ZENOH_LISTEN``), or None."""
        return _words("EDGEFLOW_ZENOH_LISTEN")

    @property
    def ZENOH_SPOOL(self) -> Path | None:
        """Folder where durable frames are kept (``EDGEFLOW_ZENOH_SPOOL``), or None."""
        folder = os.environ.get("EDGEFLOW_ZENOH_SPOOL")
        return Path(folder) if folder else None

    @property
    def GATEWAY_HOST(self) -> str:
        """Host where the gateway node accepts frames."""
        return _text("GATEWAY_HOST", "localhost")

    @property
    def GATEWAY_TCP_PORT(self) -> int:
        """Port where the gateway node accepts frames."""
        return _port("GATEWAY_TCP_PORT", 8080)

    @property
    def GATEWAY_HTTP_PORT(self) -> int:
        """Port of the dashboard and REST API."""
        return _port("GATEWAY_HTTP_PORT", 8000)

    @property
    def EIG_PORT(self) -> int | None:
        """Port of the tensor protocol; ``edgeflow serve`` takes it unless it has an option."""
        return _port("EIG_PORT", 8008) if os.environ.get("EIG_PORT") else None

    @property
    def EIG_HTTP_PORT(self) -> int | None:
        """Port of the Open Inference Protocol over HTTP, likewise."""
        return _port("EIG_HTTP_PORT", 8009) if os.environ.get("EIG_HTTP_PORT") else None

    @property
    def EIG_GRPC_PORT(self) -> int | None:
        """Port of the Open Inference Protocol over gRPC, likewise."""
        return _port("EIG_GRPC_PORT", 8010) if os.environ.get("EIG_GRPC_PORT") else None

    @property
    def SERIAL_PORT(self) -> str:
        """Port of the microcontroller board; several are separated by commas."""
        return _text("SERIAL_PORT", "/dev/ttyACM0")

    @property
    def UART_BAUD(self) -> int:
        """Rate at which boards start to talk."""
        return _integer("UART_BAUD", 115200, 300, 5_000_000)

    @property
    def IDF_BAUD(self) -> int:
        """Rate at which boards are flashed."""
        return _integer("IDF_BAUD", 921600, 300, 5_000_000)

    @property
    def MCU_HTTP_PORT(self) -> int:
        """Port of the boards' HTTP API (``PORT``)."""
        return _port("PORT", 8080)

    @property
    def BIND_HOST(self) -> str:
        """Address that servers bind (``EDGEFLOW_BIND``); loopback unless told otherwise."""
        return _text("EDGEFLOW_BIND", "127.0.0.1")

    @property
    def ADVERTISE_HOST(self) -> str | None:
        """Host by which others reach what is bound to all addresses (``EDGEFLOW_ADVERTISE``)."""
        return os.environ.get("EDGEFLOW_ADVERTISE") or None

    @property
    def TOKEN(self) -> str | None:
        """Token that HTTP clients must present when bound wider than loopback."""
        return os.environ.get("EDGEFLOW_TOKEN") or None

    @property
    def INSECURE(self) -> bool:
        """True when ``EDGEFLOW_INSECURE=1`` waives the token, aloud."""
        return os.environ.get("EDGEFLOW_INSECURE", "").lower() in _TRUE

    @property
    def HOSTNAME(self) -> str:
        """Name of this host."""
        return _text("HOSTNAME", socket.gethostname())

    @property
    def NODE_NAME(self) -> str | None:
        """Node this process runs when ``--node`` is not given (set by deployments)."""
        return os.environ.get("NODE_NAME") or None

    @property
    def PROBE_PORT(self) -> int | None:
        """Port of ``/healthz``, ``/readyz`` and ``/metrics`` (``EDGEFLOW_PROBE_PORT``), or None."""
        wanted = _integer("EDGEFLOW_PROBE_PORT", -1, -1, 65535)
        return None if wanted < 0 else wanted

    @property
    def STORE(self) -> str | None:
        """URL of the tables (``EDGEFLOW_STORE``) that keep devices and history, or None."""
        return os.environ.get("EDGEFLOW_STORE") or None

    @property
    def ALERT_CALM(self) -> int:
        """Seconds (``EDGEFLOW_ALERT_CALM``) that a device must be well before its alert ends."""
        return _integer("EDGEFLOW_ALERT_CALM", 30, 0, 86_400)

    @property
    def ALERT_INTERVAL(self) -> int:
        """Seconds (``EDGEFLOW_ALERT_INTERVAL``) between two alerts about the same, at least."""
        return _integer("EDGEFLOW_ALERT_INTERVAL", 300, 0, 86_400)

    @property
    def MAX_FRAME_BYTES(self) -> int:
        """Largest frame accepted from a socket or broker, in bytes."""
        return _integer("EDGEFLOW_MAX_FRAME_BYTES", 256 * 1024 * 1024, 1024, 2**32 - 1)

    @property
    def RUN_DIR(self) -> Path:
        """Folder for the sockets of running apps, private to the user."""
        base = os.environ.get("EDGEFLOW_RUN_DIR") or os.environ.get("XDG_RUNTIME_DIR")
        root = Path(base) if base else Path(tempfile.gettempdir()) / f"edgeflow-{os.getuid()}"
        return root if os.environ.get("EDGEFLOW_RUN_DIR") else root / "edgeflow"

    @property
    def CACHE_DIR(self) -> Path:
        """Folder for pulled assets."""
        base = os.environ.get("EDGEFLOW_CACHE_DIR")
        if base:
            return Path(base)
        return Path(_text("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "edgeflow"


settings = Settings()
