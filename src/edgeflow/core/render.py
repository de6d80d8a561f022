"""Draws a graph as Mermaid, DOT or JSON."""

from typing import Any

from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role

__all__ = ["to_dot", "to_json", "to_mermaid"]

_MERMAID_SHAPES = {
    Role.PRODUCER: ("([", "])"),
    Role.CONSUMER: ("[", "]"),
    Role.FUSION: ("{{", "}}"),
    Role.SINK: ("[(", ")]"),
    Role.GATEWAY: ("[[", "]]"),
}
_DOT_SHAPES = {
    Role.PRODUCER: "ellipse",
    Role.CONSUMER: "box",
    Role.FUSION: "hexagon",
    Role.SINK: "cylinder",
    Role.GATEWAY: "component",
}


def to_mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart. DURABLE links are thick, BALANCED ones dashed."""
    numbers = {name: f"n{i}" for i, name in enumerate(graph.names)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        left, right = _MERMAID_SHAPES[node.role]
        label = _title(node).replace('"', "#quot;")
        lines.append(f'    {numbers[node.name]}{left}"{label}"{right}')
    arrows = {"realtime": "-->", "durable": "==>", "balanced": "-.->"}
    for link in graph.links:
        if link.source in numbers and link.target in numbers:
            label = f"|{link.qos.value}|" if link.qos.value != "realtime" else ""
            lines.append(
                f"    {numbers[link.source]} {arrows[link.qos.value]}{label} {numbers[link.target]}"
            )
    return "\n".join(lines) + "\n"


def to_dot(graph: Graph) -> str:
    """Return a Graphviz digraph."""
    lines = [f"digraph {_quote(graph.name)} {{", "    rankdir=LR;"]
    for node in graph.nodes:
        shape = _DOT_SHAPES[node.role]
        label = _quote(_title(node))
        lines.append(f"    {_quote(node.name)} [label={label}, shape={shape}];")
    styles = {"realtime": "solid", "durable": "bold", "balanced": "dashed"}
    for link in graph.links:
        style = f'style={styles[link.qos.value]}, label="{link.qos.value}"'
        lines.append(f"    {_quote(link.source)} -> {_quote(link.target)} [{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def to_json(graph: Graph) -> dict[str, Any]:
    """Return the graph as JSON-like data."""
    return {
        "name": graph.name,
        "nodes": [_node_json(node) for node in graph.nodes],
        "links": [_link_json(graph, link) for link in graph.links],
    }


def _node_json(node: NodeSpec) -> dict[str, Any]:
    return {
        "name": node.name,
        "role": node.role.value,
        "replicas": node.replicas,
        "device": node.device,
        "queue_size": node.queue_size,
        "on_error": node.on_error.value,
        "options": {key: _plain(value) for key, value in node.options.items()},
        "place": node.place,
    }


def _link_json(graph: Graph, link: LinkSpec) -> dict[str, Any]:
    return {
        "source": link.source,
        "target": link.target,
        "topic": link.topic,
        "output": link.output,
        "channel": link.channel,
        "qos": link.qos.value,
        "codec": link.codec,
        "via": link.via,
        "capacity": graph.capacity(link),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _title(node: NodeSpec) -> str:
    return f"{node.name} x{node.replicas}" if node.replicas > 1 else node.name


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
