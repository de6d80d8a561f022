"""A checked ``pipelines.yaml``: every name resolved, every option valid; nothing is open yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError
from edgeflow.pipelines.actions.base import Dispatcher
from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.connectors.base import BaseConnector, RouteOptions
from edgeflow.pipelines.loading.plugins import PluginFolder
from edgeflow.pipelines.schema.document import Document
from edgeflow.pipelines.schema.pipeline import PipelineOptions

__all__ = [
    "ActionPlan",
    "AgentPlan",
    "ConnectorPlan",
    "Declaration",
    "ModelStep",
    "PipelinePlan",
    "Stage",
]


@dataclass(frozen=True, slots=True)
class Stage:
    """A function of the YAML with its options.

    Attributes:
        path: how the YAML names it.
    """

    path: str
    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        return self.function(*arguments, **self.options)


@dataclass(frozen=True, slots=True)
class ModelStep:
    """One model of a pipeline with the stages around it.

    Attributes:
        model: its name on the gateway; empty for a pipeline without a model.
    """

    model: str
    preprocess: Stage | None
    postprocess: Stage | None


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A pipeline to run.

    Attributes:
        steps: at least one; those that share a preprocessor share its work.
        cheaper: what runs instead on messages that are late, if the pipeline downgrades.
        durable: its messages are held and tried again while the gateway is away.
    """

    options: PipelineOptions
    steps: tuple[ModelStep, ...]
    aggregate: Stage | None = None
    cheaper: ModelStep | None = None
    durable: bool = False
    place: str = ""

    @property
    def name(self) -> str:
        """Its id."""
        return self.options.id


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """A connector to run.

    Attributes:
        pipelines: how messages go to each pipeline it feeds.
        ordinary: pipelines of messages that name none themselves.
    """

    name: str
    kind: type[BaseConnector]
    options: Any
    routes: tuple[RouteOptions, ...]
    pipelines: Mapping[str, QoS]
    ordinary: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """An agent to run; ``dispatchers`` are the actions it may call."""

    name: str
    kind: type[Agent]
    options: Any
    dispatchers: tuple[str, ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """A dispatcher to run."""

    name: str
    kind: type[Dispatcher]
    options: Any
    place: str = ""


@dataclass(frozen=True)
class Declaration:
    """Everything that a file says.

    Attributes:
        file: where it was read from.
        warnings: what is probably a mistake, each with its place.
        plugins: the user's modules; close it when the flow is over.
        models_place: where it names the models of this process.
    """

    file: Path
    document: Document
    connectors: tuple[ConnectorPlan, ...]
    pipelines: tuple[PipelinePlan, ...]
    agents: tuple[AgentPlan, ...]
    actions: tuple[ActionPlan, ...]
    warnings: tuple[ConfigError, ...]
    plugins: PluginFolder
    models_place: str = ""

    @property
    def name(self) -> str:
        """Name of the flow."""
        return self.document.name or self.file.stem

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models it uses."""
        steps = [s for p in self.pipelines for s in (*p.steps, p.cheaper) if s is not None]
        return tuple(dict.fromkeys(step.model for step in steps if step.model))
