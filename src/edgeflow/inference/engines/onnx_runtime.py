"""ONNX Runtime, imported the one way it is wanted: it tells nobody what runs here."""

import os
from typing import Any

from edgeflow.errors import MissingExtraError

__all__ = ["onnx_runtime"]


def onnx_runtime() -> Any:
    """Return the module.

    By itself it sends an identifier of the machine and what it loads to its makers, and leaves a
    file in the folder for temporary ones; ``ORT_DISABLE_TELEMETRY=0`` has it do so.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it looks once, while it is imported
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    return onnxruntime
