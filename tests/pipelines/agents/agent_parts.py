"""What the tests of agents share: one agent with a clock that the test moves."""

import asyncio
from typing import Any

from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.message import Action, EdgeMessage


class Bench:
    """Feeds an agent results at chosen times."""

    def __init__(self, kind: type[Agent], zones: dict[str, Any] | None = None, **options: Any):
        self.now = 1000.0
        self.agent = kind(
            "agent", kind.Options(**options), zones=zones or {}, clock=lambda: self.now
        )

    def send(
        self,
        payload: dict[str, Any],
        *,
        after: float = 0.0,
        sensor: str = "s1",
        content: Any = b"",
        **metadata: Any,
    ) -> list[Action]:
        self.now += after
        message = EdgeMessage(
            sensor_id=sensor, payload=content, timestamp=1_700_000_000.0, metadata=metadata
        )
        return asyncio.run(self.agent.handle(message=message, payload=payload, latency_ms=1.0))

    def fires(self, payload: dict[str, Any], **options: Any) -> bool:
        return bool(self.send(payload, **options))
