"""Looks at a running flow: throttles sensors, counts what queues have dropped, tells people."""

import threading
from collections.abc import Iterable
from typing import Any

import structlog

from edgeflow.core.ports import FlowView
from edgeflow.core.qos import QoS
from edgeflow.core.status import FlowStatus
from edgeflow.errors import EdgeFlowError
from edgeflow.pipelines.declaration import PipelinePlan
from edgeflow.pipelines.session import Session
from edgeflow.pipelines.throttling import Command, Throttle, interval_for

__all__ = ["Watch"]

EVERY_SECONDS = 0.25
TELL_SECONDS = 10.0
ASK_SECONDS = 2.0
SUPERSEDED = "superseded"
"""Reason of drops on realtime links: there the newest message wins, which is no event."""
MAX_SENSORS = 256
"""Sensors asked to be slower at most, per pipeline."""

log = structlog.get_logger("edgeflow.pipelines")


class Watch:
    """A thread that looks at the flow four times a second.

    Args:
        session: of the flow.
        view: its nodes and links.
        pipelines: ids of the pipelines by the names of their nodes.
    """

    def __init__(self, session: Session, view: FlowView, pipelines: dict[str, str]) -> None:
        self._session = session
        self._view = view
        self._pipelines = pipelines
        self._plans = {plan.name: plan for plan in session.declaration.pipelines}
        self._throttles = {
            name: Throttle(plan.options.throttle, session.clock)
            for name, plan in self._plans.items()
            if plan.options.throttle is not None and name in pipelines.values()
        }
        self._lock = threading.Lock()
        self._displaced: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], tuple[float, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._main, name="edgeflow-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and count a last time."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(ASK_SECONDS + 1.0)
        self.count(self._view.status())

    def count(self, status: FlowStatus) -> None:
        """Add to the metrics what full queues have dropped since the last time."""
        with self._lock:
            for node, name in self._pipelines.items():
                for reason, wanted in ((SUPERSEDED, True), ("queue_full", False)):
                    displaced = sum(
                        link.dropped
                        for link in status.links
                        if link.target == node and (link.qos == QoS.REALTIME.value) is wanted
                    )
                    fresh = displaced - self._displaced.get((name, reason), 0)
                    if fresh > 0:
                        self._session.metrics.dropped.labels(name, reason).inc(fresh)
                        self._displaced[name, reason] = displaced

    def _main(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self.look(self._view.status())
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                log.warning("watch_failed", error=f"{type(error).__name__}: {error}")

    def look(self, status: FlowStatus) -> None:
        """Look once."""
        self.count(status)
        self._tell_drops(self._session.metrics.total_dropped())
        for node, name in self._pipelines.items():
            throttle = self._throttles.get(name)
            if throttle is not None:
                command = throttle.observe(_fill(status, node))
                if command is not None:
                    self._ask(self._plans[name], command, throttle.level, _rate(status, node))

    # --- throttling ------------------------------------------------------------------------

    def _ask(self, plan: PipelinePlan, command: Command, level: int, rate: float) -> None:
        senders = self._session.senders(plan.name)[-MAX_SENSORS:]
        interval = 0.0
        if command is Command.SLOWER and plan.options.throttle is not None:
            interval = interval_for(plan.options.throttle, level, rate, len(senders))
        asked = [sensor for feed, sensor in senders if self._ask_one(feed, sensor, interval)]
        text = (
            f"{plan.name}: asked {_count(asked)} to send every {interval:.3g} s"
            if interval
            else f"{plan.name}: {_count(asked)} may send as they like again"
        )
        if asked:
            self._session.metrics.throttled.labels(plan.name).inc(len(asked))
        else:
            text = f"{plan.name}: the queue is full, and no sensor takes throttle commands"
        level_name = "warning" if interval else "info"
        log.log(30 if interval else 20, "sensors_throttled", pipeline=plan.name,
                interval_s=interval, sensors=len(asked))  # fmt: skip
        if asked or interval:
            self._session.tell(
                "throttle", text, level=level_name, pipeline=plan.name,
                detail={"interval_s": interval, "sensors": asked[:20]},
            )  # fmt: skip

    def _ask_one(self, name: str, sensor: str, interval: float) -> bool:
        feed = self._session.connectors.get(name)
        if feed is None or self._ended.is_set():
            return False
        try:
            work = feed.connector.throttle(sensor, interval)
            return bool(self._session.loop.run(work, ASK_SECONDS))
        except (EdgeFlowError, OSError, TimeoutError) as error:
            log.warning("throttle_failed", connector=name, sensor=sensor, error=str(error))
            return False

    # --- drops -----------------------------------------------------------------------------

    def _tell_drops(self, totals: dict[tuple[str, str], float]) -> None:
        now = self._session.clock()
        for key, total in totals.items():
            name, reason = key
            if reason == SUPERSEDED:
                continue
            before, at = self._told.get(key, (0.0, -TELL_SECONDS))
            if total > before and now - at >= TELL_SECONDS:
                self._told[key] = (total, now)
                count = int(total - before)
                words = "message" if count == 1 else "messages"
                self._session.tell(
                    "dropped",
                    f"{name or 'no pipeline'}: {count} {words} dropped ({reason})",
                    level="warning",
                    pipeline=name,
                    detail={"reason": reason, "count": count, "total": int(total)},
                )


def _fill(status: FlowStatus, node: str) -> float:
    fills = [link.depth / max(1, link.capacity) for link in status.links if link.target == node]
    return max(fills, default=0.0)


def _rate(status: FlowStatus, node: str) -> float:
    return sum(entry.rate_in for entry in status.nodes if entry.name == node)


def _count(sensors: Iterable[Any]) -> str:
    names = list(sensors)
    return str(names[0]) if len(names) == 1 else f"{len(names)} sensors"
