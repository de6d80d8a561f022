"""What may be said about a model beside its file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BatchSettings", "ModelSettings", "QueueSettings"]

Count = Annotated[int, Field(ge=1, le=1024)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class QueueSettings(_Strict):
    """Requests that wait."""

    capacity: Annotated[int, Field(ge=1, le=65536)] = 256
    """How many."""
    policy: Literal["reject", "drop_oldest", "block"] = "reject"
    """Who gives way when they are more."""


class BatchSettings(_Strict):
    """Requests computed in one call; only for models whose first axes are free."""

    max_batch: Annotated[int, Field(ge=1, le=4096)] = 1
    """Rows of the first axis in one call; 1 for no batching."""
    max_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Longest wait of a request for others to join it."""


class ModelSettings(_Strict):
    """How a model is served."""

    pinned: bool = False
    """Loaded at the start, never unloaded, and part of readiness."""
    version: str | None = None
    """The version that answers; the newest if not given."""
    device: str = "auto"
    """Where to run: ``auto``, ``cpu``, ``cuda``..."""
    instances: Count | None = None
    """Calls that may run at once; as many as the cores allow if not given."""
    threads: Count = 1
    """Cores that one call takes."""
    queue: QueueSettings = QueueSettings()
    """Requests that wait."""
    batching: BatchSettings = BatchSettings()
    """Requests computed together."""
    labels: tuple[str, ...] | str = ()
    """Names of the classes, or a text file beside the model with one on each line."""
    idle_unload_s: Annotated[float, Field(ge=0)] = 0.0
    """Unload after so many seconds without a request; 0 for never."""
    warm_up: bool = True
    """Run once on zeros before the first request."""
    options: dict[str, Any] = {}
    """What the engine's class takes besides, such as ``inputs`` and ``outputs``."""
