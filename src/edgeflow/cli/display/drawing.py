"""Draws a graph with boxes and lines for a terminal.

Nodes stand in layers from left to right. A source has one trunk per gap between layers, from
which its links branch off; a link that skips layers runs through them in a row of its own.
"""

from dataclasses import dataclass, field

from edgeflow.cli.display.layers import Layers, Spot, arrange
from edgeflow.cli.display.outline import link_lines, list_nodes
from edgeflow.core.graph import Graph, NodeSpec

__all__ = ["draw"]

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
_LINES = {
    UP: "│", DOWN: "│", UP | DOWN: "│",
    LEFT: "─", RIGHT: "─", LEFT | RIGHT: "─",
    DOWN | RIGHT: "╭", DOWN | LEFT: "╮", UP | RIGHT: "╰", UP | LEFT: "╯",
    UP | DOWN | RIGHT: "├", UP | DOWN | LEFT: "┤",
    LEFT | RIGHT | DOWN: "┬", LEFT | RIGHT | UP: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}  # fmt: skip
_CROSSING = {UP | DOWN, LEFT | RIGHT}
_BOX_HEIGHT = 4
_PORT = 1
"""Row of a box that links leave from and arrive at: the one with the name."""


@dataclass
class _Canvas:
    """Characters, and lines that know whose they are so that crossings differ from joints."""

    text: dict[tuple[int, int], str] = field(default_factory=dict)
    lines: dict[tuple[int, int], dict[Spot, int]] = field(default_factory=dict)

    def put(self, x: int, y: int, text: str) -> None:
        for offset, character in enumerate(text):
            self.text[x + offset, y] = character

    def touch(self, x: int, y: int, owner: Spot, directions: int) -> None:
        cell = self.lines.setdefault((x, y), {})
        cell[owner] = cell.get(owner, 0) | directions

    def across(self, left: int, right: int, y: int, owner: Spot) -> None:
        for x in range(left, right):
            self.touch(x, y, owner, RIGHT)
            self.touch(x + 1, y, owner, LEFT)

    def down(self, x: int, top: int, bottom: int, owner: Spot) -> None:
        for y in range(top, bottom):
            self.touch(x, y, owner, DOWN)
            self.touch(x, y + 1, owner, UP)

    def rows(self) -> list[str]:
        cells = {place: _character(owners) for place, owners in self.lines.items()} | self.text
        height = max((y for _, y in cells), default=-1) + 1
        width = max((x for x, _ in cells), default=-1) + 1
        return [
            "".join(cells.get((x, y), " ") for x in range(width)).rstrip() for y in range(height)
        ]


def _character(owners: dict[Spot, int]) -> str:
    if set(owners.values()) == _CROSSING:
        return "│"
    together = 0
    for directions in owners.values():
        together |= directions
    return _LINES[together]


def draw(graph: Graph, width: int = 100) -> str:
    """Return a drawing at most ``width`` columns wide; a list of links when that cannot be.

    Links that are not plain (REALTIME, raw) are listed below it. Names that are not declared and
    loops cannot be placed, so graphs with them are listed too.
    """
    layers = arrange(graph)
    rows = _picture(graph, layers) if layers is not None else []
    if not rows or max(map(len, rows)) > width:
        rows = list_nodes(graph)
    notes = link_lines(link for link in graph.links if not _plain(graph, link.source, link.target))
    if free := [node.name for node in graph.nodes if node.topics_at_runtime]:
        notes.append(f"inputs named in configure(), not drawn: {', '.join(free)}")
    return "\n".join([*rows, *(["", *notes] if notes else [])])


def _plain(graph: Graph, source: str, target: str) -> bool:
    return all(
        link.qos.value == "realtime"
        and link.codec == "raw"
        and link.via is None
        and link.channel is None
        for link in graph.links_from(source)
        if link.target == target
    )


def _picture(graph: Graph, layers: Layers) -> list[str]:
    canvas = _Canvas()
    tops = layers.rows(_BOX_HEIGHT, _PORT)
    x = 0
    for number, layer in enumerate(layers.spots):
        specs = {spot: node for spot in layer if (node := _spec(graph, spot)) is not None}
        inner = max((len(line) for node in specs.values() for line in _label(node)), default=0)
        right = x + inner + 3
        for spot in layer:
            if spot in specs:
                _box(canvas, x, tops[spot] - _PORT, inner, specs[spot])
            else:
                canvas.touch(x, tops[spot], spot.root, LEFT)
                canvas.across(x, right, tops[spot], spot.root)
                canvas.touch(right, tops[spot], spot.root, RIGHT)
        if number + 1 < len(layers.spots):
            x = _channel(canvas, right + 1, layer, layers, tops)
    return canvas.rows()


def _spec(graph: Graph, spot: Spot) -> NodeSpec | None:
    return None if spot.passing else graph.node(spot.name)


def _label(node: NodeSpec) -> tuple[str, str]:
    name = f"{node.name} x{node.replicas}" if node.replicas > 1 else node.name
    return name, node.role.value + (f" @{node.device}" if node.device else "")


def _box(canvas: _Canvas, x: int, y: int, inner: int, node: NodeSpec) -> None:
    canvas.put(x, y, f"┌{'─' * (inner + 2)}┐")
    for offset, line in enumerate(_label(node), start=1):
        canvas.put(x, y + offset, f"│ {line:<{inner}} │")
    canvas.put(x, y + 3, f"└{'─' * (inner + 2)}┘")


def _channel(
    canvas: _Canvas, left: int, layer: list[Spot], layers: Layers, tops: dict[Spot, int]
) -> int:
    """Draw the links between a layer and the next; return the column of the next."""
    targets = {spot: layers.next_of(spot) for spot in layer}
    lanes = _lanes(targets, tops)
    right = left + 2 * len(lanes) + 2
    for spot, goals in targets.items():
        if not goals:
            continue
        row, owner = tops[spot], spot.root
        canvas.touch(left, row, owner, LEFT)
        bends = [tops[goal] for goal in goals if tops[goal] != row]
        lane = left + 1 + 2 * lanes.index(spot) if bends else left
        canvas.across(left, lane, row, owner)
        if bends:
            canvas.down(lane, min(row, *bends), max(row, *bends), owner)
        for goal in goals:
            canvas.across(lane, right, tops[goal], owner)
            if goal.passing:
                canvas.touch(right, tops[goal], owner, RIGHT)
            else:
                canvas.put(right, tops[goal], "▶")
    return right + 1


def _lanes(targets: dict[Spot, list[Spot]], tops: dict[Spot, int]) -> list[Spot]:
    """Return the spots that need a lane, left to right.

    A spot that leaves on the row where another one's link arrives must turn off before it.
    """
    waiting = [spot for spot, goals in targets.items() if any(tops[g] != tops[spot] for g in goals)]
    ordered: list[Spot] = []
    while waiting:
        free = (
            spot
            for spot in waiting
            if not any(
                tops[goal] == tops[other] and goal not in targets[other]
                for goal in targets[spot]
                for other in waiting
                if other is not spot
            )
        )
        first = next(free, waiting[0])
        waiting.remove(first)
        ordered.append(first)
    return ordered
