import json

import httpx
import pytest
from web_doors import Silence, client_of, gateway_app, until

from edgeflow.nodes.gateway.interfaces.web import WebInterface


@pytest.fixture(scope="module")
def client():
    """A client of a flow in which everything has arrived once; ``silence`` never sends."""
    web = WebInterface(port=0)
    app = gateway_app(web)
    app.add("silence", Silence)
    with app.running(), client_of(web) as door:
        until(lambda: all(s["fps"] > 0 for s in door.get("/api/streams").json()))
        until(lambda: len(door.get("/api/trace").json()["paths"]) == 2)
        yield door


def test_probes(client: httpx.Client):
    assert client.get("/healthz").json() == client.get("/health").json() == {"status": "ok"}
    ready = until(lambda: (r := client.get("/readyz")).status_code == 200 and r)
    assert ready.json() == {"status": "ready", "waiting": {}}


def test_flow_nodes_and_links_agree(client: httpx.Client):
    flow = client.get("/api/flow").json()
    assert (flow["app"], flow["mode"]) == ("door", "threads")
    nodes = client.get("/api/nodes").json()
    assert {n["name"]: n["role"] for n in nodes} == {
        "camera": "producer", "weather": "producer", "silence": "producer", "gateway": "gateway",
    }  # fmt: skip
    assert [set(node) for node in nodes] == [set(node) for node in flow["nodes"]]
    camera = client.get("/api/nodes/camera").json()
    assert (camera["name"], camera["state"], camera["alive"]) == ("camera", "running", 1)
    assert camera["frames_out"] > 0
    links = client.get("/api/links").json()
    assert {link["source"] for link in links} == {"camera", "weather"}
    assert all(link["target"] == "gateway" and link["capacity"] > 0 for link in links)
    assert [set(link) for link in links] == [set(link) for link in flow["links"]]


def test_graph(client: httpx.Client):
    graph = client.get("/api/graph").json()
    assert {node["name"] for node in graph["nodes"]} >= {"camera", "gateway"}
    assert {link["source"] for link in graph["links"]} == {"camera", "weather"}


def test_streams_tell_the_newest_meta_and_the_rate(client: httpx.Client):
    status = client.get("/api/status").json()
    assert set(status) == {"camera", "weather"}
    assert status["camera"]["number"] >= 0
    assert status["weather"] == {}
    fps = client.get("/api/fps").json()
    assert set(fps) == {"camera", "weather"}
    assert all(rate > 0 for rate in fps.values())
    camera, weather = client.get("/api/streams").json()
    assert (camera["topic"], camera["kind"], camera["shape"]) == ("camera", "image", [24, 32, 3])
    assert (weather["topic"], weather["kind"], weather["shape"]) == ("weather", "data", None)
    assert camera["age_s"] >= 0
    assert camera["viewers"] == camera["dropped"] == 0


def test_traces_as_paths_and_for_a_trace_viewer(client: httpx.Client):
    found = client.get("/api/trace", params={"limit": 5}).json()
    assert {tuple(path["path"]) for path in found["paths"]} == {
        ("camera", "gateway"), ("weather", "gateway"),
    }  # fmt: skip
    assert 1 <= len(found["traces"]) <= 5
    assert [hop[0] for hop in found["traces"][0]["hops"]][-1] == "gateway"
    answer = client.get("/api/trace/chrome")
    assert "attachment" in answer.headers["content-disposition"]
    events = json.loads(answer.content)["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert spans
    assert all(span["dur"] >= 0 and span["name"] for span in spans)


def test_tap_describes_the_newest_frame(client: httpx.Client):
    picture = client.get("/api/tap/camera").json()
    assert (picture["kind"], picture["dtype"], picture["shape"]) == ("array", "uint8", [24, 32, 3])
    assert (picture["source"], picture["image"], picture["preview"]) == ("camera", True, "")
    value = client.get("/api/tap/weather").json()
    assert (value["kind"], value["image"], value["shape"]) == ("dict", False, None)
    assert value["preview"] == {"celsius": 21.5}
