"""What may be said about a model beside its file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "BatchSettings",
    "ListedModel",
    "ModelList",
    "ModelSettings",
    "QueueSettings",
    "ServerSettings",
]


def _as_text(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("put the version in quotes: 1.10 without them is the number 1.1")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Version = Annotated[str, BeforeValidator(_as_text)]

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
    version: Version | None = None
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


class _Tensor(BaseModel):
    """A tensor as ``models.yaml`` describes it for people; what the file says decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    dtype: str = ""
    layout: str = ""
    shape: tuple[int, ...] = ()


class ListedModel(ModelSettings):
    """One entry of ``models`` in ``models.yaml``."""

    id: str
    """How requests call it."""
    engine: str
    """Its file; or ``module:function`` or the URL of a remote model."""
    concurrency: Count | None = None
    """Another name of ``instances``."""
    input: _Tensor | tuple[_Tensor, ...] | None = None
    """For people: a model's own file says what it takes."""
    outputs: tuple[_Tensor, ...] = ()
    """For people."""


class ServerSettings(_Strict):
    """``server`` of ``models.yaml``."""

    host: str | None = None
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """TCP port of the tensor protocol."""
    http_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port of the Open Inference Protocol over HTTP."""
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port of the Open Inference Protocol over gRPC."""
    max_clients: Annotated[int, Field(ge=1, le=65536)] = 256
    """Connections at once."""
    read_timeout_ms: Annotated[int, Field(ge=1)] = 30_000
    """Longest wait for the rest of a message that has begun."""
    write_timeout_ms: Annotated[int, Field(ge=1)] = 30_000
    """Longest wait for a client that does not read its answers."""
    queue_depth: Annotated[int, Field(ge=1, le=65536)] = 1024
    """Requests that may wait, of each model that does not say otherwise."""


class ModelList(_Strict):
    """``models.yaml``."""

    server: ServerSettings = ServerSettings()
    """How to serve."""
    models: Annotated[tuple[ListedModel, ...], Field(min_length=1, max_length=1000)]
    """What to serve."""
