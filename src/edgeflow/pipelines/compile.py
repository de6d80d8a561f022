"""From a checked declaration to the ``Graph`` that the runtime runs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from edgeflow.config import settings
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role
from edgeflow.core.qos import QoS
from edgeflow.pipelines.declaration import AgentPlan, ConnectorPlan, Declaration, PipelinePlan
from edgeflow.pipelines.nodes.action import ActionNode
from edgeflow.pipelines.nodes.agent import AgentNode
from edgeflow.pipelines.nodes.connector import ConnectorNode
from edgeflow.pipelines.nodes.dashboard import DashboardNode
from edgeflow.pipelines.nodes.pipeline import PipelineNode
from edgeflow.pipelines.session import Session

__all__ = ["Compiled", "compile_flow"]

RESULTS_WAITING = 64
"""Results that wait for an agent, and actions that wait for a dispatcher."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A graph and what its nodes are.

    Attributes:
        graph: ready to run.
        pipelines: ids of the pipelines by the names of their nodes.
    """

    graph: Graph
    pipelines: dict[str, str]


class _Names:
    """Gives each part a node name: its id, with its kind where another part has the same."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], str] = {}

    def give(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            taken = self._of.values()
            wanted = name
            while wanted in taken:
                wanted = f"{wanted}-{kind}"
            self._of[kind, name] = wanted

    def __call__(self, kind: str, name: str) -> str:
        return self._of[kind, name]


def compile_flow(declaration: Declaration, session: Session | None = None) -> Compiled:
    """Return the graph of a declaration; parts that nothing leads to are left out.

    Args:
        declaration: what the YAML says.
        session: what the nodes will share; None for a graph to look at only.
    """
    return _Compiler(declaration, session).compile()


class _Compiler:
    def __init__(self, declaration: Declaration, session: Session | None) -> None:
        self._declaration = declaration
        self._session = session
        fed = _reached(declaration)
        self._pipelines = [
            replace(plan, durable=self._is_durable(plan))
            for plan in declaration.pipelines
            if plan.name in fed
        ]
        named = {name for plan in self._pipelines for name in plan.options.agents}
        self._agents = [plan for plan in declaration.agents if plan.name in named]
        called = {name for plan in self._agents for name in plan.dispatchers}
        self._actions = [plan for plan in declaration.actions if plan.name in called]
        self._names = _Names()
        self._names.give("pipeline", (plan.name for plan in self._pipelines))
        self._names.give("connector", (plan.name for plan in declaration.connectors))
        self._names.give("agent", (plan.name for plan in self._agents))
        self._names.give("action", (plan.name for plan in self._actions))
        self._names.give("dashboard", ["dashboard"])

    def compile(self) -> Compiled:
        nodes = [*self._nodes()]
        links = [*self._links()]
        graph = Graph(self._declaration.name, tuple(nodes), tuple(links))
        return Compiled(graph, {self._names("pipeline", p.name): p.name for p in self._pipelines})

    # --- nodes -----------------------------------------------------------------------------

    def _nodes(self) -> Iterator[NodeSpec]:
        for connector in self._declaration.connectors:
            yield self._node("connector", Role.PRODUCER, ConnectorNode, connector)
        for pipeline in self._pipelines:
            takers = len({*pipeline.options.agents}) + len({*pipeline.options.then})
            yield self._node(
                "pipeline", Role.CONSUMER, PipelineNode, pipeline,
                replicas=pipeline.options.max_parallel, takers=takers, zones=self._zones(pipeline),
            )  # fmt: skip
        for agent in self._agents:
            yield self._node("agent", Role.CONSUMER, AgentNode, agent)
        for action in self._actions:
            yield self._node("action", Role.SINK, ActionNode, action)
        options = self._declaration.document.dashboard
        if options is not None:
            port = settings.GATEWAY_HTTP_PORT if options.port is None else options.port
            make = partial(
                DashboardNode, session=self._session, http_port=port, http_host=options.host
            )
            yield NodeSpec(self._names("dashboard", "dashboard"), Role.GATEWAY, make)

    def _node(
        self,
        kind: str,
        role: Role,
        cls: Callable[..., Any],
        plan: Any,
        *,
        replicas: int = 1,
        **more: Any,
    ) -> NodeSpec:
        return NodeSpec(
            name=self._names(kind, plan.name),
            role=role,
            factory=partial(cls, plan=plan, session=self._session, **more),
            replicas=replicas,
            place=plan.place,
        )

    def _zones(self, pipeline: PipelinePlan) -> list[dict[str, Any]]:
        """Return the polygons that agents of a pipeline look at."""
        zones = self._declaration.document.zones
        wanted: dict[str, list[str]] = {}
        for agent in self._agents:
            if agent.name in pipeline.options.agents:
                value = getattr(agent.options, "zone", None)
                names = value if isinstance(value, list | tuple) else [value]
                for name in names:
                    if name in zones:
                        wanted.setdefault(name, []).extend(getattr(agent.options, "labels", ()))
        return [
            {"name": name, "polygon": [list(p) for p in zones[name]], "labels": labels}
            for name, labels in wanted.items()
        ]

    # --- links -----------------------------------------------------------------------------

    def _links(self) -> Iterator[LinkSpec]:
        by_name = {plan.name: plan for plan in self._pipelines}
        for connector in self._declaration.connectors:
            for name in connector.pipelines:
                yield self._intake(connector, by_name[name])
        for pipeline in self._pipelines:
            yield from self._results(pipeline)
        for agent in self._agents:
            yield from self._commands(agent)

    def _intake(self, connector: ConnectorPlan, pipeline: PipelinePlan) -> LinkSpec:
        return LinkSpec(
            source=self._names("connector", connector.name),
            target=self._names("pipeline", pipeline.name),
            qos=pipeline.options.qos or connector.pipelines[pipeline.name],
            queue_size=pipeline.options.max_queue_depth,
            output=pipeline.name,
            place=connector.place,
        )

    def _results(self, pipeline: PipelinePlan) -> Iterator[LinkSpec]:
        source = self._names("pipeline", pipeline.name)
        for agent in dict.fromkeys(pipeline.options.agents):
            yield LinkSpec(
                source=source,
                target=self._names("agent", agent),
                qos=QoS.DURABLE if pipeline.durable else QoS.BALANCED,
                queue_size=RESULTS_WAITING,
                place=pipeline.place,
            )
        for name in dict.fromkeys(pipeline.options.then):
            yield self._onward(pipeline, name)
        if self._declaration.document.dashboard is not None:
            target = self._names("dashboard", "dashboard")
            yield LinkSpec(source, target, channel=pipeline.name, place=pipeline.place)

    def _onward(self, pipeline: PipelinePlan, name: str) -> LinkSpec:
        """Results on their way to another pipeline."""
        options = next(plan.options for plan in self._pipelines if plan.name == name)
        return LinkSpec(
            source=self._names("pipeline", pipeline.name),
            target=self._names("pipeline", name),
            qos=options.qos or (QoS.DURABLE if pipeline.durable else QoS.BALANCED),
            queue_size=options.max_queue_depth,
            place=pipeline.place,
        )

    def _commands(self, agent: AgentPlan) -> Iterator[LinkSpec]:
        """An action is never lost on its way to its dispatcher; a slow one holds its agent up."""
        for dispatcher in agent.dispatchers:
            yield LinkSpec(
                source=self._names("agent", agent.name),
                target=self._names("action", dispatcher),
                qos=QoS.DURABLE,
                queue_size=RESULTS_WAITING,
                output=dispatcher,
                place=agent.place,
            )

    def _is_durable(self, plan: PipelinePlan, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether its messages may not be lost: as it says, else as they come to it."""
        if plan.options.qos is not None:
            return plan.options.qos is QoS.DURABLE
        connectors = self._declaration.connectors
        if any(c.pipelines.get(plan.name) is QoS.DURABLE for c in connectors):
            return True
        seen |= {plan.name}
        before = (p for p in self._declaration.pipelines if plan.name in p.options.then)
        return any(self._is_durable(p, seen) for p in before if p.name not in seen)


def _reached(declaration: Declaration) -> set[str]:
    """Return the pipelines that messages of connectors come to, through others too."""
    found = {name for plan in declaration.connectors for name in plan.pipelines}
    onward = {plan.name: plan.options.then for plan in declaration.pipelines}
    new = list(found)
    while new:
        new = [name for each in new for name in onward.get(each, ()) if name not in found]
        found.update(new)
    return found
