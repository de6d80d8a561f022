"""The way of a frame through a flow, drawn as bars over time. Pure."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeflow.cli.figures import milliseconds
from edgeflow.core.status import PathLatency, Segment

__all__ = ["bar", "path_panel"]

BAR_WIDTH = 40


def path_panel(path: PathLatency) -> RenderableType:
    """Return one path: its latency, a bar per segment where it lies in time, the bottleneck."""
    title = Text.assemble(
        (" → ".join(path.path), "bold"),
        f"  p50 {milliseconds(path.p50_ms)} ms, p99 {milliseconds(path.p99_ms)} ms"
        f" ({path.frames} frames)",
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    whole = max((s.start_ms + s.p50_ms for s in path.segments), default=0.0)
    for segment in path.segments:
        slowest = segment.name == path.bottleneck
        table.add_row(
            Text(segment.name, style="bold" if segment.kind == "node" else "dim"),
            Text(bar(segment, whole), style="red" if slowest else "cyan"),
            f"{milliseconds(segment.p50_ms)} ms",
            Text(f"p99 {milliseconds(segment.p99_ms)}", style="dim"),
            Text(_share(segment, path), style="red" if slowest else ""),
        )
    return Group(title, table, _verdict(path))


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
