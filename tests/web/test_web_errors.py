"""Every error has the one form, whatever goes wrong."""

import httpx
import pytest
from web_doors import Silence, client_of, gateway_app, picture, serving, until

from edgeflow import Frame
from edgeflow.nodes import ConsumerNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface


class Broken(ConsumerNode):
    def process(self, data):
        raise RuntimeError("the lens is cracked")


@pytest.fixture(scope="module")
def client():
    """A client of a flow with a node that has failed, and one that never sends."""
    web = WebInterface(port=0)
    app = gateway_app(web)
    app.add("broken", Broken, on_error="stop")
    app.link("camera").to("broken")
    app.add("silence", Silence)
    with app.running(), client_of(web) as door:
        until(lambda: all(s["fps"] > 0 for s in door.get("/api/streams").json()))
        yield door


def problem(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "hint"}
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["code"] == f"EF-HTTP-{status}"
    assert body["title"] == answer.reason_phrase
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/api/nodes/camrea", "did you mean 'camera'?"),
        ("/video/camrea", "did you mean 'camera'?"),
        ("/snapshot/camrea", "did you mean 'camera'?"),
        ("/api/tap/camrea", "did you mean 'camera'?"),
        ("/api/tap/zzz", "known: "),
        ("/api/nothing", "/docs"),
        ("/static/nothing.js", "/docs"),
        ("/a//b/../%2e%2e/%00", "/docs"),
    ],
)
def test_what_does_not_exist_is_404_with_a_hint(client: httpx.Client, path: str, hint: str):
    assert hint in problem(client.get(path), 404)["hint"]


@pytest.mark.parametrize("path", ["/api/flow", "/healthz", "/video/camera", "/api/tap/camera"])
def test_a_wrong_method_is_405_and_tells_the_right_one(client: httpx.Client, path: str):
    answer = client.post(path)
    problem(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_values_are_no_pictures(client: httpx.Client):
    for path in ("/video/weather", "/snapshot/weather"):
        assert "/api/tap/weather" in problem(client.get(path), 415)["hint"]
    with serving() as server, client_of(server) as door:
        server.publish(Frame(data={"celsius": 21.5}, topic="camera"))
        assert "/api/tap/camera" in problem(door.get("/video"), 415)["hint"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/trace?limit=0",
        "/api/trace?limit=many",
        "/api/trace/chrome?limit=2001",
        "/api/logs?after=-1",
        "/api/logs?after=" + "9" * 5000,
        "/video/camera?quality=0",
        "/video/camera?fps=0",
        "/video/camera?fps=nan",
        "/video?width=15",
        "/snapshot/camera?quality=101",
        "/snapshot/camera?width=1e4",
    ],
)
def test_a_parameter_out_of_range_is_422_and_named(client: httpx.Client, path: str):
    name = path.partition("?")[2].partition("=")[0]
    assert f"query.{name}" in problem(client.get(path), 422)["detail"]


@pytest.mark.parametrize("path", ["/snapshot/silence", "/api/tap/silence"])
def test_a_topic_that_sends_nothing_is_504(
    client: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("edgeflow.web.api.TAP_SECONDS", 0.2)
    assert "silence" in problem(client.get(path), 504)["detail"]


def test_a_failed_node_makes_the_flow_not_ready(client: httpx.Client):
    answer = until(lambda: (r := client.get("/readyz")).json()["waiting"].get("broken") and r)
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "waiting": {"broken": "failed"}}
    node = client.get("/api/nodes/broken").json()
    assert (node["state"], node["alive"]) == ("failed", 0)
    assert "the lens is cracked" in node["last_error"]
    assert client.get("/healthz").status_code == 200


def test_a_stream_without_a_frame_yet_is_504(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgeflow.web.api.SNAPSHOT_SECONDS", 0.2)
    with serving() as server, client_of(server) as door:
        problem(door.get("/snapshot/camera"), 504)
        server.publish(picture(1))
        assert door.get("/snapshot/camera").headers["content-type"] == "image/jpeg"
