"""The small ports through which the dashboard sees a flow without importing the runtime."""

from collections.abc import Sequence
from typing import Any, Protocol

from edgeflow.core.climate import (
    ClimateDevice,
    ClimateSummary,
    DeviceEdit,
    DeviceList,
    DevicePage,
    HealthPage,
    LearningPage,
    OverviewPage,
    WindowOrder,
)
from edgeflow.core.frame import Frame
from edgeflow.core.histogram import Histogram
from edgeflow.core.status import (
    Activity,
    DeviceStatus,
    FlowStatus,
    LogLine,
    ModelStatus,
    PathLatency,
    TraceRecord,
)

__all__ = [
    "ActivityView",
    "ClimateView",
    "DeviceView",
    "FlowView",
    "FrameSource",
    "FrameTap",
    "ModelView",
]


class FlowView(Protocol):
    """Reads a running flow. No call changes a counter."""

    def status(self) -> FlowStatus:
        """Return nodes and links as they are now."""
        ...

    def graph(self) -> dict[str, Any]:
        """Return the declared graph as JSON-like data (``edgeflow.core.render.to_json``)."""
        ...

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        """Return log lines with a number above ``after``, oldest first."""
        ...

    def paths(self) -> list[PathLatency]:
        """Return the latency of each path, longest median first."""
        ...

    def traces(self, limit: int = 256) -> list[TraceRecord]:
        """Return the latest finished traces, oldest first."""
        ...

    def histograms(self) -> tuple[dict[str, Histogram], dict[tuple[str, str], Histogram]]:
        """Return the processing time per node, and the transit time per (source, target) link."""
        ...

    def clock_offsets_ns(self) -> dict[str, int]:
        """Return, per host, what to add to its monotonic stamps to compare them with ours."""
        ...


class FrameTap(Protocol):
    """A listener on topics that disturbs nobody: it takes no work and holds nothing back."""

    def receive(self, timeout: float) -> Frame | None:
        """Return the next frame, or None after ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class FrameSource(Protocol):
    """Gives access to the frames of a running flow."""

    def topics(self) -> list[str]:
        """Return the topics that can be tapped."""
        ...

    def tap(self, topics: Sequence[str], *, latest: bool = True) -> FrameTap:
        """Listen on ``topics``: the newest frame of each, or every frame (bounded, drops counted).

        Raises:
            ConfigError: a topic does not exist.
        """
        ...


class ModelView(Protocol):
    """Reads the models that a flow uses."""

    def models(self) -> list[ModelStatus]:
        """Return every model as it is now."""
        ...


class ActivityView(Protocol):
    """Reads what happened: alerts, actions and their results."""

    def activities(self, after: int = 0, limit: int = 200) -> list[Activity]:
        """Return what has a number above ``after``, oldest first; the newest ``limit`` of them."""
        ...


class DeviceView(Protocol):
    """Reads the devices that a system serves, and changes their models."""

    def devices(self) -> list[DeviceStatus]:
        """Return every device as it is now. Never waits for a wire."""
        ...

    def swap(self, device: str, file: bytes, model: int = 0) -> None:
        """Start to put a model on a device and return; its status tells how far it is.

        Raises:
            ConfigError: no such device, the file is no model, or it does not fit.
            OverloadedError: a swap runs there already.
        """
        ...

    def roll_back(self, device: str, model: int = 0) -> None:
        """Start to go back to the model before, likewise."""
        ...


class ClimateView(Protocol):
    """Shows a climate system, and does what people want of it. Thread-safe.

    Questions are answered from the store within seconds, or from an answer a few seconds old.
    Every call but ``summary`` and ``health`` raises StoreError while the store is away,
    OverloadedError when too many ask, and ConfigError with the code EF-DEVICE-404 for a device
    that is not known.
    """

    def summary(self) -> ClimateSummary:
        """Return the system in a few numbers, without asking the store."""
        ...

    def devices(
        self, *, group: str = "", tag: str = "", search: str = "", after: str = "", limit: int = 200
    ) -> DeviceList:
        """Return devices behind the id ``after``, whose id, name or location has ``search``."""
        ...

    def overview(self, seconds: float, *, group: str = "") -> OverviewPage:
        """Return the last so many seconds of all devices, or of a group."""
        ...

    def device(self, device: str, seconds: float) -> DevicePage:
        """Return the last so many seconds of a device."""
        ...

    def learning(self, seconds: float) -> LearningPage:
        """Return the last so many seconds of the model."""
        ...

    def health(self, seconds: float) -> HealthPage:
        """Return the last so many seconds of services, messages and errors."""
        ...

    def edit(self, device: str, edit: DeviceEdit) -> ClimateDevice:
        """Change what people set of a device."""
        ...

    def configuration(self, device: str) -> dict[str, Any]:
        """Return what a device was told, what it answered, and how that stands."""
        ...

    def configure(self, device: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Tell a device settings, beside those it was told before; one that is None is not told.

        Raises:
            ConfigError: no device could take them.
        """
        ...

    def remove(self, device: str, *, forget_data: bool = False) -> int:
        """Take a device out of the registry; return how many rows of its data were deleted.

        It is a new one when it speaks again.
        """
        ...

    def set_window(self, device: str, order: WindowOrder) -> None:
        """Tell a window, and those who learn, what a person wants.

        Raises:
            CommsError: the broker did not take it.
        """
        ...

    def promote(self, version: str) -> None:
        """Let another version of the model decide from now on.

        Raises:
            ConfigError: the versions of the model are not here.
            EngineError: there is no such version, or it is damaged.
        """
        ...

    def roll_back(self) -> str:
        """Let the version before decide again, and return its name.

        Raises:
            ConfigError: the versions are not here, or none is before the one in use.
        """
        ...
