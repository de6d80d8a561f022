"""Order of the nodes along the flow."""

from edgeflow.core.graph import Graph, NodeSpec

__all__ = ["upstream_first"]


def upstream_first(graph: Graph) -> list[NodeSpec]:
    """Return the nodes so that every link leads from an earlier to a later one."""
    depth = {node.name: 0 for node in graph.nodes}
    for _ in graph.nodes:
        for link in graph.links:
            if link.source in depth and link.target in depth:
                depth[link.target] = max(depth[link.target], depth[link.source] + 1)
    return sorted(graph.nodes, key=lambda node: depth[node.name])
