"""Loaded models: one interface, one module per runtime."""

from typing import TYPE_CHECKING, Any

from edgeflow.inference.engines.base import Engine, EngineSpec, TensorSpec

if TYPE_CHECKING:
    from edgeflow.inference.engines.open import is_model, open_engine

__all__ = ["Engine", "EngineSpec", "TensorSpec", "is_model", "open_engine"]


def __getattr__(name: str) -> Any:
    if name in ("is_model", "open_engine"):
        from edgeflow.inference.engines import open as opening

        return getattr(opening, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
