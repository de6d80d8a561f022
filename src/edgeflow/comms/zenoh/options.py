"""How a zenoh session is set up: by default on loopback, without multicast and shared memory."""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeflow.config import settings
from edgeflow.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import zenoh

__all__ = ["Options"]

RENDEZVOUS_PORT = 7447
LEASE_MS = 1500
KEEP_ALIVES_PER_LEASE = 3
RETRY = {"period_init_ms": 100, "period_max_ms": 1000, "period_increase_factor": 2}
PROTOCOLS = ("tcp", "tls", "quic", "ws", "unixsock-stream", "udp")


@dataclass(frozen=True)
class Options:
    """Arguments of ``ZenohBroker`` that concern the session; see there."""

    connect: Sequence[str] | None = None
    listen: Sequence[str] | None = None
    mode: str = "peer"
    multicast: bool = False
    config: Path | None = None

    def check(self) -> None:
        """Raise ``ConfigError`` for what can be seen to be wrong without a session."""
        if self.mode not in ("peer", "client"):
            raise ConfigError(f"mode={self.mode!r}", hint="'peer' or 'client'")
        for endpoint in (*(self.connect or ()), *(self.listen or ())):
            protocol, slash, address = endpoint.partition("/")
            if protocol not in PROTOCOLS or not slash or not address:
                raise ConfigError(
                    f"{endpoint!r} is no zenoh endpoint", hint="for example 'tcp/10.0.0.7:7447'"
                )

    def endpoints(self) -> tuple[list[str], list[str]]:
        """Return where to connect and where to listen.

        Without any, whoever comes first takes the rendezvous port of this host. When that one is
        gone, the next one to come takes it, and those that are there find it.
        """
        connect, listen = (
            _given(self.connect, settings.ZENOH_CONNECT),
            _given(self.listen, settings.ZENOH_LISTEN),
        )
        host = settings.BIND_HOST
        host = f"[{host}]" if ":" in host else host
        if self.mode == "client":
            listen = []
        elif listen is None:
            listen = [f"tcp/{host}:0"]
            if connect is None and _is_free(settings.BIND_HOST, RENDEZVOUS_PORT):
                listen.append(f"tcp/{host}:{RENDEZVOUS_PORT}")
        if connect is None:
            connect = [f"tcp/127.0.0.1:{RENDEZVOUS_PORT}"]
        return connect, listen

    def build(self) -> "zenoh.Config":
        """Return zenoh's own configuration.

        Raises:
            MissingExtraError: zenoh is not installed.
            ConfigError: zenoh refuses it.
        """
        try:
            import zenoh
        except ImportError:
            raise MissingExtraError("zenoh", "zenoh") from None
        connect, listen = self.endpoints()
        explicit = bool(self.listen or settings.ZENOH_LISTEN)
        values: dict[str, Any] = {
            "mode": self.mode,
            "connect": {
                "endpoints": connect, "timeout_ms": -1, "exit_on_failure": False, "retry": RETRY,
            },
            "listen": {
                "endpoints": listen, "timeout_ms": 0, "exit_on_failure": explicit,
            },
            "scouting/multicast/enabled": self.multicast,
            "scouting/gossip/enabled": True,
            "transport/link/tx/lease": LEASE_MS,
            "transport/link/tx/keep_alive": KEEP_ALIVES_PER_LEASE,
            "transport/unicast/open_timeout": 1000,
            "transport/unicast/accept_timeout": 1000,
            "open/return_conditions": {"connect_scouted": False, "declares": False},
        }  # fmt: skip
        if self.config is None:  # segments would outlive a killed process
            values["transport/shared_memory/enabled"] = False
        try:
            config = zenoh.Config() if self.config is None else zenoh.Config.from_file(self.config)
            for name, value in values.items():
                config.insert_json5(name, json.dumps(value))
        except (zenoh.ZError, OSError, ValueError) as error:
            raise ConfigError(f"zenoh does not accept its configuration: {error}") from error
        return config


def _is_free(host: str, port: int) -> bool:
    """Return whether nobody listens there: zenoh's own second try would outlive its close."""
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError:
        return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _given(argument: Sequence[str] | None, setting: list[str] | None) -> list[str] | None:
    return setting if argument is None else list(argument)
