"""Reads the flow that is to be deployed, under the environment it will get there."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.core.checks import check
from edgeflow.core.graph import Graph
from edgeflow.deploy.workloads import DATA_PORT, REDIS_PORT
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.comms.brokers.base import Broker
    from edgeflow.pipelines.declaration import Declaration

__all__ = ["DATA_HOST", "REDIS_HOST", "Flow", "read"]

REDIS_HOST, DATA_HOST = "redis", "redis-data"
"""Host names of the servers, and names of their workloads."""

_SUFFIXES = frozenset({".yaml", ".yml"})
_ENVIRONMENT = {
    "REDIS_HOST": REDIS_HOST,
    "REDIS_PORT": str(REDIS_PORT),
    "DATA_REDIS_HOST": DATA_HOST,
    "DATA_REDIS_PORT": str(DATA_PORT),
    "EDGEFLOW_BIND": "0.0.0.0",
    "EDGEFLOW_TOKEN": "made-at-the-deployment",
}
_ITS_OWN = (
    "GATEWAY_HTTP_PORT",
    "HOME",
    "HOSTNAME",
    "NODE_NAME",
    "PATH",
    "PWD",
    "TMPDIR",
    "USER",
)
"""Variables that every container has values of its own for."""


@dataclass(frozen=True)
class Flow:
    """A flow as its file declares it.

    Attributes:
        file: the file, absolute.
        graph: its nodes and links, checked.
        broker: what carries its frames; None for pipelines.
        declaration: what a YAML file says; None for a Python file.
        variables: variables of this machine's environment that a YAML file takes values from.
    """

    file: Path
    graph: Graph
    broker: "Broker | None" = None
    declaration: "Declaration | None" = None
    variables: tuple[str, ...] = ()


def read(file: Path) -> Flow:
    """Return the flow of a Python or YAML file; ``app.run()`` is held back.

    Servers at addresses that the code takes from the environment are those of the deployment, so
    the flow's broker tells which addresses are fixed.

    Raises:
        ConfigError: no such file, it declares no app, or something in it is wrong.
        GraphError: its graph has problems.
    """
    if not file.is_file():
        raise ConfigError(f"{file}: no such file", hint="give a main.py or a pipelines.yaml")
    if file.suffix in _SUFFIXES:
        return _read_yaml(file)
    from edgeflow.app import capture

    with _environment(_ENVIRONMENT):
        app = capture(file)
    graph = app.graph()
    check(graph)
    return Flow(file.absolute(), graph, broker=app.broker)


def _read_yaml(file: Path) -> Flow:
    from edgeflow.pipelines.compile import compile_flow
    from edgeflow.pipelines.loading.loader import load

    variables = _Variables({**os.environ, **_ENVIRONMENT})
    with _environment(_ENVIRONMENT):
        declaration = load(file, variables)
        graph = compile_flow(declaration).graph
    declaration.plugins.close()
    check(graph)
    asked = tuple(sorted(variables.asked - {*_ENVIRONMENT, *_ITS_OWN}))
    return Flow(file.absolute(), graph, declaration=declaration, variables=asked)


class _Variables(dict[str, str]):
    """An environment that notes which of its variables are asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return a variable, and note that it was found."""
        value = super().get(name)
        if value is None:
            return default
        self.asked.add(name)
        return value

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name)
        self.asked.add(name)
        return value


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Put ``values`` into the environment for the length of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
