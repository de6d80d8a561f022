"""An agent as a consumer: from results to commands for dispatchers."""

import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog

from edgeflow.errors import PipelineError
from edgeflow.nodes.consumer import ConsumerNode
from edgeflow.nodes.output import Output
from edgeflow.pipelines.blame import place_in
from edgeflow.pipelines.declaration import AgentPlan
from edgeflow.pipelines.envelopes import ActionFrame, ResultFrame
from edgeflow.pipelines.message import Action
from edgeflow.pipelines.nodes.results import plain
from edgeflow.pipelines.session import Session
from edgeflow.runtime.emitter import StoppedError

__all__ = ["AgentNode"]

START_SECONDS = 30.0
HANDLE_SECONDS = 10.0
STOP_SECONDS = 0.5


class AgentNode(ConsumerNode):
    """Shows each result to the agent and sends its actions as ``Output(dispatcher, frame)``.

    Attributes:
        plan: the agent.
        session: what the flow shares.
    """

    plan: AgentPlan
    session: Session

    def configure(self) -> None:
        """Start the agent."""
        session, plan = self.session, self.plan
        zones = session.declaration.document.zones
        self._agent = plan.kind(plan.name, plan.options, zones=zones, clock=session.clock)
        self._runs = {
            outcome: session.metrics.agent_runs.labels(plan.name, outcome)
            for outcome in ("quiet", "fired", "error")
        }
        self._seconds = session.metrics.agent_seconds.labels(plan.name)
        self._debug = structlog.get_logger("edgeflow.agent").bind(agent=plan.name)
        self._told: set[str] = set()
        session.loop.run(self._agent.start(), START_SECONDS)

    def process(self, data: Any) -> list[Output] | None:
        """Show the result of the current frame to the agent."""
        frame = self.frame
        assert isinstance(frame, ResultFrame)  # noqa: S101 - only pipelines lead here
        actions = [action for action in self._decide(frame) if self._is_known(action)]
        for action in actions:
            if not action.quiet:
                self._alert(frame, action)
        actions += [
            msgspec.structs.replace(action, dispatcher=name, target=None, quiet=True)
            for action in actions
            for name in self.plan.options.also
            if name != action.dispatcher
        ]
        if frame.receipt is not None:
            frame.receipt.add(len(actions))
            frame.receipt.done()
        return [Output(action.dispatcher, self._framed(frame, action)) for action in actions]

    def teardown(self) -> None:
        """Stop the agent."""
        agent = getattr(self, "_agent", None)
        if agent is not None:
            self.session.loop.run(agent.stop(), STOP_SECONDS)

    def _decide(self, frame: ResultFrame) -> list[Action]:
        started = time.perf_counter()
        latency_ms = self.session.age(frame.message) * 1e3
        try:
            work = self._agent.handle(
                message=frame.message, payload=frame.result, latency_ms=latency_ms
            )
            found = _run_here(work) if self._agent.quick else self.session.run(work, HANDLE_SECONDS)
            actions = list(found or ())
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - an agent must not end the flow
            self._failed(frame, error)
            return []
        finally:
            self._seconds.observe(time.perf_counter() - started)
        self._runs["fired" if actions else "quiet"].inc()
        self._debug.debug("agent_ran", pipeline=frame.pipeline, actions=len(actions))
        return actions

    def _failed(self, frame: ResultFrame, error: Exception) -> None:
        self._runs["error"].inc()
        text = f"{type(error).__name__}: {error}"
        where = place_in(self.session.declaration.plugins.folder, error)
        self._debug.warning("agent_raised", pipeline=frame.pipeline, error=text, where=where)
        if text not in self._told and len(self._told) < 100:
            self._told.add(text)
            self.session.tell(
                "alert",
                f"agent {self.plan.name} failed: {text}",
                level="error",
                pipeline=frame.pipeline,
                agent=self.plan.name,
                sensor=frame.message.sensor_id,
            )

    def _is_known(self, action: Action) -> bool:
        known = self.plan.dispatchers
        if isinstance(action, Action) and action.dispatcher in known:
            return True
        self._runs["error"].inc()
        name = getattr(action, "dispatcher", repr(action))
        self.log.error(
            "action_unknown", agent=self.plan.name, dispatcher=name, known=", ".join(known)
        )
        return False

    def _alert(self, frame: ResultFrame, action: Action) -> None:
        text = str(action.metadata.get("text") or f"{self.plan.name} fired")
        self.session.tell(
            "alert",
            text,
            level=str(action.metadata.get("level", "warning")),
            pipeline=frame.pipeline,
            agent=self.plan.name,
            dispatcher=action.dispatcher,
            target=action.target or "",
            sensor=frame.message.sensor_id,
            detail=plain(action.metadata),
        )

    def _framed(self, frame: ResultFrame, action: Action) -> ActionFrame:
        return ActionFrame(
            data={"target": action.target, "payload": plain(action.payload)},
            meta={"agent": self.plan.name},
            message=frame.message,
            receipt=frame.receipt,
            pipeline=frame.pipeline,
            agent=self.plan.name,
            action=action,
        )


def _run_here(work: Coroutine[Any, Any, list[Action]]) -> list[Action]:
    """Run what awaits nothing in this thread: two hand-offs between threads fewer."""
    try:
        work.send(None)
    except StopIteration as end:
        found: list[Action] = end.value
        return found
    work.close()
    raise PipelineError("an agent that is quick has waited", hint="do not set 'quick'")
