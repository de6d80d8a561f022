"""Runs nodes as threads of this process: all of a graph, or one of it."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby

import structlog

from edgeflow.comms.brokers.base import StatusBoard
from edgeflow.config import settings
from edgeflow.core.graph import Graph, NodeSpec, Role
from edgeflow.core.ports import FrameSource
from edgeflow.core.status import FlowStatus
from edgeflow.errors import CommsError
from edgeflow.nodes.gateway.interfaces.base import GatewayContext
from edgeflow.runtime.clocks import HostClocks
from edgeflow.runtime.monitor import FlowMonitor
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.reports import NodeReport, decode_report, encode_report
from edgeflow.runtime.runner import ENDED, WORKING, NodeRunner
from edgeflow.runtime.taps import BrokerTaps

__all__ = ["LocalRuntime"]

DRAIN_SECONDS = 2.0
POST_SECONDS = 0.5
CONFIGURE_SECONDS = 120.0
GATE_POLL_SECONDS = 0.02

log = structlog.get_logger(__name__)


class LocalRuntime:
    """Nodes in threads.

    Args:
        graph: the whole flow, checked.
        planes: how links travel.
        mode: shown in the status.
        only: name of the one node to run here, or None for all.
        replica: number of the instance of ``only``; None to claim one through the broker.
        board: where reports are shared with other processes; None when all nodes are here.
        drain: process what is still in the links at the end (pointless where they remember it).
        others_ready: asked until it is true, before a producer that runs alone here begins.

    Attributes:
        view: the flow as it is seen from here.
        frames: access to the frames of every topic.
    """

    def __init__(
        self,
        graph: Graph,
        planes: Planes,
        *,
        mode: str,
        only: str | None = None,
        replica: int | None = 0,
        board: StatusBoard | None = None,
        drain: bool = True,
        others_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.graph = graph
        self._planes = planes
        self._board = board
        self._drain = drain
        self._only = only
        self._others_ready = others_ready
        self.stop_requested = threading.Event()
        self._all_ready = threading.Event()
        self._gate: threading.Thread | None = None
        self._reporter: threading.Thread | None = None
        self._clocks = HostClocks(planes, board, settings.HOSTNAME)
        self._stopped = threading.Lock()
        self.view = FlowMonitor(graph, mode, self._collect, host=settings.HOSTNAME)
        self.frames: FrameSource = BrokerTaps(
            graph, planes.brokers[planes.default], self._chosen_topics
        )
        self.runners = [
            self._runner(spec, number)
            for spec in graph.upstream_first()
            if only is None or spec.name == only
            for number in (range(spec.replicas) if only is None else (replica,))
        ]

    def _runner(self, spec: NodeSpec, replica: int | None) -> NodeRunner:
        context = None
        if spec.role is Role.GATEWAY:
            links = self.graph.links_into(spec.name)
            channels = tuple(link.channel or link.topic for link in links)
            context = GatewayContext(self.graph.name, spec.name, channels, self.view, self.frames)
        gate = self._all_ready if spec.role is Role.PRODUCER else None
        return NodeRunner(spec, self._planes, replica=replica, context=context, start_after=gate)

    def start(self) -> None:
        """Start ends first and producers last, so that nothing is sent into the void."""
        for runner in reversed(self.runners):
            runner.start()
        if self._board is not None:
            self._reporter = threading.Thread(
                target=self._post_reports, name="edgeflow-reports", daemon=True
            )
            self._reporter.start()
        self._gate = threading.Thread(target=self._open_gate, name="edgeflow-gate", daemon=True)
        self._gate.start()

    def _open_gate(self) -> None:
        """Let producers begin once everything else hears, or has had its time."""
        ends = [runner for runner in self.runners if runner.spec.role is not Role.PRODUCER]
        deadline = time.monotonic() + CONFIGURE_SECONDS
        while time.monotonic() < deadline:
            if all(runner.ready.is_set() for runner in ends) and self._others_ready():
                break
            if self.stop_requested.wait(GATE_POLL_SECONDS):
                return
        self._all_ready.set()

    def wait(self) -> None:
        """Return when the flow is over: told to stop, or everything that could end has ended."""
        while not self.stop_requested.wait(0.1) and not self.is_over():
            pass

    def is_over(self) -> bool:
        """Let nodes without sources end; True when everything that could end has ended."""
        self._finish_consumers()
        if all(runner.ended.is_set() for runner in self.runners):
            return True
        return self._only is None and self._only_failed_left()

    def _finish_consumers(self) -> None:
        """Drain each node whose sources have all ended; a gateway serves on until it is told."""
        if self._only is not None:
            return
        ended = {r.spec.name for r in self.runners if r.ended.is_set()}
        running = {r.spec.name for r in self.runners if not r.ended.is_set()}
        for runner in self.runners:
            if runner.draining or runner.ended.is_set() or runner.spec.role is Role.GATEWAY:
                continue
            sources = {link.source for link in self.graph.links_into(runner.spec.name)}
            if sources and not runner.spec.topics_at_runtime and sources <= ended - running:
                runner.finish_input()

    def finish_inputs(self) -> None:
        """Nothing more will come: end once the inputs are used up (called in a signal handler)."""
        for runner in self.runners:
            if not runner.ended.is_set() and runner.spec.role is not Role.GATEWAY:
                runner.finish_input()

    def _only_failed_left(self) -> bool:
        """True when nothing but gateways is alive because the rest has failed."""
        rest = [r for r in self.runners if r.spec.role is not Role.GATEWAY]
        return bool(rest) and all(r.state == "failed" for r in rest)

    def stop(self) -> bool:
        """End everything within about 2.5 s, upstream first; return whether all threads ended."""
        self.stop_requested.set()
        with self._stopped:
            self.view.state = "stopping"
            deadline = time.monotonic() + DRAIN_SECONDS
            depth = self.graph.depths()
            for _, tier in groupby(self.runners, key=lambda runner: depth[runner.spec.name]):
                self._end_tier(list(tier), deadline)
            for runner in self.runners:
                runner.halt()
            deadline += 0.5
            ended = [runner.join(max(0.05, deadline - time.monotonic())) for runner in self.runners]
            if self._gate is not None:
                self._gate.join(timeout=1.0)
            if self._reporter is not None:
                self._reporter.join(timeout=1.0)
                self._post_once()
            self.view.refresh(force=True)
            if all(ended):
                self._planes.close()
            else:
                stuck = [
                    r.spec.name for r, done in zip(self.runners, ended, strict=True) if not done
                ]
                log.warning(
                    "nodes_stuck",
                    nodes=stuck,
                    hint="user code does not return, or a server is away",
                )
            return all(ended)

    def _end_tier(self, tier: list[NodeRunner], deadline: float) -> None:
        """End nodes of which none feeds another, each once its input is used up; not gateways."""
        for runner in tier:
            if self._drain and runner.spec.role is not Role.GATEWAY:
                runner.drain(max(0.1, deadline - time.monotonic()))
            else:
                runner.halt()
        for runner in tier:
            if self._only is None and runner.spec.role is not Role.GATEWAY:
                runner.join(max(0.1, deadline - time.monotonic()))

    def status(self) -> FlowStatus:
        """Return the flow as it is."""
        return self.view.status()

    @property
    def failed(self) -> list[str]:
        """Names of the nodes that were given up."""
        return [runner.spec.name for runner in self.runners if runner.state == "failed"]

    def readiness(self) -> list[str]:
        """Return what keeps the nodes of this process from working."""
        return [
            f"node {runner.spec.name} is {runner.state}"
            for runner in self.runners
            if runner.state not in WORKING
        ]

    # --- reports ---------------------------------------------------------------------------

    def _collect(self) -> list[NodeReport]:
        own = [runner.report() for runner in self.runners]
        if self._board is None:
            return own
        mine = {(report.node, report.replica, report.pid) for report in own}
        others: list[NodeReport | None] = []
        with contextlib.suppress(OSError, CommsError):  # then we know of ourselves only
            others = [decode_report(raw) for raw in self._board.read().values()]
        return own + [
            report
            for report in others
            if report is not None and (report.node, report.replica, report.pid) not in mine
        ]

    def _post_reports(self) -> None:
        while not self._wait_to_post():
            self._post_once()
            self._clocks.exchange(time.monotonic())
            if all(runner.state in ENDED for runner in self.runners):
                return

    def _wait_to_post(self) -> bool:
        """Wait for the next report, not longer than until the nodes work: others wait for that.

        Returns True at the end of the flow.
        """
        was_ready, until = self._is_ready(), time.monotonic() + POST_SECONDS
        while (left := until - time.monotonic()) > 0:
            if self.stop_requested.wait(left if was_ready else min(left, GATE_POLL_SECONDS)):
                return True
            if not was_ready and self._is_ready():
                return False
        return self.stop_requested.is_set()

    def _is_ready(self) -> bool:
        return all(runner.ready.is_set() for runner in self.runners)

    def _post_once(self) -> None:
        assert self._board is not None  # noqa: S101 - only called where there is one
        for runner in self.runners:
            report = runner.report()
            member = f"{report.node}/{report.replica}/{report.host}/{os.getpid()}"
            try:
                self._board.post(member, encode_report(report))
            except (OSError, CommsError) as error:
                log.debug("report_not_posted", error=str(error))

    def _chosen_topics(self) -> Sequence[str]:
        emitters = [runner.emitter for runner in self.runners]
        return [route.topic for e in emitters if e is not None for route in e.routes]
