"""The server's start and end."""

import socket

import httpx
import pytest
from web_doors import NoTaps, View, client_of, gateway_app, serving

from edgeflow.errors import ConfigError
from edgeflow.nodes.gateway.interfaces.base import GatewayContext
from edgeflow.nodes.gateway.interfaces.web import WebInterface

CONTEXT = GatewayContext("door", "gateway", ("camera",), View(), NoTaps())


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: Address already in use") as taken:
            WebInterface(port=port).open(CONTEXT)
        assert "GATEWAY_HTTP_PORT" in taken.value.hint


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 65536), ("127.0.0.1", -1), ("no such host", 0)]
)
def test_an_address_that_cannot_be_is_named(host: str, port: int):
    with pytest.raises(ConfigError, match=rf"cannot listen on {host}:{port}: \w"):
        WebInterface(port=port, host=host).open(CONTEXT)


def test_a_gateway_whose_port_is_taken_fails_and_says_so():
    with socket.create_server(("127.0.0.1", 0)) as owner:
        app = gateway_app(WebInterface(port=owner.getsockname()[1]))
        with app.running() as flow:
            gateway = next(runner for runner in flow.runners if runner.spec.name == "gateway")
            assert gateway.ended.wait(20)
            status = {node.name: node for node in flow.status().nodes}["gateway"]
    assert status.state == "failed"
    assert status.last_error is not None
    assert "Address already in use" in status.last_error


def test_an_interface_opens_nothing_until_it_is_told():
    web = WebInterface(port=0)
    assert (web.port, web.url) == (0, "")
    web.close()


def test_an_interface_can_be_closed_twice_and_opened_again():
    web = WebInterface(port=0)
    web.open(CONTEXT)
    port, url = web.port, web.url
    assert url == f"http://localhost:{port}/dashboard"
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    web.close()
    web.close()
    assert web.url == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    web.open(CONTEXT)
    with client_of(web) as client:
        assert web.port == port
        assert client.get("/healthz").status_code == 200
    web.close()


def test_servers_of_one_process_are_independent():
    with serving() as one, serving() as other, client_of(other) as client:
        one.close()
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "noise",
    [b"\x00" * 100, b"GET /\r\n\r\n", b"GET /" + b"x" * 100_000, b"\x16\x03\x01\x02\x00",
     b"POST /api/fps HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request_is_hung_up_on(noise: bytes):
    with serving() as server, client_of(server) as client:
        with socket.create_connection(("127.0.0.1", server.port), 20) as peer:
            peer.sendall(noise)
            peer.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: peer.recv(4096), b""))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        assert client.get("/healthz").status_code == 200
