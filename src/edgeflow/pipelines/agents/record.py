"""Passes results on as they are, for stores: nobody is told unless that fails."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.values import MISSING, PerSensor, find
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["Record", "RecordOptions"]


class RecordOptions(AgentOptions):
    """Keys of an agent of type ``record``."""

    every_s: float = Field(
        default=0.0, ge=0, description="Shortest time between two results of one sensor."
    )
    keys: list[str] | None = Field(
        default=None, max_length=256, description="Paths of what is passed on; all if left out."
    )


class Record(Agent):
    """Passes results on to an action, quietly and not too often."""

    quick = True
    Options = RecordOptions
    options: RecordOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._last: PerSensor[list[float]] = PerSensor(list)

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Pass a result on, if it is time."""
        last, now = self._last[message.sensor_id], self.clock()
        if last and now - last[0] < self.options.every_s:
            return []
        last[:] = [now]
        return [
            Action(
                dispatcher=self.options.dispatcher,
                target=self.options.target,
                payload={
                    "time": message.timestamp,
                    **self._chosen(payload),
                    "sensor": message.sensor_id,
                },
                metadata={"text": f"recorded {message.sensor_id}", "level": "info"},
                quiet=True,
            )
        ]

    def _chosen(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        if self.options.keys is None:
            return dict(payload)
        found = ((key, find(payload, key)) for key in self.options.keys)
        return {key: value for key, value in found if value is not MISSING}
