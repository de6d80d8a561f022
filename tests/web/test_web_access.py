"""Who may ask."""

import socket
from http.cookies import SimpleCookie

import httpx
import pytest
from web_doors import client_of, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

TOKEN = "s3cret & more"
OPEN = ["/", "/dashboard", "/docs", "/health", "/healthz", "/readyz"]
CLOSED = ["/api/flow", "/metrics", "/openapi.json", "/api/logs", "/snapshot/camera", "/video"]


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_TOKEN", TOKEN)
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def client():
    with serving() as server, client_of(server) as door:
        yield door


def test_without_the_token_only_pages_and_probes_answer(locked):
    with client_of(locked) as client:
        for path in CLOSED:
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.json()["code"] == "EF-HTTP-401"
        assert {client.get(path).status_code for path in OPEN} <= {200, 307}


def test_the_token_opens_by_header_query_and_cookie(locked):
    with client_of(locked) as client:
        by_header = client.get("/api/flow", headers={"Authorization": f"Bearer {TOKEN}"})
        assert by_header.status_code == 200
        assert "set-cookie" not in by_header.headers
        assert client.get("/api/flow").status_code == 401
        by_query = client.get("/api/flow", params={"token": TOKEN})
        assert by_query.status_code == 200
        cookie = SimpleCookie(by_query.headers["set-cookie"])["edgeflow_token"]
        assert cookie["httponly"]
        assert cookie["samesite"].lower() == "strict"
        assert client.get("/api/flow").status_code == 200


def test_a_page_opened_with_the_token_leaves_the_cookie(locked):
    with client_of(locked) as client:
        assert client.get("/healthz", params={"token": TOKEN}).status_code == 200
        assert client.get("/api/flow").status_code == 200
    assert httpx.get(locked.url.replace("/dashboard", "/api/flow")).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "t\u00f6ken", "\U0001f511", "a\r\nb"])
def test_a_wrong_token_opens_nothing_and_leaves_no_cookie(locked, token: str):
    with client_of(locked) as client:
        answer = client.get("/api/flow", params={"token": token})
        assert answer.status_code == 401
        page = client.get("/dashboard", params={"token": token})
        assert page.status_code == 200
        assert "set-cookie" not in answer.headers
        assert "set-cookie" not in page.headers
        given = {"Authorization": b"Bearer x" + token.replace("\r\n", "").encode()}
        assert client.get("/api/flow", headers=given).status_code == 401


def test_a_server_bound_wider_makes_up_a_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EDGEFLOW_TOKEN", raising=False)
    with serving("0.0.0.0") as server, client_of(server) as client:
        address = httpx.URL(server.url)
        assert len(address.params["token"]) >= 20
        assert client.get("/api/flow").status_code == 401
        assert client.get("/api/flow", params=dict(address.params)).status_code == 200
        named = client.get("/healthz", headers={"Host": "camera.example"})
        assert named.status_code == 200
    with serving("0.0.0.0") as other:
        assert httpx.URL(other.url).params != address.params


def test_the_token_can_be_waived_aloud(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_INSECURE", "1")
    with serving("0.0.0.0") as server, client_of(server) as client:
        assert client.get("/api/flow").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "", "[::1", "@"])
def test_a_foreign_host_is_refused_on_loopback(client: httpx.Client, host: str):
    answer = client.get("/healthz", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["code"] == "EF-HTTP-403"


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80"])
def test_this_machine_by_any_name_is_admitted(client: httpx.Client, host: str):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_socket_from_a_foreign_page_is_refused():
    with serving() as server:
        address = f"ws://127.0.0.1:{server.port}/ws/stats"
        with connect(address, origin=f"http://127.0.0.1:{server.port}") as own:
            assert own.recv(timeout=20)
        with connect(address) as no_page:
            assert no_page.recv(timeout=20)
        for origin in ("http://evil.example", "null", "http://[", f"http://x:{server.port}"):
            with pytest.raises(InvalidStatus) as refused, connect(address, origin=origin):
                pass
            assert refused.value.response.status_code == 403
            assert b"EF-HTTP-403" in refused.value.response.body


def test_a_foreign_page_may_not_act(client: httpx.Client):
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/api/flow", headers=foreign).status_code == 403
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/api/flow", headers=own).status_code == 405


def test_a_socket_needs_the_token(locked):
    address = f"ws://127.0.0.1:{locked.port}/ws/stats"
    with pytest.raises(InvalidStatus) as refused, connect(address):
        pass
    assert refused.value.response.status_code == 401
    with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as admitted:
        assert admitted.recv(timeout=20)


def test_an_ipv6_address_is_written_with_brackets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_TOKEN", TOKEN)
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6).close()
    except OSError:
        return  # a machine without IPv6
    with serving("::") as server:
        address = httpx.URL(server.url)
    assert (address.host, address.port) == ("::", server.port)
    assert address.params["token"] == TOKEN
