"""Whatever bytes arrive, the server answers with what the request deserves and lives on."""

import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_doors import client_of, picture, serving

from edgeflow.web.server import WebServer

PATHS = ["/api/flow", "/dashboard", "/api/nodes/", "/snapshot/", "/api/logs", "/ws/stats", "/"]
NAMES = [b"Authorization", b"Cookie", b"Origin", b"Upgrade", b"Accept", b"Range", b"X-\xc3\xa4",
         b"Content-Length", b"Sec-WebSocket-Key", b"Transfer-Encoding", b"Expect"]  # fmt: skip
PREFIXES = [b"", b"Bearer ", b"edgeflow_token=", b"http://", b"http://[", b"bytes=", b"websocket"]
visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
noise = st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
line = st.one_of(visible.map(str.encode), visible.map(str.encode), noise)
header = st.tuples(st.sampled_from(NAMES), st.sampled_from(PREFIXES), line)
quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def servers():
    """One that asks for a token, and one that does not."""
    with pytest.MonkeyPatch.context() as patch, serving() as plain:
        patch.setenv("EDGEFLOW_TOKEN", "s3cret")
        with serving("0.0.0.0") as locked:
            plain.publish(picture(1))
            locked.publish(picture(1))
            yield plain, locked


def ask(server: WebServer, request: bytes, *, whole: bool = True) -> bytes:
    """Send bytes and return the status line of the answer, which may be empty unless ``whole``."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        if not whole:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n" not in answer:
            try:
                more = connection.recv(4096)
            except ConnectionResetError:
                break
            if not more:
                break
            answer += more
        return answer.partition(b"\r\n")[0]


def assert_no_failure(server: WebServer, request: bytes) -> None:
    status = ask(server, request)
    assert status.startswith(b"HTTP/1.1 "), (request, status)
    assert not status.startswith(b"HTTP/1.1 5"), (request, status)


@quick
@given(path=st.sampled_from(PATHS), headers=st.lists(header, max_size=2))
def test_any_header_values(servers, path, headers):
    for server in servers:
        lines = [f"GET {path} HTTP/1.1".encode(), b"Host: localhost"]
        lines += [name + b": " + prefix + value for name, prefix, value in headers]
        assert_no_failure(server, b"\r\n".join([*lines, b"", b""]))


@quick
@given(host=line, path=st.sampled_from(PATHS))
def test_any_host(servers, host, path):
    for server in servers:
        request = f"GET {path}x HTTP/1.1\r\nHost: ".encode() + host + b"\r\n\r\n"
        assert_no_failure(server, request)


target = st.one_of(
    line.map(lambda raw: raw.replace(b" ", b"")),
    st.binary(max_size=30).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw).encode()),
)
KEYS = [b"token", b"limit", b"after", b"node", b"quality", b"%00", b"=&=", b"token=s3cret&token"]


@quick
@given(path=st.sampled_from(PATHS), rest=target, key=st.sampled_from(KEYS), value=target)
def test_any_path_and_query(servers, path, rest, key, value):
    for server in servers:
        address = path.encode() + rest + b"?" + key + b"=" + value
        assert_no_failure(server, b"GET " + address + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")


@quick
@given(request=st.binary(max_size=200))
def test_any_bytes_at_all(servers, request):
    for server in servers:
        assert not ask(server, request, whole=False).startswith(b"HTTP/1.1 5")


def test_they_still_answer(servers):
    for server in servers:
        with client_of(server, headers={"Authorization": "Bearer s3cret"}) as client:
            assert client.get("/api/flow").status_code == 200
