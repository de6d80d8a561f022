"""An agent of one's own: tells how many people are in the picture when that changes."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.message import Action, EdgeMessage


class HeadcountOptions(AgentOptions):
    """Keys in the YAML beside ``type``."""

    settle_s: float = Field(default=1.0, ge=0, description="How long a number must last.")


class Headcount(Agent):
    """Waits until a new number has lasted, so that one missed detection changes nothing."""

    Options = HeadcountOptions

    async def start(self) -> None:
        """Begin with no number."""
        self.told: int | None = None
        self.seen = 0
        self.since = 0.0

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Count the people of one picture."""
        people = sum(found["label"] == "person" for found in payload["detections"])
        if people != self.seen:
            self.seen, self.since = people, self.clock()
        if people == self.told or self.clock() - self.since < self.options.settle_s:
            return []
        self.told = people
        return [
            Action(
                dispatcher=self.options.dispatcher,
                target=self.options.target,
                payload={"people": people},
                metadata={"text": f"{people} people in the street", "level": "info"},
            )
        ]
