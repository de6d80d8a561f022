"""Arranges a graph in layers, for drawing it from left to right."""

from typing import NamedTuple

from edgeflow.core.graph import Graph

__all__ = ["Layers", "Spot", "arrange"]

_SWEEPS = 4
_GAP = 1


class Spot(NamedTuple):
    """A place in a layer: a node, or the links of a node passing through on their way.

    Attributes:
        name: the node.
        layer: number of the layer.
        passing: True where the node's links only pass.
    """

    name: str
    layer: int
    passing: bool = False

    @property
    def root(self) -> "Spot":
        """The node's name as an owner of lines, the same along the whole way."""
        return Spot(self.name, 0)


class Layers:
    """Spots in layers, and the steps between neighbouring layers."""

    def __init__(self, spots: list[list[Spot]], steps: dict[Spot, list[Spot]]) -> None:
        self.spots = spots
        self._steps = steps

    def next_of(self, spot: Spot) -> list[Spot]:
        """Return the spots of the next layer that ``spot`` leads to."""
        return self._steps.get(spot, [])

    def before(self, spot: Spot) -> list[Spot]:
        """Return the spots of the layer before that lead to ``spot``."""
        if not spot.layer:
            return []
        return [other for other in self.spots[spot.layer - 1] if spot in self.next_of(other)]

    def untangle(self) -> None:
        """Order each layer so that few links cross (barycentre method)."""
        for sweep in range(_SWEEPS):
            for layer in self.spots if sweep % 2 == 0 else reversed(self.spots):
                seen = self.before if sweep % 2 == 0 else self.next_of
                rank = {spot: self._mean_rank(spot, seen(spot)) for spot in layer}
                layer.sort(key=rank.__getitem__)

    def _mean_rank(self, spot: Spot, others: list[Spot]) -> float:
        if not others:
            return float(self.spots[spot.layer].index(spot))
        return sum(self.spots[other.layer].index(other) for other in others) / len(others)

    def rows(self, height: int, port: int) -> dict[Spot, int]:
        """Return the row on which each spot's links run.

        Args:
            height: rows that a node takes; a passing link takes one.
            port: row of the node, from its top, on which its links run.
        """
        rows: dict[Spot, int] = {}
        for layer in self.spots:
            free = 0
            for spot in layer:
                above, below = (0, 0) if spot.passing else (port, height - 1 - port)
                others = self.before(spot)
                wanted = sum(rows[other] for other in others) // len(others) if others else 0
                rows[spot] = max(wanted, free + above)
                free = rows[spot] + below + 1 + _GAP
        return rows


def arrange(graph: Graph) -> Layers | None:
    """Return the graph in layers; None when it has loops, or links to unknown names."""
    known = set(graph.names)
    links = list(dict.fromkeys((link.source, link.target) for link in graph.links))
    if len(known) < len(graph.nodes) or any({a, b} - known for a, b in links):
        return None
    depth = _depths(graph.names, links)
    if depth is None:
        return None
    spots: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    steps: dict[Spot, list[Spot]] = {}
    for name in graph.names:
        spots[depth[name]].append(Spot(name, depth[name]))
    for source, target in links:
        spot = Spot(source, depth[source])
        for layer in range(depth[source] + 1, depth[target] + 1):
            passing = layer < depth[target]
            following = Spot(source, layer, True) if passing else Spot(target, layer)
            if following not in spots[layer]:
                spots[layer].append(following)
            if following not in steps.setdefault(spot, []):
                steps[spot].append(following)
            spot = following
    layers = Layers(spots, steps)
    layers.untangle()
    return layers


def _depths(names: list[str], links: list[tuple[str, str]]) -> dict[str, int] | None:
    """Return the length of the longest way to each node, or None when there is a loop."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        settled = True
        for source, target in links:
            if depth[target] <= depth[source]:
                depth[target] = depth[source] + 1
                settled = False
        if settled:
            return depth
    return depth if not links else None
