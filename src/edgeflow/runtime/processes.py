"""One process per node instance on this host, supervised: started, watched, restarted, ended."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from edgeflow.comms.brokers.shm import ShmBroker
from edgeflow.config import settings
from edgeflow.core.graph import Graph, NodeSpec, OnError, Role
from edgeflow.core.status import FlowStatus
from edgeflow.runtime.board import FolderBoard
from edgeflow.runtime.child import CHILD_FAILED, CHILD_VARIABLE, FINISH_SIGNAL, GATE, Child
from edgeflow.runtime.monitor import FlowMonitor
from edgeflow.runtime.reports import NodeReport, decode_report, encode_report
from edgeflow.runtime.runner import WORKING, CrashBudget
from edgeflow.runtime.taps import BrokerTaps

__all__ = ["ProcessRuntime"]

STOP_SECONDS = 2.5
POLL_SECONDS = 0.05
POST_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Supervised:
    """The process of one node instance and its history."""

    spec: NodeSpec
    replica: int
    process: "subprocess.Popen[bytes] | None" = None
    state: str = "starting"
    restarts: int = 0
    last_error: str | None = None
    last_error_time: float | None = None
    restart_at: float | None = None
    finishing: bool = False
    budget: CrashBudget = field(default_factory=CrashBudget)

    @property
    def alive(self) -> bool:
        return self.process is not None

    @property
    def over(self) -> bool:
        return self.process is None and self.restart_at is None


class ProcessRuntime:
    """Supervises the processes of a flow on one host.

    Args:
        graph: the whole flow, checked.
        arguments: command-line words that the process of every node gets too.

    Attributes:
        view: the flow as the supervisor sees it.
        frames: access to the frames of every topic.
    """

    def __init__(self, graph: Graph, arguments: Sequence[str] = ()) -> None:
        self.graph = graph
        self.stop_requested = threading.Event()
        self._arguments = list(arguments)
        self._run_dir = settings.RUN_DIR / f"run-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._board = FolderBoard(self._run_dir / "board")
        self._shm = ShmBroker(run_dir=self._run_dir)
        self._shm.open(graph.name)
        self._posted = 0.0
        self._gate_open = False
        self._started = time.time()
        self.view = FlowMonitor(self.graph, "processes", self._collect)
        self.frames = BrokerTaps(self.graph, self._shm)
        self._children = [
            _Supervised(spec, replica)
            for spec in self.graph.upstream_first()
            for replica in range(spec.replicas)
        ]

    def start(self) -> None:
        """Start every process, ends of the graph first."""
        self._run_dir.mkdir(mode=0o700, parents=True)
        for child in reversed(self._children):
            self._spawn(child)

    def wait(self) -> None:
        """Watch and restart until told to stop or everything that could end has ended."""
        while not self.stop_requested.wait(POLL_SECONDS):
            for child in self._children:
                self._look_after(child)
            self._open_gate()
            self._finish_consumers()
            self._post()
            if all(c.over for c in self._children if c.spec.role is not Role.GATEWAY) and (
                self._nothing_to_show()
            ):
                return

    def _nothing_to_show(self) -> bool:
        """True when no gateway serves on, or when all it could show has failed."""
        rest = [c for c in self._children if c.spec.role is not Role.GATEWAY]
        gateways = [c for c in self._children if c.spec.role is Role.GATEWAY]
        return all(c.over for c in gateways) or all(c.state == "failed" for c in rest)

    def stop(self) -> bool:
        """End every process within about 3 s, upstream first; return whether all went by asking."""
        self.stop_requested.set()
        self.view.state = "stopping"
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            child.restart_at = None
            if child.process is not None:
                child.process.send_signal(signal.SIGTERM)
        clean = True
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                clean = False
                log.warning("process_killed", node=child.spec.name, pid=child.process.pid)
                child.process.kill()
                child.process.wait()
            child.process = None
            if child.state not in ("failed", "finished"):
                child.state = "stopped"
        self.view.refresh(force=True)
        self._shm.close()
        shutil.rmtree(self._run_dir, ignore_errors=True)
        return clean

    def status(self) -> FlowStatus:
        """Return the flow as it is."""
        return self.view.status()

    @property
    def failed(self) -> list[str]:
        """Names of the nodes that were given up."""
        return [child.spec.name for child in self._children if child.state == "failed"]

    def readiness(self) -> list[str]:
        """Return what keeps the flow from working."""
        return [
            f"node {node.name} is {node.state}"
            for node in self.status().nodes
            if node.state not in WORKING
        ]

    # --- one process -----------------------------------------------------------------------

    def _spawn(self, child: _Supervised) -> None:
        order = Child(run_dir=str(self._run_dir), replica=child.replica)
        words = [*_program(), *self._arguments, "--node", child.spec.name]
        child.restart_at = None
        child.state = "running"
        child.finishing = False
        # The child inherits the mask: the signal waits until it can take it, instead of killing it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {FINISH_SIGNAL})
        try:
            child.process = subprocess.Popen(
                words,
                env=os.environ | {CHILD_VARIABLE: msgspec.json.encode(order).decode()},
                process_group=0,  # Ctrl+C is for the supervisor, which passes it on in order
                stdin=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        log.info("process_started", node=child.spec.name, pid=child.process.pid)

    def _look_after(self, child: _Supervised) -> None:
        if child.process is None:
            if child.restart_at is not None and time.monotonic() >= child.restart_at:
                self._spawn(child)
            return
        code = child.process.poll()
        if code is None:
            return
        pid, child.process = child.process.pid, None
        if code == 0:
            child.state = "finished"
            return
        child.last_error = _cause_of_death(code)
        child.last_error_time = time.time()
        pause = child.budget.crash(time.monotonic())
        if code == CHILD_FAILED or pause is None or child.spec.on_error is OnError.STOP:
            child.state = "failed"
            log.error("process_failed", node=child.spec.name, pid=pid, cause=child.last_error)
            return
        child.state = "restarting"
        child.restarts += 1
        child.restart_at = time.monotonic() + pause
        log.warning(
            "process_restarting", node=child.spec.name, pid=pid, cause=child.last_error,
            pause_s=round(pause, 2),
        )  # fmt: skip

    def _open_gate(self) -> None:
        """Let producers begin once every other node hears; what they sent before would be lost."""
        if self._gate_open:
            return
        known = {(each.node, each.replica): each.state for each in self._reports()}
        if all(
            child.over or known.get((child.spec.name, child.replica)) in WORKING
            for child in self._children
            if child.spec.role is not Role.PRODUCER
        ):
            (self._run_dir / GATE).touch()
            self._gate_open = True

    def _finish_consumers(self) -> None:
        """Tell each node whose sources have all finished that nothing more will come."""
        unfinished = {child.spec.name for child in self._children if not child.over}
        for child in self._children:
            if child.finishing or child.process is None or child.spec.role is Role.GATEWAY:
                continue
            sources = {link.source for link in self.graph.links_into(child.spec.name)}
            if sources and not child.spec.topics_at_runtime and not sources & unfinished:
                child.finishing = True
                child.process.send_signal(FINISH_SIGNAL)

    # --- reports ---------------------------------------------------------------------------

    def _own_reports(self) -> list[NodeReport]:
        return [
            NodeReport(
                node=child.spec.name,
                replica=child.replica,
                state="" if child.alive else child.state,
                started=self._started,
                time=time.time(),
                restarts=child.restarts,
                last_error=child.last_error,
                last_error_time=child.last_error_time,
            )
            for child in self._children
        ]

    def _collect(self) -> list[NodeReport]:
        return self._reports() + self._own_reports()

    def _reports(self) -> list[NodeReport]:
        """What the processes of the nodes say themselves."""
        reports = [decode_report(raw) for raw in self._board.read().values()]
        return [report for report in reports if report is not None and report.pid]

    def _post(self) -> None:
        now = time.monotonic()
        if now - self._posted < POST_SECONDS:
            return
        self._posted = now
        self.view.refresh()  # keeps what short-lived processes have reported
        for report in self._own_reports():
            with contextlib.suppress(OSError):
                self._board.post(
                    f"supervisor/{report.node}/{report.replica}", encode_report(report)
                )


def _program() -> list[str]:
    """Return the command that runs the user's program again, without its arguments."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and not sys.argv[0].endswith(".py"):
        return [sys.executable, "-m", spec.name.removesuffix(".__main__")]
    return [sys.executable, sys.argv[0]]


def _cause_of_death(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    if code == CHILD_FAILED:
        return "the node was given up"
    return f"exited with status {code}"
