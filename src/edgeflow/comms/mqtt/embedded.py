"""``mqtt://embedded``: a real broker, nats-server, run and ended by this process.

One per process, shared by all who ask. It listens on loopback, is started again when it crashes,
and ends when its last user leaves or this process dies, however it dies.
"""

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from edgeflow.comms.mqtt.broker_settings import BrokerSettings
from edgeflow.comms.mqtt.nats import NatsBroker, find_binary
from edgeflow.errors import ConfigError

__all__ = ["BrokerSettings", "Lease", "NatsBroker", "acquire", "find_binary", "kept"]

_log: Any = structlog.get_logger("edgeflow.mqtt")


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
