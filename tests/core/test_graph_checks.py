import pytest

from edgeflow.core.checks import check, find_problems
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role
from edgeflow.core.qos import QoS
from edgeflow.errors import GraphError


def graph(roles: dict[str, Role], links: list[tuple[str, str]], **changes) -> Graph:
    nodes = tuple(NodeSpec(name, role, dict, **changes) for name, role in roles.items())
    return Graph("g", nodes, tuple(LinkSpec(a, b) for a, b in links))


P, C, F, S, G = Role.PRODUCER, Role.CONSUMER, Role.FUSION, Role.SINK, Role.GATEWAY


def codes(g: Graph) -> list[str]:
    return [problem.code for problem in find_problems(g)]


def test_a_sound_graph_has_no_problems():
    g = graph(
        {"cam": P, "mic": P, "det": C, "fuse": F, "disk": S, "web": G},
        [("cam", "det"), ("det", "fuse"), ("mic", "fuse"), ("fuse", "disk"), ("fuse", "web")],
    )
    assert find_problems(g) == []
    check(g)


def test_unknown_node_is_named_with_a_suggestion():
    (problem,) = find_problems(
        graph({"camera": P, "web": G}, [("camera", "web"), ("camra", "web")])
    )
    assert problem.code == "EF-GRAPH-002"
    assert "'camra'" in problem.message
    assert problem.hint == "did you mean 'camera'?"


def test_cycle_is_drawn():
    g = graph({"p": P, "a": C, "b": C, "c": C}, [("p", "a"), ("a", "b"), ("b", "c"), ("c", "a")])
    (problem,) = find_problems(g)
    assert "a -> b -> c -> a" in problem.message


def test_self_link_and_second_cycle_are_both_found():
    g = graph({"p": P, "a": C, "b": C}, [("p", "a"), ("a", "a"), ("a", "b"), ("b", "a")])
    drawings = [p.message.split(": ")[-1] for p in find_problems(g)]
    assert drawings == ["a -> a", "a -> b -> a"]


@pytest.mark.parametrize(
    ("roles", "links", "code"),
    [
        ({"a": P, "b": P}, [("a", "b")], "EF-GRAPH-003"),
        ({"a": P, "w": G, "c": C}, [("a", "w"), ("w", "c")], "EF-GRAPH-004"),
        ({"a": P, "s": S, "c": C}, [("a", "s"), ("s", "c")], "EF-GRAPH-004"),
        ({"a": P, "c": C}, [("a", "c"), ("a", "c")], "EF-GRAPH-005"),
        ({"a": P, "f": F}, [("a", "f")], "EF-GRAPH-007"),
        ({"a": P, "w": G}, [], "EF-GRAPH-008"),
        ({"a": P, "c": C, "d": C, "s": S}, [("c", "d"), ("a", "s")], "EF-GRAPH-009"),
        ({}, [], "EF-GRAPH-010"),
    ],
)
def test_each_mistake_has_its_code(roles, links, code):
    assert code in codes(graph(roles, links))


def test_duplicate_names_and_bad_counts():
    nodes = (
        NodeSpec("a", P, dict, place="m.py:1"),
        NodeSpec("a", P, dict, place="m.py:5"),
        NodeSpec("b", G, dict, replicas=2),
        NodeSpec("c", C, dict, replicas=0, queue_size=0),
    )
    g = Graph("g", nodes, (LinkSpec("a", "b"), LinkSpec("a", "c")))
    assert codes(g) == ["EF-GRAPH-001", "EF-GRAPH-012", "EF-GRAPH-011", "EF-GRAPH-013"]
    assert "m.py:1" in find_problems(g)[0].message


def test_all_problems_are_reported_at_once():
    g = graph({"a": P, "w": G, "c": C, "d": C}, [("a", "x"), ("c", "d"), ("d", "c")])
    with pytest.raises(GraphError) as caught:
        check(g)
    assert len(caught.value.problems) >= 3


def test_a_node_that_chooses_topics_itself_needs_no_link():
    nodes = (NodeSpec("a", P, dict), NodeSpec("c", C, dict, topics_at_runtime=True))
    assert find_problems(Graph("g", nodes)) == []


@pytest.mark.parametrize("size", [0, -5])
def test_a_link_holds_at_least_one_frame(size):
    nodes = graph({"camera": P, "web": G}, []).nodes
    link = LinkSpec("camera", "web", qos=QoS.BALANCED, queue_size=size, place="main.py:7")
    (problem,) = find_problems(Graph("g", nodes, (link,)))
    assert problem.code == "EF-GRAPH-013"
    assert problem.message == f"main.py:7: link 'camera' -> 'web' has queue_size={size}"


def test_a_realtime_link_holds_one_frame_whatever_was_asked():
    nodes = graph({"camera": P, "web": G}, [], queue_size=9).nodes
    for qos, capacity in ((QoS.REALTIME, 1), (QoS.BALANCED, 9), (QoS.DURABLE, 9)):
        link = LinkSpec("camera", "web", qos=qos)
        assert Graph("g", nodes, (link,)).capacity(link) == capacity
