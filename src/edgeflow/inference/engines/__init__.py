"""Loaded models: one interface, one module per runtime."""

from edgeflow.inference.engines.base import Engine, EngineSpec, TensorSpec

__all__ = ["Engine", "EngineSpec", "TensorSpec"]
