"""Reading changes nothing, and the page for Prometheus is one that Prometheus reads."""

import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_doors import FivePictures, client_of, gateway_app, until

from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.observe.logs import book

READ = ["/api/fps", "/api/flow", "/metrics", "/api/streams", "/api/trace", "/api/logs",
        "/api/status", "/api/nodes", "/api/links", "/api/tap/camera",
        "/snapshot/camera"]  # fmt: skip
TOTALS = ("frames_in", "frames_out", "errors", "restarts", "late", "unmatched", "sent",
          "received", "dropped", "redelivered", "bytes", "depth")  # fmt: skip


@pytest.fixture(scope="module")
def client():
    """A client of a flow that has come to rest: ``camera`` sends five frames and goes on living."""
    web = WebInterface(port=0)
    app = gateway_app(web, camera=FivePictures)
    with app.running(), client_of(web) as door:
        until(lambda: door.get("/api/nodes/camera").json()["frames_out"] == 5)
        until(lambda: door.get("/api/status").json()["camera"].get("number") == 4)
        yield door


def totals(client: httpx.Client) -> list[dict[str, object]]:
    flow = client.get("/api/flow").json()
    camera = [part for part in flow["nodes"] if part["name"] == "camera"]
    camera += [part for part in flow["links"] if part["source"] == "camera"]
    camera += [part for part in client.get("/api/streams").json() if part["topic"] == "camera"]
    return [{key: part[key] for key in TOTALS if key in part} for part in camera]


def metrics(client: httpx.Client) -> dict[str, list]:
    text = client.get("/metrics").text
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def test_reading_changes_no_counter(client: httpx.Client):
    before = totals(client)
    counted = len(client.get("/api/trace").json()["traces"])
    node, link = before[:2]
    assert (node["frames_out"], link["received"] + link["dropped"]) == (5, 5)
    for _ in range(20):
        assert {client.get(path).status_code for path in READ} == {200}
    assert totals(client) == before
    assert len(client.get("/api/trace").json()["traces"]) >= counted


def test_answers_do_not_wait_for_acknowledgements(client: httpx.Client):
    """With Nagle's algorithm each takes 40 ms, so these 200 would take 8 s."""
    begun = time.monotonic()
    for _ in range(200):
        client.get("/healthz")
    assert time.monotonic() - begun < 6


def test_metrics_agree_with_the_flow(client: httpx.Client):
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    found = metrics(client)
    sent = {s.labels["node"]: s.value for s in found["edgeflow_node_frames_out"]}
    assert sent["camera"] == 5
    (link,) = [s for s in found["edgeflow_link_received"] if s.labels["source"] == "camera"]
    (dropped,) = [s for s in found["edgeflow_link_dropped"] if s.labels["source"] == "camera"]
    assert link.value + dropped.value == 5
    assert link.labels["target"] == "gateway"
    assert {s.value for s in found["edgeflow_node_alive"]} == {1}


def test_log_lines_can_be_asked_for_from_a_number_on_and_by_node(client: httpx.Client):
    book.add("warning", "camera", "lens_dirty", {"share": 0.5})
    book.add("info", "weather", "sensor_warm", {})
    events = ("lens_dirty", "sensor_warm")

    def lines() -> list[dict]:
        return [line for line in client.get("/api/logs").json() if line["event"] in events]

    dirty, warm = until(lambda: len(found := lines()) == 2 and found)
    assert (dirty["event"], dirty["level"], dirty["node"]) == ("lens_dirty", "warning", "camera")
    assert dirty["fields"] == {"share": 0.5}
    assert warm["number"] > dirty["number"] > 0
    assert client.get("/api/logs", params={"after": dirty["number"]}).json() == [warm]
    assert client.get("/api/logs", params={"node": "camera"}).json() == [dirty]
    assert len(client.get("/api/logs", params={"limit": 1}).json()) == 1
