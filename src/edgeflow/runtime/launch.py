"""From a command line to a running flow: picks the runtime, handles signals, sums up."""

import argparse
import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Protocol

import structlog

from edgeflow.comms.brokers.base import Broker
from edgeflow.config import settings
from edgeflow.core.checks import check
from edgeflow.core.graph import Graph, Role
from edgeflow.core.ports import FlowView, FrameSource
from edgeflow.core.status import FlowStatus
from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.observe.logs import configure_logging
from edgeflow.runtime.child import CHILD_VARIABLE, run_child
from edgeflow.runtime.control import ControlServer
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.signals import stopping_on_signals
from edgeflow.runtime.summary import summary

__all__ = ["Runtime", "drive", "launch", "threads"]

log = structlog.get_logger(__name__)

_OPTIONS = ("--node", "--processes", "--replicas")
_HELP = """\
Options of every EdgeFlow app:
  --processes    Give every node a process of its own.
  --node NAME    Run this node here; the rest runs elsewhere.
  --replicas N   Instances of every consumer and sink that declares none.
  -h, --help     Show this.
"""


class Runtime(Protocol):
    """What can be driven."""

    stop_requested: threading.Event

    @property
    def view(self) -> FlowView:
        """The running flow."""
        ...

    @property
    def frames(self) -> FrameSource:
        """Its frames."""
        ...

    def start(self) -> None:
        """Start and return."""
        ...

    def wait(self) -> None:
        """Return when the flow is over, or ``stop_requested`` is set."""
        ...

    def stop(self) -> bool:
        """End everything within 3 s; return whether it ended."""
        ...

    def status(self) -> FlowStatus:
        """Return nodes and links as they are."""
        ...

    @property
    def failed(self) -> list[str]:
        """Names of the nodes that were given up."""
        ...

    def readiness(self) -> list[str]:
        """Return what keeps the nodes of this process from working."""
        ...


def launch(graph: Graph, broker: Broker | None, argv: list[str]) -> int:
    """Run ``graph`` as the command line says.

    Returns:
        0, 1 when a node failed, 130 after Ctrl+C.

    Raises:
        GraphError: the graph has problems.
        ConfigError: a setting or option is wrong.
    """
    configure_logging()
    atexit.register(gc.freeze)  # the last collection is a second's work for what ends anyway
    check(graph)
    options, rest = _parse(argv)
    if options.help:
        sys.stdout.write(_HELP)
        return 0
    graph = _with_replicas(graph, options.replicas)
    order = os.environ.get(CHILD_VARIABLE)
    if order:
        _require(graph, options.node)
        return run_child(graph, broker, options.node, order)
    _warn_of_typos(rest)
    if options.processes:
        from edgeflow.runtime.processes import ProcessRuntime

        own = [f"--replicas={options.replicas}"] if options.replicas else []
        return drive(ProcessRuntime(graph, [*rest, *own]), graph.name)
    node = options.node or settings.NODE_NAME
    if node:
        _require(graph, node)
        return drive(_one_node(graph, broker, node), f"{graph.name}.{node}")
    return drive(threads(graph, broker), graph.name)


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--node", metavar="NAME")
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--replicas", metavar="N", type=int)
    try:
        options, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise ConfigError(f"{error.argument_name}: {error.message}") from None
    if options.node and options.processes:
        raise ConfigError("--node and --processes exclude each other")
    if options.replicas is not None and options.replicas < 1:
        raise ConfigError(f"--replicas {options.replicas} is not 1 or more")
    return options, rest


def _warn_of_typos(words: Sequence[str]) -> None:
    """Words that are not ours are the app's, but some look as if they were meant to be ours."""
    for word in words:
        close = get_close_matches(word.partition("=")[0], _OPTIONS, n=1, cutoff=0.75)
        if word.startswith("--") and close:
            log.warning("option_not_known", option=word, hint=f"did you mean {close[0]!r}?")


def _with_replicas(graph: Graph, replicas: int | None) -> Graph:
    if replicas is None:
        return graph
    nodes = tuple(
        replace(node, replicas=replicas)
        if node.role in (Role.CONSUMER, Role.SINK) and node.replicas == 1
        else node
        for node in graph.nodes
    )
    return Graph(graph.name, nodes, graph.links)


def _require(graph: Graph, node: str) -> None:
    if graph.node(node) is None:
        raise ConfigError(
            f"app {graph.name!r} has no node {node!r}", hint=did_you_mean(node, graph.names)
        )


def threads(graph: Graph, broker: Broker | None) -> LocalRuntime:
    """Return the runtime that has every node as a thread of this process."""
    from edgeflow.comms.brokers.memory import MemoryBroker

    brokers: dict[str, Broker] = {"memory": MemoryBroker()}
    if broker is not None:
        broker.open(graph.name)
        brokers["broker"] = broker
    return LocalRuntime(graph, Planes(graph, brokers, "memory"), mode="threads")


def _one_node(graph: Graph, broker: Broker | None, node: str) -> LocalRuntime:
    """Return the runtime that has one node here and finds the others through the broker."""
    from edgeflow.comms.tcp import TcpBroker

    if broker is None:
        raise ConfigError(
            "--node needs a broker that other processes can reach",
            hint='for example EdgeApp("name", broker=RedisBroker()); on one host: --processes',
        )
    broker.open(graph.name)
    board = broker.board()
    gateways = [spec.name for spec in graph.nodes if spec.role is Role.GATEWAY]
    tcp = TcpBroker(board=board, gateways=gateways)
    tcp.open(graph.name)
    planes = Planes(graph, {"broker": broker, "tcp": tcp}, "broker", to_gateway="tcp")
    return LocalRuntime(
        graph,
        planes,
        mode="node",
        only=node,
        replica=None,
        board=board,
        drain=not broker.remembers,
    )


def drive(runtime: Runtime, name: str) -> int:
    """Run to the end, with signals, the control socket (as ``name``) and the summary.

    Returns:
        0, 1 when a node failed, 130 after Ctrl+C.
    """
    with (
        stopping_on_signals(runtime.stop_requested) as caught,
        ControlServer(name, runtime.view, runtime.frames),
        _probes(runtime),
    ):
        runtime.start()
        runtime.wait()
        runtime.stop()
    sys.stderr.write(summary(runtime.status()) + "\n")
    if runtime.failed:
        return 1
    return 130 if caught and caught[0] == signal.SIGINT else 0


@contextlib.contextmanager
def _probes(runtime: Runtime) -> Iterator[None]:
    """Answer probes on ``EDGEFLOW_PROBE_PORT``, where that is set."""
    port = settings.PROBE_PORT
    if port is None:
        yield
        return
    from edgeflow.comms.probes import ProbeServer
    from edgeflow.observe.metrics import render

    probes = ProbeServer(
        port,
        health=lambda: [f"node {name} has failed" for name in runtime.failed],
        readiness=runtime.readiness,
        metrics=lambda: render(runtime.view),
        setting="EDGEFLOW_PROBE_PORT",
    )
    probes.open()
    try:
        yield
    finally:
        probes.close()
