"""A declared graph as a few lines of text: nodes, links, what is special about them."""

from collections.abc import Iterable, Sequence

from edgeflow.cli.display.figures import relative
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role

__all__ = ["align", "link_lines", "list_nodes", "outline"]

_MAX_OPTION = 40


def outline(graph: Graph) -> str:
    """Return a one-screen summary of a graph that has no problems."""
    nodes, links = len(graph.nodes), len(graph.links)
    title = f"{graph.name}: {_count(nodes, 'node')}, {_count(links, 'link')}, no problems"
    rows = [(node.name, node.role.value, relative(node.place), _details(node))
            for node in graph.nodes]  # fmt: skip
    return "\n".join([title, "", *align(rows), "", *link_lines(graph.links)]).rstrip()


def list_nodes(graph: Graph) -> list[str]:
    """Return one line per node with where its frames go; the drawing of graphs too wide."""
    rows = []
    for node in graph.nodes:
        targets = ", ".join(link.target for link in graph.links_from(node.name))
        arrow = f"─▶ {targets}" if targets else ""
        rows.append((_symbol(node.role), _title(node), node.role.value, arrow))
    return align(rows)


def link_lines(links: Iterable[LinkSpec]) -> list[str]:
    """Return one line per link with its policy."""
    return align([(f"{link.source} ─▶ {link.target}", _policy(link)) for link in links])


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with their cells in columns, two spaces between."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _title(node: NodeSpec) -> str:
    return f"{node.name} x{node.replicas}" if node.replicas > 1 else node.name


def _symbol(role: Role) -> str:
    return {Role.PRODUCER: "●", Role.FUSION: "◆", Role.SINK: "▪", Role.GATEWAY: "▣"}.get(role, "○")


def _details(node: NodeSpec) -> str:
    parts = [f"replicas={node.replicas}"] if node.replicas > 1 else []
    parts += ["names its own inputs"] if node.topics_at_runtime else []
    parts += [f"device={node.device}"] if node.device else []
    parts += [f"on_error={node.on_error}"] if node.on_error.value != "restart" else []
    for key, value in node.options.items():
        text = repr(value)
        parts.append(f"{key}={text if len(text) <= _MAX_OPTION else text[: _MAX_OPTION - 1] + '…'}")
    return " ".join(parts)


def _policy(link: LinkSpec) -> str:
    parts = [link.qos.value]
    parts += [f"codec {link.codec}"] if link.codec != "raw" else []
    parts += [f"holds {link.queue_size}"] if link.queue_size else []
    parts += [f"as {link.channel!r}"] if link.channel else []
    parts += [f"via {link.via}"] if link.via else []
    return ", ".join(parts)
