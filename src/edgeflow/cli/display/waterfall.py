"""The way of a frame through a flow, drawn as bars over time. Pure."""

from rich.console import Group, RenderableType
from rich.text import Text

from edgeflow.cli.display.columns import Column, table_of
from edgeflow.cli.display.figures import milliseconds
from edgeflow.core.status import PathLatency, Segment

__all__ = ["bar", "path_panel"]

BAR_WIDTH = 40
_FIGURES_WIDTH = 36
"""Columns that the figures of a row take at most."""


def path_panel(path: PathLatency, width: int = 160) -> RenderableType:
    """Return one path: its latency, a bar per segment where it lies in time, the bottleneck."""
    names = max((len(segment.name) for segment in path.segments), default=0)
    columns = min(BAR_WIDTH, max(5, width - names - _FIGURES_WIDTH))
    title = Text.assemble(
        (" → ".join(path.path), "bold"),
        f"  p50 {milliseconds(path.p50_ms)} ms, p99 {milliseconds(path.p99_ms)} ms"
        f" ({path.frames} frames)",
    )
    segments = path.segments
    whole = max((s.start_ms + s.p50_ms for s in segments), default=0.0)
    styles = ["red" if segment.name == path.bottleneck else "cyan" for segment in segments]
    bars = [bar(segment, whole, columns).ljust(columns) for segment in segments]
    table = table_of(
        [
            Column("", [_segment_name(segment) for segment in segments], 5, left=True),
            Column("", list(map(Text, bars, styles)), 1, left=True),
            Column("", [f"{milliseconds(segment.p50_ms)} ms" for segment in segments], 4),
            Column("", [f"p99 {milliseconds(segment.p99_ms)}" for segment in segments], 2),
            Column("", [_share(segment, path) for segment in segments], 3),
        ],
        width,
    )
    return Group(title, table, _verdict(path))


def _segment_name(segment: Segment) -> Text:
    return Text(segment.name, style="bold" if segment.kind == "node" else "dim")


def bar(segment: Segment, whole_ms: float, width: int = BAR_WIDTH) -> str:
    """Return a bar of at least one cell, where the segment lies within ``whole_ms``."""
    if whole_ms <= 0:
        return ""
    start = min(width - 1, int(max(0.0, segment.start_ms) / whole_ms * width))
    length = max(1, round(segment.p50_ms / whole_ms * width))
    filled = "█" if segment.kind == "node" else "─"
    return " " * start + filled * min(length, width - start)


def _share(segment: Segment, path: PathLatency) -> str:
    total = sum(other.p50_ms for other in path.segments)
    return f"{segment.p50_ms / total:.0%}" if total > 0 else ""


def _verdict(path: PathLatency) -> Text:
    slowest = next((s for s in path.segments if s.name == path.bottleneck), None)
    if slowest is None:
        return Text("no bottleneck yet")
    kind = "inside node" if slowest.kind == "node" else "on link"
    return Text.assemble(
        "bottleneck: ", (f"{kind} {slowest.name}", "bold red"), f", {_share(slowest, path)}"
    )
