"""What an agent is: it looks at results and decides."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict, Field

from edgeflow.pipelines.message import Action, EdgeMessage
from edgeflow.pipelines.schema.stages import Names

__all__ = ["Agent", "AgentOptions"]


class AgentOptions(BaseModel):
    """Keys of an agent in the YAML beside ``type``; subclasses add theirs.

    Attributes:
        dispatcher: name under ``actions:`` of what carries its actions out.
        target: overrides the dispatcher's own target.
        also: further names under ``actions:`` that get each action, at their own target.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dispatcher: str = "log"
    target: str | None = None
    also: Names = Field(default=[], max_length=16)


class Agent(ABC):
    """Decides on actions. Runs on the shared event loop: it awaits and never blocks.

    An exception is counted and logged, and the flow goes on.

    Args:
        name: its key in the YAML.
        options: validated options.
        zones: polygons by name from ``zones:`` of the YAML: points (x, y) from 0 to 1.
        clock: monotonic seconds; injected so that tests need not wait.

    Attributes:
        quick: its ``handle`` awaits nothing and needs no event loop: then it runs in the thread
            that has the result, which is cheaper.
    """

    quick: bool = False
    Options: ClassVar[type[AgentOptions]] = AgentOptions

    def __init__(
        self,
        name: str,
        options: Any,
        *,
        zones: Mapping[str, Any] | None = None,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.options = options
        self.zones = dict(zones or {})
        self.clock = clock
        self.log: Any = structlog.get_logger("edgeflow.agent").bind(agent=name)

    async def start(self) -> None:
        """Prepare."""

    async def stop(self) -> None:
        """Release everything."""

    @abstractmethod
    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Look at one result and return what is to be done about it.

        Args:
            message: the decoded message: ``payload`` is what its serializer made of it (a dict,
                JPEG bytes, an array), ``metadata`` what stages have noted.
            payload: the result of the pipeline: the keys of the postprocessor (``detections``,
                ``classes``, ``score``...) over those of the decoded input where that is a dict.
            latency_ms: age of the message, from the sensor's own time.
        """
