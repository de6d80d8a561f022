"""Finds everything that is wrong with a graph, all at once."""

from collections.abc import Iterator

from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role
from edgeflow.errors import EdgeFlowError, GraphError, did_you_mean

__all__ = ["check", "find_problems"]


def check(graph: Graph) -> None:
    """Raise ``GraphError`` with every problem of ``graph``; return when there is none."""
    problems = find_problems(graph)
    if problems:
        raise GraphError(problems)


def find_problems(graph: Graph) -> list[EdgeFlowError]:
    """Return every problem of ``graph``, in a stable order."""
    return [
        *_empty(graph),
        *_duplicate_nodes(graph),
        *_bad_counts(graph),
        *_unknown_names(graph),
        *_wrong_roles(graph),
        *_duplicate_links(graph),
        *_cycles(graph),
        *_missing_inputs(graph),
        *_unreachable(graph),
    ]


def _problem(code: int, message: str, hint: str, place: str = "") -> EdgeFlowError:
    where = f"{place}: " if place else ""
    return EdgeFlowError(where + message, hint=hint, code=f"EF-GRAPH-{code:03d}")


def _empty(graph: Graph) -> Iterator[EdgeFlowError]:
    if not graph.nodes:
        yield _problem(10, f"app {graph.name!r} has no nodes", "declare some with @app.node(...)")


def _duplicate_nodes(graph: Graph) -> Iterator[EdgeFlowError]:
    first: dict[str, NodeSpec] = {}
    for node in graph.nodes:
        if node.name in first:
            at = f" at {first[node.name].place}" if first[node.name].place else ""
            yield _problem(
                1, f"node {node.name!r} is declared twice; first{at}", "rename one", node.place
            )
        first.setdefault(node.name, node)


def _bad_counts(graph: Graph) -> Iterator[EdgeFlowError]:
    for node in graph.nodes:
        if node.replicas < 1:
            yield _problem(
                11, f"node {node.name!r} has replicas={node.replicas}", "use 1 or more", node.place
            )
        if node.replicas > 1 and node.role in (Role.PRODUCER, Role.GATEWAY, Role.FUSION):
            yield _problem(
                12,
                f"{node.role} {node.name!r} has replicas={node.replicas}, but its frames cannot "
                "be shared out",
                "only consumers and sinks can have replicas",
                node.place,
            )
        if node.queue_size is not None and node.queue_size < 1:
            yield _problem(
                13, f"node {node.name!r} has queue_size={node.queue_size}", "use 1 or more",
                node.place,
            )  # fmt: skip
    for link in graph.links:
        if link.queue_size is not None and link.queue_size < 1:
            yield _problem(
                13,
                f"link {link.source!r} -> {link.target!r} has queue_size={link.queue_size}",
                "use 1 or more",
                link.place,
            )


def _unknown_names(graph: Graph) -> Iterator[EdgeFlowError]:
    known = graph.names
    for link in graph.links:
        for name in (link.source, link.target):
            if name not in known:
                yield _problem(
                    2,
                    f"link {link.source!r} -> {link.target!r} names the unknown node {name!r}",
                    did_you_mean(name, known),
                    link.place,
                )


def _wrong_roles(graph: Graph) -> Iterator[EdgeFlowError]:
    for link in graph.links:
        source, target = graph.node(link.source), graph.node(link.target)
        if target is not None and target.role is Role.PRODUCER:
            yield _problem(
                3,
                f"link {link.source!r} -> {link.target!r} leads into a producer",
                "producers take no input; make it a consumer or turn the link round",
                link.place,
            )
        if source is not None and source.role.is_end:
            yield _problem(
                4,
                f"link {link.source!r} -> {link.target!r} leaves a {source.role}",
                f"a {source.role} sends nothing on; link from the node before it",
                link.place,
            )


def _duplicate_links(graph: Graph) -> Iterator[EdgeFlowError]:
    seen: set[tuple[str, str]] = set()
    for link in graph.links:
        pair = (link.topic, link.target)
        if pair in seen:
            yield _problem(
                5, f"link {link.source!r} -> {link.target!r} is declared twice", "remove one",
                link.place,
            )  # fmt: skip
        seen.add(pair)


def _cycles(graph: Graph) -> Iterator[EdgeFlowError]:
    for loop in _find_loops(graph):
        drawing = " -> ".join([*loop, loop[0]])
        place = next((link.place for link in graph.links_from(loop[-1]) if link.place), "")
        yield _problem(6, f"the links form a loop: {drawing}", "remove one of these links", place)


def _find_loops(graph: Graph) -> list[list[str]]:
    """Return each loop once, found by depth-first search in order of declaration."""
    edges: dict[str, list[str]] = {}
    for link in graph.links:
        edges.setdefault(link.source, []).append(link.target)
    done: set[str] = set()
    loops: list[list[str]] = []
    for start in edges:
        path: list[str] = []
        stack: list[Iterator[str]] = [iter([start])]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
                if path:
                    done.add(path.pop())
            elif name in path:
                loops.append(path[path.index(name) :])
            elif name not in done:
                path.append(name)
                stack.append(iter(edges.get(name, [])))
    return loops


def _missing_inputs(graph: Graph) -> Iterator[EdgeFlowError]:
    for node in graph.nodes:
        if node.role is Role.PRODUCER or node.topics_at_runtime:
            continue
        count = len({link.source for link in graph.links_into(node.name)})
        if node.role is Role.FUSION and count < 2:
            yield _problem(
                7,
                f"fusion {node.name!r} has {count} input{'s' * (count != 1)}",
                "link at least two nodes into it",
                node.place,
            )
        elif not count:
            yield _problem(
                8,
                f"{node.role} {node.name!r} has no input",
                f'add a link, for example app.link("...").to("{node.name}")',
                node.place,
            )


def _unreachable(graph: Graph) -> Iterator[EdgeFlowError]:
    reached = {n.name for n in graph.nodes if n.role is Role.PRODUCER or n.topics_at_runtime}
    frontier = list(reached)
    while frontier:
        for link in graph.links_from(frontier.pop()):
            if link.target not in reached:
                reached.add(link.target)
                frontier.append(link.target)
    for node in graph.nodes:
        if node.name not in reached and _has_known_input(graph, node):
            yield _problem(
                9,
                f"{node.role} {node.name!r} is never reached by a frame",
                "no producer leads to it; link one into the nodes before it",
                node.place,
            )


def _has_known_input(graph: Graph, node: NodeSpec) -> bool:
    links: list[LinkSpec] = graph.links_into(node.name)
    return any(graph.node(link.source) is not None for link in links)
