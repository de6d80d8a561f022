"""Routes of the user's own."""

import logging

import httpx
import numpy as np
import pytest
from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse
from web_doors import NoTaps, View, client_of, picture, until

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError
from edgeflow.nodes.gateway.interfaces.base import GatewayContext
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.web.images import encode_jpeg

JPEG = encode_jpeg(picture(7).data, 80, None)


def opened(web: WebInterface) -> httpx.Client:
    web.open(GatewayContext("door", "gateway", ("camera",), View(), NoTaps()))
    return client_of(web)


@pytest.fixture(scope="module")
def client():
    web = WebInterface(port=0)

    @web.route("/own/hello/{name}")
    def hello(name: str, excited: bool = False) -> dict[str, object]:
        return {"hello": name, "excited": excited}

    @web.route("/own/later")
    async def later() -> list[int]:
        return [1, 2]

    @web.route("/own/text")
    def text() -> str:
        return "ready"

    @web.route("/own/bytes")
    def raw() -> bytes:
        return b"\xff\x00"

    @web.route("/own/picture")
    async def own_picture() -> bytes:
        return JPEG

    @web.route("/own/page")
    def page():
        policy = {"content-security-policy": "default-src 'none'"}
        return HTMLResponse("<p>mine", headers=policy)

    @web.route("/own/broken")
    def broken():
        raise RuntimeError("the secret is 1234")

    @web.route("/own/refused")
    def refused():
        raise HTTPException(499, {"why": "not today"})

    @web.route("/own/array")
    def array() -> np.ndarray:
        return np.zeros(3)

    @web.route("/own/upload", methods=["POST"])
    async def upload(request: Request) -> int:
        return len(await request.body())

    @web.route("/api/status", methods=("post",))
    def reset() -> str:
        return "reset"

    @web.route("/{anything:path}")
    def rest(anything: str) -> str:
        return anything

    with opened(web) as door:
        yield door
    web.close()


def test_handlers_take_parameters_by_type(client: httpx.Client):
    answer = client.get("/own/hello/ann", params={"excited": "yes"})
    assert answer.json() == {"hello": "ann", "excited": True}
    wrong = client.get("/own/hello/ann", params={"excited": "often"})
    assert wrong.status_code == 422
    assert "query.excited" in wrong.json()["detail"]


def test_results_become_json(client: httpx.Client):
    assert client.get("/own/later").json() == [1, 2]
    assert client.get("/own/text").json() == "ready"


def test_bytes_and_responses_stay_what_they_are(client: httpx.Client):
    raw = client.get("/own/bytes")
    assert (raw.content, raw.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    shot = client.get("/own/picture")
    assert (shot.content, shot.headers["content-type"]) == (JPEG, "image/jpeg")
    page = client.get("/own/page")
    assert page.text == "<p>mine"
    assert page.headers["content-security-policy"] == "default-src 'none'"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/own/broken", "/own/array"])
def test_a_handler_that_fails_is_a_500_of_that_request_only(
    client: httpx.Client, path: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.ERROR):
        answer = client.get(path)
        until(lambda: any(record.exc_info for record in caplog.records))
    assert answer.status_code == 500
    assert answer.json()["code"] == "EF-HTTP-500"
    assert "1234" not in answer.text
    assert client.get("/own/text").status_code == 200


def test_a_handler_may_refuse_as_in_fastapi(client: httpx.Client):
    answer = client.get("/own/refused")
    assert answer.status_code == 499
    assert (answer.json()["code"], answer.json()["title"]) == ("EF-HTTP-499", "Error")
    assert "not today" in answer.json()["detail"]


def test_another_method_of_a_built_in_path_is_free(client: httpx.Client):
    assert client.post("/api/status").json() == "reset"
    assert client.get("/api/status").json() == {"camera": {}}


def test_a_route_for_the_rest_hides_no_built_in_one(client: httpx.Client):
    assert client.get("/what/else").json() == "what/else"
    assert client.get("/api/fps").json() == {"camera": 0.0}
    assert client.get("/openapi.json").json()["paths"]["/own/hello/{name}"]


def test_a_foreign_page_cannot_change_anything(client: httpx.Client):
    refused = client.post("/own/upload", headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403
    assert client.get("/own/text", headers={"Origin": "http://evil.example"}).status_code == 200
    own = {"Origin": f"http://{client.base_url.netloc.decode()}"}
    assert client.post("/own/upload", content=b"abc", headers=own).json() == 3


def test_uploads_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "1024")
    web = WebInterface(port=0)

    @web.route("/own/upload", methods=["POST"])
    def upload(data: dict[str, str]) -> int:
        return len(data)

    with opened(web) as client:
        assert client.post("/own/upload", json={"a": "b" * 1000}).json() == 1
        refused = client.post("/own/upload", json={"a": "b" * 2000})
        assert refused.status_code == 413
        assert "1024 bytes" in refused.json()["detail"]
        endless = client.post("/own/upload", content=(b"x" * 600 for _ in range(3)))
        assert endless.status_code == 413
    web.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/dashboard", "/api/fps", "/api/nodes/door", "/api/nodes/{which}", "/video/{x}",
     "/static/own.js", "/openapi.json", "/own/twice"],
)  # fmt: skip
def test_a_path_that_is_taken_is_refused(path: str):
    web = WebInterface(port=0)
    web.route("/own/twice")(lambda: 1)

    @web.route(path)
    def mine() -> int:
        return 2

    with pytest.raises(ConfigError, match=r"GET .* of .*mine is taken already"):
        opened(web)


@pytest.mark.parametrize("path", ["/own/{a}/{a}", "/own/{a:colour}"])
def test_a_malformed_path_is_refused(path: str):
    web = WebInterface(port=0)
    web.route(path)(lambda a: a)
    with pytest.raises(ConfigError, match="cannot be served"):
        opened(web)


def test_a_parameter_of_an_unknown_kind_is_refused():
    web = WebInterface(port=0)

    @web.route("/own")
    def mine(frame: Frame) -> int:
        return 1

    with pytest.raises(ConfigError, match="mine cannot be served"):
        opened(web)


def test_routes_are_declared_before_the_start():
    web = WebInterface(port=0)
    with pytest.raises(ConfigError, match="does not begin"):
        web.route("own")
    with opened(web), pytest.raises(ConfigError, match="too late"):
        web.route("/own")
    web.close()


def test_own_routes_stand_behind_the_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_TOKEN", "s3cret")
    web = WebInterface(port=0)
    web.route("/own")(lambda: 1)
    with opened(web) as client:
        assert client.get("/own").status_code == 401
        assert client.get("/own", headers={"Authorization": "Bearer s3cret"}).json() == 1
    web.close()
