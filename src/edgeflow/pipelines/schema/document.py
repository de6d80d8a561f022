"""The whole file. Options of a type are checked against that type's own model, in the loader."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from edgeflow.pipelines.schema.gateway import GatewayOptions
from edgeflow.pipelines.schema.pipeline import NAME, PipelineOptions
from edgeflow.pipelines.schema.stages import Names

__all__ = ["ActionEntry", "AgentEntry", "ConnectorEntry", "DashboardOptions", "Document", "Point"]

Name = Annotated[str, Field(pattern=NAME)]
_Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[_Unit, _Unit]


class ConnectorEntry(BaseModel):
    """A source of messages; further keys are the options of its type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(pattern=NAME, description="Name of the connector, and of its node.")
    type: str = Field(min_length=1, description="Built-in type, entry point, or dotted path.")


class AgentEntry(BaseModel):
    """A decision; further keys are the options of its type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str | None = Field(
        default=None,
        min_length=1,
        description="Built-in type, entry point, or dotted path; else its name.",
    )


class ActionEntry(BaseModel):
    """A way to act on the outside; further keys are the options of its type."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str | None = Field(
        default=None,
        min_length=1,
        description="Built-in type, entry point, or dotted path; else its name.",
    )


class DashboardOptions(BaseModel):
    """The web pages of the flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port; `GATEWAY_HTTP_PORT` or 8000, 0 for a free one.",
    )
    host: str | None = Field(
        default=None, description="Address to bind; `EDGEFLOW_BIND` or loopback."
    )


def _as_dashboard(value: Any) -> Any:
    return {} if value is True else None if value is False else value


def _as_points(value: Any) -> Any:
    return value.get("polygon") if isinstance(value, dict) and "polygon" in value else value


def _has_area(points: list[Point]) -> list[Point]:
    area = sum(
        x1 * y2 - x2 * y1
        for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True)
    )
    if abs(area) < 1e-9:
        raise ValueError("the polygon has no area")
    return points


Zone = Annotated[
    list[Point],
    Field(min_length=3, max_length=256),
    AfterValidator(_has_area),
    BeforeValidator(_as_points),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 3,
            "items": {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "items": {"type": "number", "minimum": 0, "maximum": 1},
            },
        }
    ),
]


class Document(BaseModel):
    """A ``pipelines.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = Field(default=1, description="Version of this format.")
    name: str | None = Field(
        default=None, pattern=NAME, description="Name of the flow; the file's name."
    )
    gateway: GatewayOptions = Field(default=GatewayOptions(), description="Where the models are.")
    gateways: dict[Name, GatewayOptions] = Field(
        default_factory=dict, description="Further gateways by name."
    )
    model_affinity: dict[str, Names] = Field(
        default_factory=dict,
        description="Gateways by model (or pattern such as `yolo*`); `default` is `gateway`.",
    )
    connectors: list[ConnectorEntry] = Field(
        min_length=1, max_length=256, description="Where messages come from."
    )
    pipelines: list[PipelineOptions] = Field(
        min_length=1, max_length=256, description="What is done with them."
    )
    agents: dict[Name, AgentEntry] = Field(
        default_factory=dict, description="What is decided on results."
    )
    actions: dict[Name, ActionEntry] = Field(
        default_factory=dict, description="How decisions are carried out."
    )
    zones: dict[Name, Zone] = Field(
        default_factory=dict, description="Polygons: points (x, y) from 0 to 1 of the picture."
    )
    metrics_port: int | None = Field(
        default=9108,
        ge=-1,
        le=65535,
        description="Port of /healthz, /readyz and /metrics; 0 for a free one, -1 or null: none.",
    )
    dashboard: Annotated[DashboardOptions | None, BeforeValidator(_as_dashboard)] = Field(
        default=DashboardOptions(), description="The web pages; `false` for none."
    )
    deploy: dict[str, Any] = Field(
        default_factory=dict,
        description="What `edgeflow deploy` asks of the place where the flow will run.",
    )
