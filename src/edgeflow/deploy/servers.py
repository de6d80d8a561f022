"""The servers a flow's broker needs beside its nodes."""

from edgeflow.comms.redis.connection import Address
from edgeflow.deploy.flows import DATA_HOST, REDIS_HOST, Flow
from edgeflow.deploy.workloads import (
    DATA_PORT,
    REDIS_IMAGE,
    REDIS_PORT,
    Kind,
    Port,
    Probe,
    Probes,
    Resources,
    SecretKey,
    Volume,
    Workload,
)
from edgeflow.errors import ConfigError
from edgeflow.security.access import is_loopback

__all__ = ["INFRASTRUCTURE", "PASSWORD", "finds_peers", "redis_port", "servers_of"]

PASSWORD = "REDIS_PASSWORD"  # noqa: S105 - the name of a variable
INFRASTRUCTURE = {"edgeflow.io/role": "infra"}
PORT = "redis"
"""Name of the port of each server."""

_SCRIPT = """\
exec valkey-server --port {port} --dir /data --appendonly yes --appendfsync everysec \
--maxmemory {memory}mb --maxmemory-policy {policy} - <<END
requirepass "$REDIS_PASSWORD"
END
"""
_ASK = 'REDISCLI_AUTH="$REDIS_PASSWORD" valkey-cli -p {port} ping | grep -q PONG'


def servers_of(flow: Flow) -> tuple[tuple[Workload, ...], bool]:
    """Return the servers to run for a flow, and whether it also uses one elsewhere.

    Raises:
        ConfigError: its broker carries nothing from one host to another.
    """
    from edgeflow.comms.brokers.dual_redis import DualRedisBroker
    from edgeflow.comms.brokers.memory import MemoryBroker
    from edgeflow.comms.brokers.redis import RedisBroker
    from edgeflow.comms.brokers.shm import ShmBroker

    if flow.declaration is not None:
        return (), False
    broker = flow.broker
    if broker is None or isinstance(broker, MemoryBroker | ShmBroker):
        raise ConfigError(
            f"{flow.file.name}: app {flow.graph.name!r} has no broker that reaches other hosts",
            hint='EdgeApp("name", broker=RedisBroker()) gets its server with the deployment',
        )
    if not isinstance(broker, RedisBroker):
        return (), not finds_peers(flow)
    wanted = {REDIS_HOST: broker.server.address}
    if isinstance(broker, DualRedisBroker):
        wanted[DATA_HOST] = broker.data.address
    own = [name for name, address in wanted.items() if _is_ours(flow, name, address)]
    return tuple(_server(name) for name in own), len(own) < len(wanted)


def finds_peers(flow: Flow) -> bool:
    """Return whether its nodes talk to each other without a server, and are told where they are."""
    if flow.broker is None or flow.broker.via != "zenoh":
        return False
    from edgeflow.comms.brokers.zenoh import ZenohBroker

    return isinstance(flow.broker, ZenohBroker) and not flow.broker.is_fixed


def _is_ours(flow: Flow, name: str, address: Address) -> bool:
    """Return whether the address comes from the environment, so that a server is to be run."""
    if (address.host, address.port) == (name, redis_port(name)) and not address.path:
        return True
    if address.path or is_loopback(address.host):
        variable = "REDIS_HOST" if name == REDIS_HOST else "DATA_REDIS_HOST"
        raise ConfigError(
            f"{flow.file.name}: the broker's server {address} is on this machine only",
            hint=f"leave the address out: {variable} is set in each pod; or name a server that "
            "all pods reach",
        )
    return False


def redis_port(name: str) -> int:
    """Return the port of one of the servers."""
    return DATA_PORT if name == DATA_HOST else REDIS_PORT


def _server(name: str) -> Workload:
    """Return a server that keeps what it was given over a restart.

    Where memory ends, frames that nobody must acknowledge go first from the payload server; the
    other one refuses instead of forgetting.
    """
    is_data = name == DATA_HOST
    port, memory = redis_port(name), 1024 if is_data else 512
    script = _SCRIPT.format(
        port=port,
        memory=memory * 3 // 4,
        policy="volatile-ttl" if is_data else "noeviction",
    )
    return Workload(
        name=name,
        title=name,
        kind=Kind.REDIS,
        image=REDIS_IMAGE,
        command=("sh", "-c", script),
        environment={PASSWORD: SecretKey(PASSWORD)},
        ports=(Port(PORT, port, service=True),),
        selector=INFRASTRUCTURE,
        resources=Resources(cpu=250, memory=memory, memory_limit=memory * 2),
        probes=Probes(
            live=Probe(port=PORT),
            ready=Probe(command=("sh", "-c", _ASK.format(port=port))),
        ),
        volumes=(Volume("data", "/data", 4096 if is_data else 2048, persistent=True),),
        single=True,
    )
