"""Which ports the servers take, and whose wish each is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from typing import NamedTuple, TypeAlias

from edgeflow.errors import ConfigError

__all__ = ["Port", "Wishes", "choose", "owned"]

Wishes: TypeAlias = tuple[int | None, int | None, int | None]
"""Of the command line, the environment and the file; None where they say nothing."""

DEFAULTS = {"tcp": 8008, "http": 8009, "grpc": 8010}
_SERVERS = {"tcp": "tensor TCP", "http": "OIP HTTP", "grpc": "OIP gRPC"}
_VARIABLES = {"tcp": "EIG_PORT", "http": "EIG_HTTP_PORT", "grpc": "EIG_GRPC_PORT"}
_KEYS = {"tcp": "server.port", "http": "server.http_port", "grpc": "server.grpc_port"}


class Port(NamedTuple):
    """A port, the server that takes it, and the setting it comes from."""

    number: int
    server: str
    origin: str
    option: str


def choose(wishes: Mapping[str, Wishes], file: str) -> tuple[Port, Port, Port]:
    """Return the ports of ``tcp``, ``http`` and ``grpc``: option, else environment, else file.

    Args:
        wishes: by server.
        file: whose wishes the last ones are.

    Raises:
        ConfigError: two servers want the same.
    """
    tcp, http, grpc = (_choose(kind, wishes[kind], file) for kind in DEFAULTS)
    for a, b in combinations((tcp, http, grpc), 2):
        if a.number and a.number == b.number:
            raise ConfigError(
                f"{a.server} ({a.origin}) and {b.server} ({b.origin}) both want port {a.number}",
                hint=f"choose another with {a.option} or {b.option}",
            )
    return tcp, http, grpc


def _choose(kind: str, wishes: Wishes, file: str) -> Port:
    option = f"--{kind}-port"
    origins = (option, _VARIABLES[kind], f"{file}: {_KEYS[kind]}")
    for number, origin in zip(wishes, origins, strict=True):
        if number is not None:
            return Port(number, _SERVERS[kind], origin, option)
    return Port(DEFAULTS[kind], _SERVERS[kind], "the default", option)


@contextmanager
def owned(port: Port) -> Iterator[None]:
    """Tell in an error which setting a port comes from."""
    try:
        yield
    except ConfigError as error:
        error.hint = f"the port is from {port.origin}; choose another with {port.option}"
        raise
