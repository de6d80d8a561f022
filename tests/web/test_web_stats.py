"""The live feed of the dashboard."""

import contextlib
import json
import threading
from socket import SHUT_RDWR

import pytest
from web_doors import View, client_of, gateway_app, picture, serving, until
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.sync.client import ClientConnection, connect

from edgeflow.core.status import LogLine
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.web.server import WebServer


def feed(server: WebServer | WebInterface) -> contextlib.AbstractContextManager[ClientConnection]:
    return connect(f"ws://127.0.0.1:{server.port}/ws/stats", proxy=None)


def message(socket: ClientConnection) -> dict:
    return json.loads(socket.recv(timeout=20))


def line(number: int) -> LogLine:
    return LogLine(
        time=1.0, level="info", node="camera", event=f"event_{number}", fields={}, number=number
    )


def test_a_message_holds_what_the_routes_tell():
    web = WebInterface(port=0)
    with gateway_app(web).running(), client_of(web) as client:
        until(lambda: all(client.get("/api/fps").json().values()))
        until(lambda: len(client.get("/api/trace").json()["paths"]) == 2)
        with feed(web) as socket:
            found = message(socket)
        keys = {"status", "paths", "logs", "streams", "models", "activity", "devices"}
        assert set(found) == keys | {"sensing", "climate"}
        flow = client.get("/api/flow").json()
        assert set(found["status"]) == set(flow)
        assert [n["name"] for n in found["status"]["nodes"]] == [n["name"] for n in flow["nodes"]]
        assert {tuple(path["path"]) for path in found["paths"]} == {
            ("camera", "gateway"), ("weather", "gateway"),
        }  # fmt: skip
        assert [stream["topic"] for stream in found["streams"]] == ["camera", "weather"]


def test_each_client_gets_each_log_line_once():
    view = View()
    view.lines = [line(1), line(2)]
    with serving(view=view) as server, feed(server) as early:
        assert [log["number"] for log in message(early)["logs"]] == [1, 2]
        view.lines.append(line(3))
        with feed(server) as late:
            assert [log["number"] for log in message(late)["logs"]] == [1, 2, 3]
        got: list[int] = []
        while not got:
            got = [log["number"] for log in message(early)["logs"]]
        assert got == [3]
        assert message(early)["logs"] == []


def test_watching_the_feed_changes_no_counter():
    with serving() as server, feed(server) as socket:
        server.publish(picture(1))
        (before,) = message(socket)["streams"]
        (after,) = message(socket)["streams"]
        for found in (before, after):
            assert (found["viewers"], found["dropped"]) == (0, 0)


def test_what_a_client_says_is_ignored():
    with serving() as server, feed(server) as socket:
        for said in ("{", b"\x00\xff", "x" * 10_000, ""):
            socket.send(said)
        for _ in range(2):
            assert message(socket)["status"]["app"] == "door"


def test_a_client_that_never_reads_slows_nobody():
    view = View()
    view.lines = [line(number) for number in range(1, 200)]
    with serving(view=view) as server, feed(server), feed(server) as quick:
        for _ in range(4):
            assert message(quick)["status"]["app"] == "door"


def test_the_end_of_the_server_closes_with_1001():
    with serving() as server, contextlib.ExitStack() as clients:
        sockets = [clients.enter_context(feed(server)) for _ in range(3)]
        for socket in sockets:
            message(socket)
        closing = threading.Thread(target=server.close)
        closing.start()
        for socket in sockets:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    message(socket)
            assert isinstance(closed.value, ConnectionClosedOK)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        closing.join(20)


def test_a_client_that_leaves_without_a_word_leaves_nothing_behind():
    with serving() as server:
        for _ in range(5):
            with feed(server) as socket:
                message(socket)
                socket.socket.shutdown(SHUT_RDWR)
        with feed(server) as socket:
            assert message(socket)["status"]["app"] == "door"
