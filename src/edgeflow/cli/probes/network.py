"""Servers and ports, and the flows that run here."""

import socket
from collections.abc import Iterator

from edgeflow.cli.probes.finding import Finding, ok, warn
from edgeflow.config import settings

__all__ = ["exposure", "flows", "ports", "redis"]

REDIS_SECONDS = 0.5


def redis() -> Iterator[Finding]:
    """Whether a Redis or Valkey answers; only flows on several hosts need one."""
    import redis as client
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    place = f"{settings.REDIS_HOST}:{settings.REDIS_PORT}"
    try:
        with client.Redis(
            host=settings.REDIS_HOST,
            port=settings.REDIS_PORT,
            password=settings.REDIS_PASSWORD,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as server:
            about = server.info("server")
    except client.AuthenticationError:
        yield warn("redis", f"{place} wants a password", "set REDIS_PASSWORD")
    except (client.RedisError, OSError):
        advice = "only --node and RedisBroker need one; set REDIS_HOST and REDIS_PORT"
        yield warn("redis", f"nothing answers at {place}", advice)
    else:
        kind = "valkey" if "valkey_version" in about else "redis"
        yield ok("redis", f"{kind} {about.get(f'{kind}_version', '?')} at {place}")


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
