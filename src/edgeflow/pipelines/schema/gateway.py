"""Where models run: ``gateway:``, ``gateways:`` and ``model_affinity:``."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BreakerOptions", "GatewayOptions"]


class BreakerOptions(BaseModel):
    """When a gateway that fails is left alone for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(default=5, ge=1, le=1000, description="Failures in a row that open it.")
    rest_s: float = Field(
        default=2.0, gt=0, le=3600, description="Seconds until one request tries again, at first."
    )


class GatewayOptions(BaseModel):
    """A server of models, or a folder of models that run in this process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Host of the tensor TCP server."
    )
    port: int = Field(default=8008, ge=1, le=65535, description="Its port.")
    pool_size: int = Field(default=4, ge=1, le=256, description="Connections kept open.")
    timeout_s: float = Field(default=3.0, gt=0, le=600, description="Seconds a request may take.")
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Times a failed request is tried again on a fresh socket.",
    )
    models: str | None = Field(
        default=None,
        min_length=1,
        description="Folder of models or a `models.yaml`: they run in this process, and host and "
        "port are not used.",
    )
    fallback: dict[str, str] = Field(
        default_factory=dict,
        description="Model to ask instead, by the name of one that cannot answer.",
    )
    breaker: BreakerOptions = Field(
        default=BreakerOptions(), description="Circuit breaker of this gateway."
    )
