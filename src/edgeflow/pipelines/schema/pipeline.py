"""One entry under ``pipelines:``."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edgeflow.core.qos import QoS
from edgeflow.pipelines.schema.stages import Names, UsedModel, UsedStage

__all__ = ["OnDeadline", "PipelineOptions", "ThrottleOptions"]

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"


class OnDeadline(StrEnum):
    """What happens to a message that is too old for the pipeline's model."""

    DROP = "drop"
    DOWNGRADE = "downgrade"


class ThrottleOptions(BaseModel):
    """When sensors are asked to send less often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    high: float = Field(
        default=0.8, gt=0, le=1, description="Part of the queue that counts as full."
    )
    low: float = Field(
        default=0.2, ge=0, lt=1, description="Part of the queue that counts as free again."
    )
    hold_s: float = Field(default=1.0, ge=0, le=600, description="Seconds it has to stay so.")
    interval_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="Interval asked for; what the pipeline can take if left out.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "ThrottleOptions":
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


def _as_throttle(value: Any) -> Any:
    return {} if value is True else None if value is False else value


class PipelineOptions(BaseModel):
    """What is done with the messages of a route."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=NAME, description="Name of the pipeline, and of its node.")
    preprocess: UsedStage | None = Field(
        default=None, description="Stage that makes the model's inputs."
    )
    model: str | None = Field(default=None, min_length=1, description="Model to run.")
    models: list[UsedModel] = Field(
        default_factory=list,
        max_length=16,
        description="Several models, run at once on the same message; their results are merged.",
    )
    postprocess: UsedStage | None = Field(
        default=None, description="Stage that turns outputs into a result."
    )
    aggregate: UsedStage | None = Field(
        default=None, description="Stage that merges the results of several models."
    )
    agents: Names = Field(default_factory=list, description="Agents that look at each result.")
    then: Names = Field(
        default_factory=list,
        description="Pipelines that take each result as a message, with its sensor and time.",
    )
    deadline_ms: float | None = Field(
        default=None,
        gt=0,
        le=3_600_000,
        description="Age, from the sensor's own time, that is too old.",
    )
    on_deadline: OnDeadline = Field(
        default=OnDeadline.DROP, description="Drop what is too old, or run `downgrade` on it."
    )
    downgrade: UsedModel | None = Field(
        default=None, description="Cheaper model for messages that have used up their time."
    )
    downgrade_after_ms: float | None = Field(
        default=None, gt=0, description="Age from which `downgrade` is used; half of the deadline."
    )
    max_queue_depth: int = Field(
        default=64,
        ge=1,
        le=100_000,
        description="Messages that may wait; then the oldest is dropped.",
    )
    max_parallel: int = Field(default=1, ge=1, le=64, description="Messages worked on at once.")
    throttle: Annotated[ThrottleOptions | None, BeforeValidator(_as_throttle)] = Field(
        default=None, description="Ask sensors to send less often while the queue stays full."
    )
    qos: QoS | None = Field(
        default=None,
        description="`durable` loses nothing and holds the connector back, `balanced` drops the "
        "oldest, `realtime` keeps the newest only; if left out, as the connector delivers.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PipelineOptions":
        if self.model is not None and self.models:
            raise ValueError("has both 'model' and 'models'; keep one")
        if self.on_deadline is OnDeadline.DOWNGRADE:
            if self.downgrade is None:
                raise ValueError("on_deadline: downgrade needs 'downgrade', a cheaper model")
            if self.deadline_ms is None:
                raise ValueError("on_deadline: downgrade needs 'deadline_ms'")
            if (self.downgrade_after_ms or 0) >= self.deadline_ms:
                raise ValueError("downgrade_after_ms has to be below deadline_ms")
        elif self.downgrade is not None:
            raise ValueError("has 'downgrade', which needs on_deadline: downgrade")
        return self
