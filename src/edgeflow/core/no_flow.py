"""What the dashboard sees of a flow where none runs: a system of devices alone."""

import time
from collections.abc import Sequence
from typing import Any

from edgeflow.core.histogram import Histogram
from edgeflow.core.ports import FrameTap
from edgeflow.core.status import FlowStatus, LogLine, PathLatency, TraceRecord
from edgeflow.errors import ConfigError

__all__ = ["NoFlow"]


class NoFlow:
    """A ``FlowView`` and ``FrameSource`` without a node.

    Args:
        app: what the dashboard calls the system.
    """

    def __init__(self, app: str) -> None:
        self._app = app
        self._started = time.time()

    def status(self) -> FlowStatus:
        """Return a flow without nodes."""
        return FlowStatus(app=self._app, mode="devices", started=self._started, time=time.time())

    def graph(self) -> dict[str, Any]:
        """Return a graph without nodes."""
        return {"name": self._app, "nodes": [], "links": []}

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        """Return no line."""
        return []

    def paths(self) -> list[PathLatency]:
        """Return no path."""
        return []

    def traces(self, limit: int = 256) -> list[TraceRecord]:
        """Return no trace."""
        return []

    def histograms(self) -> tuple[dict[str, Histogram], dict[tuple[str, str], Histogram]]:
        """Return no histogram."""
        return {}, {}

    def clock_offsets_ns(self) -> dict[str, int]:
        """Return no host."""
        return {}

    def topics(self) -> list[str]:
        """Return no topic."""
        return []

    def tap(self, topics: Sequence[str], *, latest: bool = True) -> FrameTap:
        """Refuse: there is nothing to listen to.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{self._app} has no topic {', '.join(topics)!r}")
