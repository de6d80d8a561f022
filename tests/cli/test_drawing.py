"""Graphs drawn as text."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.cli.display.drawing import draw
from edgeflow.cli.display.outline import outline
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, OnError, Role
from edgeflow.core.qos import QoS


def graph(nodes, links):
    roles = {"p": Role.PRODUCER, "c": Role.CONSUMER, "f": Role.FUSION, "s": Role.SINK}
    specs = [NodeSpec(name, roles.get(name[0], Role.GATEWAY), object) for name in nodes.split()]
    pairs = [link.split(">") for link in links.split()]
    return Graph("g", tuple(specs), tuple(LinkSpec(*pair) for pair in pairs))


def test_a_chain_is_a_straight_line():
    assert draw(graph("p c s", "p>c c>s")).splitlines() == [
        "┌──────────┐   ┌──────────┐   ┌──────┐",
        "│ p        │──▶│ c        │──▶│ s    │",
        "│ producer │   │ consumer │   │ sink │",
        "└──────────┘   └──────────┘   └──────┘",
    ]


def test_links_branch_off_one_trunk_and_join():
    assert draw(graph("p c1 c2 gate", "p>c1 p>c2 c1>gate c2>gate")).splitlines() == [
        "┌──────────┐     ┌──────────┐",
        "│ p        │─┬──▶│ c1       │─╮",
        "│ producer │ │   │ consumer │ │     ┌─────────┐",
        "└──────────┘ │   └──────────┘ ╰─┬──▶│ gate    │",
        "             │                  │   │ gateway │",
        "             │   ┌──────────┐   │   └─────────┘",
        "             ╰──▶│ c2       │───╯",
        "                 │ consumer │",
        "                 └──────────┘",
    ]


def test_a_crossing_is_no_joint():
    text = draw(graph("p1 p2 c1 c2", "p1>c2 p2>c1"))
    tracer = Tracer(text)
    assert tracer.targets("p1") == {"c2"}
    assert tracer.targets("p2") == {"c1"}


def test_links_that_are_not_plain_are_listed():
    links = (LinkSpec("p", "c", qos=QoS.DURABLE, codec="jpeg:80"), LinkSpec("c", "s"))
    text = draw(Graph("g", graph("p c s", "").nodes, links))
    assert text.endswith("\n\np ─▶ c  durable, codec jpeg:80")


@pytest.mark.parametrize("links", ["p>c c>p", "p>c c>nobody", "p>c c>c"])
def test_what_cannot_be_placed_is_listed(links):
    text = draw(graph("p c s", links))
    assert text.splitlines()[0].split() == ["●", "p", "producer", "─▶", "c"]
    assert "┌" not in text


def test_what_is_too_wide_is_listed():
    names = " ".join(f"c{i}" for i in range(12))
    links = " ".join(f"{a}>{b}" for a, b in itertools.pairwise(names.split()))
    assert "┌" not in draw(graph(names, links), width=80)
    assert "┌" in draw(graph(names, links), width=400)


def test_an_empty_graph_is_nothing():
    assert draw(Graph("g")) == ""


@given(st.data())
def test_every_declared_link_can_be_followed(data):
    names = [f"c{i}" for i in range(data.draw(st.integers(1, 6)))]
    pairs = list(itertools.combinations(names, 2))
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    text = draw(graph(" ".join(names), " ".join(f"{a}>{b}" for a, b in chosen)), width=1000)
    for name in names:
        assert f"│ {name} " in text
        reached = Tracer(text).targets(name)
        assert {b for a, b in chosen if a == name} <= reached


def test_the_outline_names_places_options_and_policies():
    nodes = (
        NodeSpec("p", Role.PRODUCER, object, options={"fps": 30}, device="cam", place="main.py:4"),
        NodeSpec("s", Role.SINK, object, replicas=2, on_error=OnError.SKIP, place="main.py:9"),
    )
    text = outline(Graph("g", nodes, (LinkSpec("p", "s", queue_size=8, channel="x"),)))
    assert text.splitlines() == [
        "g: 2 nodes, 1 link, no problems",
        "",
        "p  producer  main.py:4  device=cam fps=30",
        "s  sink      main.py:9  replicas=2 on_error=skip",
        "",
        "p ─▶ s  realtime, holds 8, as 'x'",
    ]


class Tracer:
    """Follows the lines of a drawing as an eye would."""

    OPEN = {
        "─": "LR", "│": "UD", "╭": "DR", "╮": "DL", "╰": "UR", "╯": "UL",
        "├": "UDR", "┤": "UDL", "┬": "LRD", "┴": "LRU", "┼": "LRUD",
    }  # fmt: skip
    STEP = {"L": (-1, 0), "R": (1, 0), "U": (0, -1), "D": (0, 1)}
    BACK = {"L": "R", "R": "L", "U": "D", "D": "U"}

    def __init__(self, text):
        self.rows = text.splitlines()

    def at(self, x, y):
        inside = 0 <= y < len(self.rows) and 0 <= x < len(self.rows[y])
        return self.rows[y][x] if inside else " "

    def targets(self, name):
        start_y = next(y for y, row in enumerate(self.rows) if f"│ {name} " in row)
        x = self.rows[start_y].index(f"│ {name} ") + 1
        x = self.rows[start_y].index("│", x) + 1
        found, seen, paths = set(), set(), [(x, start_y, "R")]
        while paths:
            x, y, heading = paths.pop()
            if (x, y, heading) in seen:
                continue
            seen.add((x, y, heading))
            character = self.at(x, y)
            if character == "▶":
                found.add(self.rows[y][x + 1 :].split("│")[1].split()[0])
                continue
            ways = self.OPEN.get(character, "")
            if heading in "LR" and ways == "UD":  # the line goes on beneath a crossing
                ways = "LR"
            if self.BACK[heading] not in ways:
                continue
            for way in ways:
                if way != self.BACK[heading] and way != "L":
                    dx, dy = self.STEP[way]
                    paths.append((x + dx, y + dy, way))
        return found
