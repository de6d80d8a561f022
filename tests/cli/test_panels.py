"""Tables and waterfalls, rendered to text."""

import io

import pytest
from rich.console import Console

from edgeflow.cli.display.figures import duration, milliseconds, rate, size
from edgeflow.cli.display.panels import flow_panel
from edgeflow.cli.display.waterfall import bar, path_panel
from edgeflow.core.status import FlowStatus, NodeStatus, PathLatency, Segment


def text_of(thing, *, colour=False):
    out = io.StringIO()
    Console(file=out, width=140, force_terminal=colour, highlight=False).print(thing)
    return out.getvalue()


def test_a_flow_has_a_row_per_node_and_link(small_flow):
    lines = text_of(flow_panel(small_flow.status())).splitlines()
    camera = next(line for line in lines if line.startswith("camera ")).split()
    assert " ".join(camera) == "camera producer running 0.0 30.0 0 5,550 0 0 1.23 -"
    detector = next(line for line in lines if line.startswith("detector 1/2")).split()
    assert " ".join(detector) == "detector 1/2 consumer failed 29.9 0.0 5,000 0 3 2 - 123"
    link = next(line for line in lines if line.startswith("camera →")).split()
    assert " ".join(link) == "camera → detector realtime memory 29.9 1/1 550 0 4.8 MiB 0.05 -"


def test_what_is_wrong_stands_out(small_flow):
    text = text_of(flow_panel(small_flow.status()), colour=True)
    assert "\x1b[1;31mfailed" in text
    assert "\x1b[32mrunning\x1b[0m" in text


def test_a_flow_without_links_has_no_link_table():
    status = FlowStatus(
        app="one", mode="node", started=1, time=2, nodes=[NodeStatus(name="a", role="sink")]
    )
    assert "queue" not in text_of(flow_panel(status))


def test_the_bottleneck_is_named_and_marked(small_flow):
    text = text_of(path_panel(small_flow.paths()[0]), colour=True)
    assert "\x1b[1mcamera → detector\x1b[0m" in text
    assert "\x1b[1;31minside node detector\x1b[0m" in text


def test_bars_lie_where_the_time_is():
    assert bar(segment(0, 5), 10, width=10) == "█████"
    assert bar(segment(5, 5, "link"), 10, width=10) == "     ─────"
    assert bar(segment(10, 0), 10, width=10) == "         █"
    assert bar(segment(-3, 40), 10, width=10) == "██████████"
    assert bar(segment(0, 0), 0) == ""


def test_a_path_without_segments_has_no_bottleneck():
    path = PathLatency(path=["a"], frames=0, p50_ms=0, p99_ms=0, bottleneck="", segments=[])
    assert "no bottleneck yet" in text_of(path_panel(path))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"), (4.25, "4.2 s"), (59.9, "59.9 s"), (185, "3 min 05 s"),
        (3600, "1 h 00 min"), (7620, "2 h 07 min"), (86399, "23 h 59 min"),
        (86400, "1 d 00 h"), (3 * 86400 + 7300, "3 d 02 h"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_figures():
    assert [rate(x) for x in (0, 29.97, 99.94, 1234.5)] == ["0.0", "30.0", "99.9", "1,234"]
    assert [milliseconds(x) for x in (0, 0.051, 9.99, 12.34, 1234)] == [
        "-", "0.05", "9.99", "12.3", "1,234",
    ]  # fmt: skip
    assert [size(x) for x in (0, 1023, 1536, 5 * 1024**3, 2 * 1024**4)] == [
        "0 B", "1023 B", "1.5 KiB", "5.0 GiB", "2.0 TiB",
    ]  # fmt: skip


def segment(start, length, kind="node"):
    return Segment(kind=kind, name="x", start_ms=start, p50_ms=length, p99_ms=length)
