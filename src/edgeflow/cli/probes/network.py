"""Servers and ports, and the flows that run here."""

import socket
from collections.abc import Iterator

from edgeflow.cli.probes.finding import Finding, ok, warn
from edgeflow.config import settings
from edgeflow.errors import CommsError, ConfigError

__all__ = ["csi_nodes", "exposure", "flows", "ports", "redis"]

CSI_PORT = 5005


def redis() -> Iterator[Finding]:
    """Whether a Redis or Valkey answers; only flows on several hosts need one."""
    from edgeflow.comms.brokers import RedisBroker

    place = f"{settings.REDIS_HOST}:{settings.REDIS_PORT}"
    broker = RedisBroker()
    try:
        yield ok("redis", f"{broker.check()} at {place}")
    except CommsError:
        advice = "only --node and RedisBroker need one; set REDIS_HOST and REDIS_PORT"
        yield warn("redis", f"nothing answers at {place}", advice)
    except ConfigError as error:
        yield warn("redis", error.message, error.hint)
    finally:
        broker.close()


def ports() -> Iterator[Finding]:
    """Whether the default ports are free."""
    for purpose, port, variable in (
        ("dashboard", settings.GATEWAY_HTTP_PORT, "GATEWAY_HTTP_PORT"),
        ("gateway frames", settings.GATEWAY_TCP_PORT, "GATEWAY_TCP_PORT"),
    ):
        name = f"port {port}"
        if _is_free(port):
            yield ok(name, f"free ({purpose})")
        else:
            yield warn(name, f"in use ({purpose})", f"end its owner, or set {variable}")


def _is_free(port: int) -> bool:
    host = settings.BIND_HOST
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def csi_nodes() -> Iterator[Finding]:
    """Whether CSI nodes can be listened for; more about them with ``edgeflow doctor csi``."""
    name = "CSI nodes"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", CSI_PORT))
        except OSError:
            advice = "end its owner, or listen elsewhere with --port; see edgeflow doctor csi"
            yield warn(name, f"UDP port {CSI_PORT} is in use", advice)
            return
    yield ok(name, f"UDP port {CSI_PORT} is free; edgeflow doctor csi --node IP looks for a node")


def exposure() -> Iterator[Finding]:
    """Whether servers bound wider than loopback ask for a token."""
    host = settings.BIND_HOST
    if host in ("127.0.0.1", "::1", "localhost"):
        yield ok("exposure", f"servers bind {host}: this machine only")
    elif settings.TOKEN:
        yield ok("exposure", f"servers bind {host}, with a token")
    else:
        waived = " and EDGEFLOW_INSECURE is set" if settings.INSECURE else ""
        yield warn("exposure", f"servers bind {host} without a token{waived}",
                    "set EDGEFLOW_TOKEN to a long random text")  # fmt: skip


def flows() -> Iterator[Finding]:
    """Flows that run here."""
    from edgeflow.runtime.attach import running

    apps = [f"{app.name} (process {app.pid}, {app.mode})" for app in running()]
    yield ok("running flows", ", ".join(apps) or "none")
