"""Boards that are only software: the firmware core behind a serial port, with flash and loader."""

from importlib import import_module
from typing import Any

__all__ = ["VirtualBoard", "VirtualBoards"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("edgeflow.devices.virtual.board"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
