from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role
from edgeflow.core.qos import QoS
from edgeflow.core.render import to_dot, to_json, to_mermaid

GRAPH = Graph(
    "demo",
    (
        NodeSpec("cam", Role.PRODUCER, dict, options={"fps": 30, "size": (1, 2)}),
        NodeSpec('de"t', Role.CONSUMER, dict, replicas=2, queue_size=9),
        NodeSpec("web", Role.GATEWAY, dict),
    ),
    (LinkSpec("cam", 'de"t', QoS.DURABLE), LinkSpec('de"t', "web", channel="boxes")),
)


def test_mermaid():
    text = to_mermaid(GRAPH)
    assert text.startswith("flowchart LR\n")
    assert 'n0(["cam"])' in text
    assert "de#quot;t x2" in text
    assert "n0 ==>|durable| n1" in text
    assert "n1 --> n2" in text


def test_dot_escapes_names():
    text = to_dot(GRAPH)
    assert '"cam" -> "de\\"t" [style=bold, label="durable"];' in text
    assert text.count("{") == text.count("}")


def test_json():
    data = to_json(GRAPH)
    assert [n["name"] for n in data["nodes"]] == ["cam", 'de"t', "web"]
    assert data["nodes"][0]["options"] == {"fps": 30, "size": "(1, 2)"}
    assert data["links"][0]["capacity"] == 9
    assert data["links"][1]["channel"] == "boxes"
