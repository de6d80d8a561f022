"""Another agent's actions, so many per time at most."""

import importlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, WithJsonSchema

from edgeflow.errors import did_you_mean
from edgeflow.pipelines.agents import BUILT_IN
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.values import PerSensor
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["Inner", "RateLimit", "RateLimitOptions", "TokenBucket"]


class Inner(BaseModel):
    """The agent whose actions are limited: its class and valid options."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    kind: type[Agent] = Field(exclude=True)
    options: SerializeAsAny[AgentOptions]


def _as_inner(value: Any) -> Any:
    """Return ``{type: ..., options...}`` of a built-in type as ``Inner``."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return value
    name = value["type"]
    if name not in BUILT_IN:
        raise ValueError(f"there is no agent type {name!r}: {did_you_mean(name, [*BUILT_IN])}")
    module, _, member = BUILT_IN[name].partition(":")
    kind = getattr(importlib.import_module(module), member)
    own = {key: each for key, each in value.items() if key != "type"}
    return Inner(kind=kind, options=kind.Options.model_validate(own))


class RateLimitOptions(AgentOptions):
    """Keys of an agent of type ``rate_limit``.

    ``dispatcher`` and ``target``, where they are given, replace those of the inner agent.
    """

    agent: Annotated[
        Inner,
        BeforeValidator(_as_inner),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
    ] = Field(description="The agent to limit: its name under `agents:`, or `type` and options.")
    actions: int = Field(default=1, ge=1, le=1_000_000, description="How many actions...")
    per_s: float = Field(default=60.0, gt=0, description="...in so many seconds.")
    burst: int | None = Field(
        default=None, ge=1, description="How many at once after a quiet time; as `actions`."
    )
    per_sensor: bool = Field(default=True, description="Each sensor has its own limit.")


class TokenBucket:
    """Allows ``rate`` a second on average, and ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled: float | None = None

    def take(self, now: float) -> bool:
        """Return whether one more is allowed at ``now`` seconds, and count it."""
        if self._filled is not None:
            passed = max(0.0, now - self._filled)
            self._tokens = min(self._burst, self._tokens + passed * self._rate)
        self._filled = now
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True


class _Limit(msgspec.Struct, eq=False):
    bucket: TokenBucket
    suppressed: int = 0


class RateLimit(Agent):
    """Runs another agent and passes on only so many of its actions.

    An action that is passed on says in its metadata how many before it were not: ``suppressed``.
    """

    Options = RateLimitOptions
    options: RateLimitOptions

    def __init__(
        self,
        name: str,
        options: Any,
        *,
        zones: Mapping[str, Any] | None = None,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name, options, zones=zones, clock=clock)
        own = self.options
        self._agent = own.agent.kind(name, own.agent.options, zones=zones, clock=clock)
        self.quick = self._agent.quick
        self._limits: PerSensor[_Limit] = PerSensor(
            lambda: _Limit(TokenBucket(own.actions / own.per_s, own.burst or own.actions))
        )

    async def start(self) -> None:
        """Start the inner agent."""
        await self._agent.start()

    async def stop(self) -> None:
        """Stop the inner agent."""
        await self._agent.stop()

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Let the inner agent decide and pass on what the limit allows."""
        actions = await self._agent.handle(message=message, payload=payload, latency_ms=latency_ms)
        limit = self._limits[message.sensor_id if self.options.per_sensor else ""]
        passed = []
        for action in actions:
            if limit.bucket.take(self.clock()):
                passed.append(self._changed(action, limit.suppressed))
                limit.suppressed = 0
            else:
                limit.suppressed += 1
        return passed

    def _changed(self, action: Action, suppressed: int) -> Action:
        given = self.options.model_fields_set & {"dispatcher", "target"}
        metadata = {**action.metadata, "suppressed": suppressed} if suppressed else action.metadata
        replaced: dict[str, Any] = {key: getattr(self.options, key) for key in given}
        return msgspec.structs.replace(action, metadata=metadata, **replaced)
