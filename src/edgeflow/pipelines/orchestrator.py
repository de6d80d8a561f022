"""Runs a ``pipelines.yaml`` until it is told to stop, and takes over changes of the file."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog
from prometheus_client.core import Metric

from edgeflow.comms.probes import ProbeServer
from edgeflow.config import settings
from edgeflow.core.histogram import Histogram
from edgeflow.core.ports import FrameTap
from edgeflow.core.status import FlowStatus, LogLine, PathLatency, TraceRecord
from edgeflow.devices.history import History
from edgeflow.errors import ConfigError, EdgeFlowError, GraphError, UnknownModelError
from edgeflow.inference.service import InferenceService
from edgeflow.observe import metrics as flow_metrics
from edgeflow.observe.activity import activities
from edgeflow.pipelines.connectors.base import BaseConnector
from edgeflow.pipelines.declaration import Declaration
from edgeflow.pipelines.flow import RunningFlow
from edgeflow.pipelines.gateways import open_service, unknown_models
from edgeflow.pipelines.history import keep_pipelines
from edgeflow.pipelines.metrics import Metrics, connector_gauges, model_gauges, queue_gauges
from edgeflow.pipelines.session import Session
from edgeflow.runtime.allocation import Spared
from edgeflow.runtime.runner import WORKING

__all__ = ["Orchestrator"]

POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 2.0
WARM_UP_SECONDS = 0.5

log = structlog.get_logger("edgeflow.pipelines")


class Orchestrator:
    """A flow from YAML that can be driven and reloaded (a ``Runtime`` of the launcher).

    Args:
        declaration: what to run first.
        reread: reads and checks the file again, for a reload.
        spared: told when there may be more to spare; only for programs of their own.
        session_options: clocks and book of the sessions.

    Attributes:
        stop_requested: set it to end ``wait``.
        reload_requested: set it to read the file again.
        flow: the generation that runs.
        probes: the metrics port, where it is wanted.

    Raises:
        GraphError: the graph cannot run, or a model of this process does not exist.
        ConfigError: the models cannot be found.
    """

    def __init__(
        self,
        declaration: Declaration,
        reread: Callable[[], Declaration],
        *,
        spared: Spared | None = None,
        **session_options: Any,
    ) -> None:
        self.stop_requested = threading.Event()
        self.reload_requested = threading.Event()
        self.metrics = Metrics()
        self.probes: ProbeServer | None = None
        self._history: History | None = None
        self.view = _CurrentView(self)
        self.frames = _CurrentFrames(self)
        self._warming: threading.Thread | None = None
        self._reread = reread
        self._spared = spared
        self._options = session_options
        self._service = _service_of(declaration)
        try:
            self.flow = self._generation(declaration, self._service)
        except BaseException:
            self._service.close()
            raise

    def welcome(self) -> list[str]:
        """Return what to tell the user: what runs, where to look."""
        declaration = self.flow.session.declaration
        document = declaration.document
        models = ", ".join(declaration.models) or "none"
        lines = [
            f"Running {declaration.name}: {_many(declaration.connectors, 'connector')}, "
            f"{_many(declaration.pipelines, 'pipeline')}, {_many(declaration.agents, 'agent')}, "
            f"{_many(declaration.actions, 'action')}; models: {models}."
        ]
        if document.dashboard is not None:
            port = document.dashboard.port
            port = settings.GATEWAY_HTTP_PORT if port is None else port
            lines.append(f"  Open    http://127.0.0.1:{port}/dashboard")
        if (document.metrics_port or -1) > 0:
            lines.append(
                f"  Probes  http://127.0.0.1:{document.metrics_port}/healthz, /readyz, /metrics"
            )
        return [*lines, f"  Stop    Ctrl+C; kill -HUP {os.getpid()} takes a changed file over"]

    def start(self) -> None:
        """Open the metrics port and start the flow.

        Raises:
            ConfigError: the metrics port cannot be bound.
        """
        try:
            declaration = self.flow.session.declaration
            self._history = keep_pipelines(
                f"pipelines-{declaration.name}",
                self._connectors,
                self._problems,
                self._options.get("book", activities),
            )
            self._open_probes(declaration)
        except BaseException:
            self._service.close()
            self.flow.session.close()
            if self._history is not None:
                self._history.close()
            raise
        self.flow.start()
        self._warm_up()

    def wait(self) -> None:
        """Return when the flow is over or told to stop; reload meanwhile when asked to."""
        while not self.stop_requested.wait(POLL_SECONDS):
            if self.reload_requested.is_set():
                self.reload_requested.clear()
                if self.reload() and self._spared is not None:
                    self._spared.renew()
            elif self.flow.runtime.is_over():
                return
            elif self._spared is not None:
                self._spared.look()

    def stop(self) -> bool:
        """End everything within 3 s; return whether it ended."""
        self.stop_requested.set()
        ended = self.flow.stop()
        if self.probes is not None:
            self.probes.close()
        self._service.close()
        if self._history is not None:
            self._history.close()
        if self._warming is not None:
            self._warming.join(WARM_UP_SECONDS)
        return ended

    def status(self) -> FlowStatus:
        """Return the flow as it is."""
        return self.flow.runtime.status()

    def _connectors(self) -> list[BaseConnector]:
        return [feed.connector for feed in list(self.flow.session.connectors.values())]

    def _problems(self) -> list[str]:
        return [f"{name} was given up" for name in self.failed]

    @property
    def failed(self) -> list[str]:
        """Names of the nodes that were given up."""
        return self.flow.runtime.failed

    # --- reload ----------------------------------------------------------------------------

    def reload(self) -> bool:
        """Read the file again and run what it says; the old flow goes on if it is wrong.

        What connectors have not acknowledged when the old flow ends is delivered again to the
        new one. Models stay loaded where the gateways are the same.
        """
        old = self.flow.session.declaration
        service = self._service
        try:
            new = self._reread()
            if _models_differ(old, new):
                service = _service_of(new)
            flow = self._generation(new, service)
        except EdgeFlowError as error:
            if service is not self._service:
                service.close()
            self._tell_refusal(error)
            return False
        self._swap(flow, service)
        log.info("flow_reloaded", file=str(new.file))
        flow.session.tell("reload", f"{new.file.name} was read again and runs now")
        return True

    def _swap(self, flow: RunningFlow, service: InferenceService) -> None:
        old = self.flow
        port = old.session.declaration.document.metrics_port
        old.stop()
        self.flow = flow
        if service is not self._service:
            self._service.close()
            self._service = service
        flow.start()
        self._warm_up()
        if flow.session.declaration.document.metrics_port != port:
            self._reopen_probes()

    def _tell_refusal(self, error: EdgeFlowError) -> None:
        problems = error.problems if isinstance(error, GraphError) else (error,)
        texts = [str(problem) for problem in problems]
        log.error("reload_refused", problems=texts, hint="the flow goes on as it was")
        self.flow.session.tell(
            "reload",
            f"the changed file is wrong, the flow goes on as it was: {texts[0]}",
            level="error",
            ok=False,
            detail={"problems": texts[:50]},
        )

    def _generation(self, declaration: Declaration, service: InferenceService) -> RunningFlow:
        try:
            if declaration.document.gateway.models is not None:
                _require_models(declaration, service)
            session = Session(declaration, service, self.metrics, **self._options)
            return RunningFlow(session)
        except BaseException:
            declaration.plugins.close()
            raise

    def _warm_up(self) -> None:
        """Load the models beside the flow, so that the first message finds them ready."""
        session, service = self.flow.session, self._service

        def work() -> None:
            for model in session.declaration.models:
                try:
                    service.info(model)
                except UnknownModelError as error:
                    session.tell("model", f"{model}: {error}", level="error")
                    log.error("model_unknown", model=model, error=str(error))
                except Exception as error:  # noqa: BLE001 - told when a message needs it
                    log.debug("model_not_warm", model=model, error=str(error))

        self._warming = threading.Thread(target=work, name="edgeflow-warm-up", daemon=True)
        self._warming.start()

    # --- probes ----------------------------------------------------------------------------

    def _open_probes(self, declaration: Declaration) -> None:
        port = declaration.document.metrics_port
        if port is None or port < 0:
            return
        probes = ProbeServer(
            port, health=self.health, readiness=self.readiness, metrics=self.exposition
        )
        probes.open()
        self.probes = probes

    def _reopen_probes(self) -> None:
        if self.probes is not None:
            self.probes.close()
            self.probes = None
        try:
            self._open_probes(self.flow.session.declaration)
        except ConfigError as error:
            self._tell_refusal(error)

    def health(self) -> list[str]:
        """Return what is wrong with this process."""
        found = [f"node {name} has failed" for name in self.failed]
        try:
            self.flow.session.loop.run(asyncio.sleep(0), HEARTBEAT_SECONDS)
        except (EdgeFlowError, TimeoutError):
            found.append("the event loop does not answer")
        return found

    def readiness(self) -> list[str]:
        """Return what keeps the flow from working."""
        waiting = [node for node in self.status().nodes if node.state not in WORKING]
        found = [f"node {node.name} is {node.state}" for node in waiting]
        found += [
            f"model {model} is not ready"
            for model in self.flow.session.declaration.models
            if not self._service.is_ready(model)
        ]
        return found

    def exposition(self) -> bytes:
        """Return the page of ``/metrics``."""
        status = self.status()
        self.flow.watch.count(status)
        return self.metrics.render(self._gauges(status)) + flow_metrics.render(self.view)

    def _gauges(self, status: FlowStatus) -> Iterator[Metric]:
        yield from queue_gauges(status, self.flow.pipelines)
        feeds = list(self.flow.session.connectors.values())
        yield from connector_gauges(
            (feed.connector.name, feed.connector.state, feed.connector.dropped) for feed in feeds
        )
        collect = getattr(self._service, "collect", None)
        yield from collect() if collect is not None else model_gauges(self._service.status())


def _many(parts: Sequence[Any], name: str) -> str:
    return f"{len(parts)} {name}" + ("" if len(parts) == 1 else "s")


def _service_of(declaration: Declaration) -> InferenceService:
    return open_service(declaration.document, declaration.file.parent, declaration.models_place)


def _models_differ(old: Declaration, new: Declaration) -> bool:
    before, after = old.document, new.document
    return (before.gateway, before.gateways, before.model_affinity) != (
        after.gateway,
        after.gateways,
        after.model_affinity,
    )


def _require_models(declaration: Declaration, service: InferenceService) -> None:
    """Raise ``GraphError`` for models that this process should have and has not."""
    known = {model.name for model in service.status()}
    problems = unknown_models(declaration, known, service.is_ready)
    if problems:
        raise GraphError(problems)


class _CurrentView:
    """The view of whichever generation runs (a ``FlowView``)."""

    def __init__(self, owner: Orchestrator) -> None:
        self._owner = owner

    def status(self) -> FlowStatus:
        return self._owner.flow.runtime.view.status()

    def graph(self) -> dict[str, Any]:
        return self._owner.flow.runtime.view.graph()

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        return self._owner.flow.runtime.view.logs(after, node, limit)

    def paths(self) -> list[PathLatency]:
        return self._owner.flow.runtime.view.paths()

    def traces(self, limit: int = 256) -> list[TraceRecord]:
        return self._owner.flow.runtime.view.traces(limit)

    def histograms(self) -> tuple[dict[str, Histogram], dict[tuple[str, str], Histogram]]:
        return self._owner.flow.runtime.view.histograms()

    def clock_offsets_ns(self) -> dict[str, int]:
        return self._owner.flow.runtime.view.clock_offsets_ns()


class _CurrentFrames:
    """The frames of whichever generation runs (a ``FrameSource``)."""

    def __init__(self, owner: Orchestrator) -> None:
        self._owner = owner

    def topics(self) -> list[str]:
        return self._owner.flow.runtime.frames.topics()

    def tap(self, topics: Sequence[str], *, latest: bool = True) -> FrameTap:
        return self._owner.flow.runtime.frames.tap(topics, latest=latest)
