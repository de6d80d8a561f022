"""Ready sinks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.nodes.sinks.database import StoreSink
    from edgeflow.nodes.sinks.jsonlines import JsonLinesSink
    from edgeflow.nodes.sinks.recording import RecordingSink
    from edgeflow.nodes.sinks.video import VideoSink

__all__ = ["JsonLinesSink", "RecordingSink", "StoreSink", "VideoSink"]

_HOMES = {
    "JsonLinesSink": "jsonlines",
    "RecordingSink": "recording",
    "StoreSink": "database",
    "VideoSink": "video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
