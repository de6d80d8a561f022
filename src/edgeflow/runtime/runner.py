"""Runs one instance of a node: its life, its errors, its report."""

import os
import threading
import time
import traceback
from typing import Any

import structlog

from edgeflow.comms.brokers.base import Subscriber
from edgeflow.config import settings
from edgeflow.core.clock import Clock, SystemClock
from edgeflow.core.graph import NodeSpec, OnError, Role
from edgeflow.errors import ConfigError, EdgeFlowError
from edgeflow.nodes.base import Node
from edgeflow.nodes.gateway.interfaces.base import GatewayContext
from edgeflow.nodes.gateway.node import GatewayNode
from edgeflow.observe.logs import book, current_node
from edgeflow.runtime.emitter import Emitter, StoppedError
from edgeflow.runtime.loops import LOOPS, NodeCrashError
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.reports import LOG_LINES, NodeReport, NodeStats, link_reports

__all__ = ["ENDED", "WORKING", "CrashBudget", "NodeRunner"]

CLAIM_SECONDS = 1.0

ENDED = frozenset({"finished", "failed", "stopped"})
"""States that a node does not leave by itself."""
WORKING = frozenset({"running", "finished"})
"""States in which a node does, or has done, what it is for."""


class CrashBudget:
    """How often and how fast something may be restarted.

    Args:
        limit: crashes within ``window`` seconds after which it is given up.
        window: seconds.
    """

    def __init__(self, limit: int = 10, window: float = 60.0) -> None:
        self._limit = limit
        self._window = window
        self._crashes: list[float] = []

    def crash(self, now: float) -> float | None:
        """Count a crash at ``now`` (monotonic seconds); return the pause, or None to give up."""
        self._crashes = [then for then in self._crashes if now - then < self._window]
        self._crashes.append(now)
        if len(self._crashes) > self._limit:
            return None
        return float(min(5.0, 0.1 * 2 ** (len(self._crashes) - 1)))


class NodeRunner:
    """One instance of a node in a thread of its own.

    Args:
        spec: the declaration.
        planes: how its links travel.
        replica: number of this instance; None to claim one among all processes that run it.
        context: what interfaces of a gateway get.
        clock: time source of pacing and alignment.

    Attributes:
        state: ``starting``, ``running``, ``restarting``, ``finished``, ``failed`` or ``stopped``.
        ready: set once the node is configured and its links are open, or it has ended.
    """

    def __init__(
        self,
        spec: NodeSpec,
        planes: Planes,
        *,
        replica: int | None = 0,
        context: GatewayContext | None = None,
        clock: Clock | None = None,
        start_after: threading.Event | None = None,
    ) -> None:
        self.spec = spec
        self.replica = replica or 0
        self._claims = replica is None
        self.clock: Clock = clock or SystemClock()
        self.state = "starting"
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.stats = NodeStats()
        self.host = settings.HOSTNAME
        self.node: Node | None = None
        self.emitter: Emitter | None = None
        self.subscriber: Subscriber | None = None
        self.stopping = threading.Event()
        self.draining = False
        self.finishing = False
        self.log = structlog.get_logger("edgeflow.node").bind(node=spec.name)
        self.has_consumers = bool(planes.graph.links_from(spec.name))
        self.channels = {
            link.topic: link.channel for link in planes.graph.links_into(spec.name) if link.channel
        }
        self._planes = planes
        self._context = context
        self._start_after = start_after
        self._started = time.time()
        self._drain_until = 0.0
        self._budget = CrashBudget()
        self._topics: tuple[Any, ...] | None = None
        name = spec.name if spec.replicas == 1 else f"{spec.name}/{self.replica}"
        self._thread = threading.Thread(target=self._main, name=f"node-{name}", daemon=True)

    # --- for the runtime -------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish_input(self) -> None:
        """End once the input is used up, however long that takes: nothing more will come."""
        self.finishing = True
        self.drain(float("inf"))

    def drain(self, seconds: float) -> None:
        """End once the input is used up, at the latest after ``seconds``; a producer ends now."""
        self._drain_until = time.monotonic() + seconds
        self.draining = True
        if self.spec.role is Role.PRODUCER:
            self.stopping.set()
        if self.subscriber is not None:
            self.subscriber.wake()

    def halt(self) -> None:
        """End after the call in progress."""
        self.draining = True
        self.stopping.set()
        if self.subscriber is not None:
            self.subscriber.wake()

    def join(self, timeout: float) -> bool:
        """Wait for the end; return whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def report(self) -> NodeReport:
        """Return the totals as they are."""
        stats, links = self.stats, []
        emitter, subscriber = self.emitter, self.subscriber
        if emitter is not None:
            for route in emitter.routes:
                for plane, publisher in route.publishers:
                    publisher.refresh()
                    via = self._planes.via(plane)
                    links += [
                        (publisher.topic, p, via, c) for p, c in list(publisher.links.items())
                    ]
        if subscriber is not None:
            subscriber.refresh()
            links += [(topic, "", "", c) for topic, c in list(subscriber.links.items())]
        return NodeReport(
            node=self.spec.name,
            replica=self.replica,
            host=self.host,
            pid=os.getpid(),
            state=self.state,
            started=self._started,
            time=time.time(),
            frames_in=stats.frames_in,
            frames_out=stats.frames_out,
            errors=stats.errors,
            restarts=stats.restarts,
            late=stats.late,
            unmatched=stats.unmatched,
            last_error=stats.last_error,
            last_error_time=stats.last_error_time,
            process=list(stats.process.counts),
            process_ns=stats.process.total_ns,
            links=link_reports(links),
            logs=book.tail(LOG_LINES, self.spec.name),
            traces=stats.trace_records(),
            clocks=self._planes.clock_offsets(),
        )

    # --- for the node (NodeHost) -----------------------------------------------------------

    def stop(self) -> None:
        """End the node after the call in progress."""
        self.finishing = True
        self.stopping.set()

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the node's end."""
        self.clock.wait(self.stopping, seconds)

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a writable array in the memory of the output link."""
        if self.emitter is None:
            raise ConfigError("allocate() is for produce(), not for configure()")
        return self.emitter.allocate(shape, dtype)

    @property
    def next_id(self) -> int:
        """Id of the next produced frame."""
        return self.emitter.next_id if self.emitter is not None else 0

    # --- for the loops ---------------------------------------------------------------------

    @property
    def cut_off(self) -> bool:
        """True when waiting any longer is no use: told to stop, or draining for too long."""
        if self.spec.role is not Role.PRODUCER and self.stopping.is_set():
            return True
        return self.draining and time.monotonic() > self._drain_until

    def clock_ahead_ns(self, host: str) -> int | None:
        """Return the monotonic clock of ``host`` minus ours; None when it is not known."""
        if host == self.host:
            return 0
        offset = self._planes.host_offsets.get(host)
        return None if offset is None else offset.offset_ns

    def user_error(self, error: BaseException) -> None:
        """Count and log an exception of user code."""
        self.stats.errors += 1
        text = f"{type(error).__name__}: {error}"
        self.stats.last_error = text.encode(errors="backslashreplace").decode()
        self.stats.last_error_time = time.time()
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self.log.error("node_raised", error=self.stats.last_error, where=where)

    # --- the thread ------------------------------------------------------------------------

    def _main(self) -> None:
        current_node.set(self.spec.name)
        try:
            while not self._run_once():
                pass
        finally:
            self._close_links()
            self.ready.set()
            self.ended.set()

    def _run_once(self) -> bool:
        """Run the node until it ends or crashes; return True when it is not to run again."""
        try:
            self._configure()
            self.state = "running"
            self.ready.set()
            if self._start_after is not None:
                while not self._start_after.wait(0.1) and not self.stopping.is_set():
                    pass
            LOOPS[self.spec.role](self)
            self.state = "finished" if self.finishing or not self.draining else "stopped"
            return True
        except StoppedError:
            self.state = "stopped"
            return True
        except NodeCrashError as crash:
            return self._after_crash(crash.error, counted=True)
        except Exception as error:  # noqa: BLE001 - whatever user code raises is handled here
            return self._after_crash(error, counted=False)
        finally:
            self._teardown()

    def _after_crash(self, error: BaseException, *, counted: bool) -> bool:
        if not counted:
            self.user_error(error)
        permanent = isinstance(error, EdgeFlowError) and self.state == "starting"
        pause = self._budget.crash(time.monotonic())
        if self.spec.on_error is OnError.STOP or permanent or pause is None:
            self.state = "failed"
            self.log.error("node_failed", error=self.stats.last_error)
            return True
        if self.draining and (self.cut_off or not self.finishing):
            self.state = "stopped"
            return True
        self.state = "restarting"
        self.stats.restarts += 1
        self.log.warning("node_restarting", pause_s=pause, restarts=self.stats.restarts)
        if self.stopping.wait(pause):
            self.state = "stopped"
            return True
        return False

    def _claim_number(self) -> None:
        while self._claims and not self.stopping.is_set():
            number = self._planes.claim_member(self.spec.name, CLAIM_SECONDS)
            if number is not None:
                self.replica = number
                self._claims = False
        if self._claims:
            raise StoppedError

    def _configure(self) -> None:
        self._claim_number()
        node = self.spec.factory(**self.spec.options)
        self.node = node
        node.name = self.spec.name
        node.device = self.spec.device
        node.replica = self.replica
        node.log = self.log
        if self.spec.queue_size is not None:
            node.queue_size = self.spec.queue_size
        node.attach(self)
        node.configure()
        self._open_links(node)
        if isinstance(node, GatewayNode) and self._context is not None:
            for interface in node.interfaces:
                interface.open(self._context)

    def _open_links(self, node: Node) -> None:
        if isinstance(node.input_topics, str):
            raise ConfigError(
                f"node {self.spec.name!r}: input_topics is {node.input_topics!r}, not a list",
                hint=f"self.input_topics = [{node.input_topics!r}]",
            )
        images = not (isinstance(node, GatewayNode) and node.takes_jpeg)
        topics = (tuple(node.input_topics), node.output_topic, node.qos, node.queue_size, images)
        if self._topics == topics:
            return
        self._close_links()
        spec = self.spec
        if not spec.role.is_end:
            routes = self._planes.routes(spec.name, node.output_topic)
            self.emitter = Emitter(spec.name, self.host, routes, lambda: self.cut_off)
        if spec.role is not Role.PRODUCER:
            linked = self._planes.graph.links_into(spec.name)
            if not linked and not node.input_topics:
                raise ConfigError(
                    f"node {spec.name!r} has no input",
                    hint="link a node to it, or set self.input_topics in configure()",
                )
            self.subscriber = self._planes.subscriber(
                spec.name, str(self.replica), node.input_topics, node.qos, node.queue_size,
                images=images,
            )  # fmt: skip
        self._topics = topics

    def _close_links(self) -> None:
        if self.subscriber is not None:
            self.subscriber.close()
        if self.emitter is not None:
            self.emitter.close()

    def _teardown(self) -> None:
        node = self.node
        if node is None:
            return
        try:
            if isinstance(node, GatewayNode):
                for interface in node.interfaces:
                    interface.close()
            node.teardown()
        except Exception as error:  # noqa: BLE001 - a failing teardown must not hide the cause
            self.user_error(error)
        node.attach(None)
        self.node = None
