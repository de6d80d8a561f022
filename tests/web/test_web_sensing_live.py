"""The live feed of one node, and setting nodes, over HTTP on a real desk."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from web_doors import client_of, serving, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from desks import NAME, datagrams, desk_of, feed
from edgeflow.sensing.desk import Desk
from edgeflow.sensing.host import SensingHost
from edgeflow.web import sensing_live
from edgeflow.web.server import WebServer

HEADER = struct.Struct("<BBHHHd")
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ROOM = {"frames": 1300, "mean": 0.05, "deviation": 0.01, "threshold": 0.31}
PATH = f"/api/csi/nodes/{quote(NAME)}"


@pytest.fixture
def room() -> Iterator[tuple[SensingHost, Desk, WebServer]]:
    with desk_of() as (host, desk), serving(sensing=desk) as server:
        feed(host, datagrams("walking", 1, ago=20))
        yield host, desk, server


def live(server: WebServer, query: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/ws/csi/live?{query}")


def blocks(message: bytes) -> Iterator[tuple[int, str, int, int, int, bytes]]:
    at = 0
    while at < len(message):
        kind, length, columns, rows, missed, _ = HEADER.unpack_from(message, at)
        name = message[at + HEADER.size : at + HEADER.size + length].decode()
        at += HEADER.size + length
        size = columns * rows * (2 if kind == sensing_live.PHASES else 1)
        yield kind, name, columns, rows, missed, message[at : at + size]
        at += size


def figures(link: ClientConnection, wanted: str) -> Any:
    """Return the next ``wanted`` of the JSON messages."""
    while True:
        message = link.recv(20)
        if isinstance(message, str) and wanted in (told := json.loads(message)):
            return told[wanted]


def test_a_node_is_shown_frame_by_frame_and_others_small(room) -> None:
    host, _, server = room
    with live(server, f"node={quote(NAME)}&previews=4") as link:
        assert [node["name"] for node in figures(link, "nodes")] == [NAME]
        feed(host, datagrams("walking", 2, ago=2))
        seen: dict[int, list[tuple[Any, ...]]] = {}
        while len(seen) < 3:
            message = link.recv(20)
            if isinstance(message, bytes):
                for kind, *rest in blocks(message):
                    seen.setdefault(kind, []).append(tuple(rest))
        name, columns, rows, missed, values = seen[sensing_live.AMPLITUDES][0]
        assert (name, columns, missed) == (NAME, 64, 0)
        assert len(values) == 64 * rows
        assert seen[sensing_live.PHASES][0][1:3] == (64, 1)
        assert seen[sensing_live.PREVIEW][0][1:3] == (32, 1)
        glance = figures(link, "glance")
        assert glance["calibration"]["state"] == "learning"
        assert glance["vitals"]["name"] == NAME
    until(lambda: not host.lenses.watchers)


def test_events_come_of_all_nodes_updates_of_one(room) -> None:
    host, _, server = room
    with live(server, "node=nobody") as link:
        figures(link, "summary")
        feed(host, datagrams("walking", 14, ago=14.2))
        assert figures(link, "events")[0]["name"] == NAME


def test_the_summary_is_in_the_feed_of_the_dashboard(room) -> None:
    with connect(f"ws://127.0.0.1:{room[2].port}/ws/stats") as link:
        assert json.loads(link.recv(20))["sensing"]["nodes"] == 1


def test_who_does_not_read_misses_rows_and_costs_no_memory(room, monkeypatch) -> None:
    host, _, server = room
    monkeypatch.setattr("edgeflow.comms.listening.UNREAD_SECONDS", 60.0)
    monkeypatch.setattr(sensing_live, "TICK_SECONDS", 0.001)
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", server.port))
    head = f"GET /ws/csi/live?node={quote(NAME)}&previews=16 HTTP/1.1\r\nHost: localhost\r\n"
    silent.sendall(f"{head}{UPGRADE}\r\n".encode())
    over = threading.Event()

    def play() -> None:
        while not over.is_set():
            feed(host, datagrams("empty", 2, ago=2))

    player = threading.Thread(target=play)
    player.start()
    try:
        until(lambda: host.lenses.watchers)
        time.sleep(1)
        before = psutil.Process().memory_info().rss
        with live(server, f"node={quote(NAME)}") as link:
            for _ in range(200):
                link.recv(20)
        assert psutil.Process().memory_info().rss - before < 32 << 20
    finally:
        over.set()
        player.join(20)
        silent.close()
    until(lambda: not host.lenses.watchers)


def test_clients_are_bounded(room, monkeypatch) -> None:
    monkeypatch.setattr(sensing_live, "MAX_CLIENTS", 1)
    with live(room[2], "") as first, live(room[2], "") as second:
        figures(first, "summary")
        with pytest.raises(ConnectionClosed):
            second.recv(20)
        assert second.close_code == 1013


def test_where_nothing_senses_the_feed_ends_at_once() -> None:
    with serving() as server, live(server, "") as link:
        assert list(link) == []


def test_a_server_that_ends_says_so() -> None:
    with desk_of() as (host, desk), ExitStack() as stack:
        with serving(sensing=desk) as server:
            link = stack.enter_context(live(server, f"node={quote(NAME)}"))
            figures(link, "summary")
        while not link.close_code:
            with suppress(ConnectionClosed):
                link.recv(20)
        assert link.close_code == 1001
        assert not host.lenses.watchers


def test_calibration_is_begun_stopped_set_and_told(room) -> None:
    with client_of(room[2]) as http:
        assert http.get(f"{PATH}/calibration").json()["state"] == "learning"
        put = http.put(f"{PATH}/calibration", json=ROOM)
        assert (put.status_code, put.json()["state"]) == (200, "known")
        begun = http.post(f"{PATH}/calibration")
        assert (begun.status_code, begun.json()["asked"]) == (202, True)
        assert http.delete(f"{PATH}/calibration").json()["state"] == "known"
        again = http.delete(f"{PATH}/calibration")
        assert again.status_code == 409
        assert again.headers["content-type"] == "application/problem+json"
        assert http.get("/api/csi/nodes/9/calibration").status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"[]", 422), (b'{"frames": 1}', 422), (b"[" * 4000, 422), (b" " * 5000, 413)],
)
def test_bodies_that_do_not_fit_are_refused(room, body: bytes, status: int) -> None:
    with client_of(room[2]) as http:
        assert http.put(f"{PATH}/calibration", content=body).status_code == status
        assert http.get(f"{PATH}/calibration").json()["state"] == "learning"


def test_the_configuration_is_changed_part_by_part(room) -> None:
    with client_of(room[2]) as http:
        before = http.get(f"{PATH}/configuration").json()
        after = http.patch(f"{PATH}/configuration", json={"tier": 1, "top_subcarriers": 12}).json()
        assert after == before | {"tier": 1, "top_subcarriers": 12}
        assert http.get(f"{PATH}/configuration").json() == after
        for wrong in ({"tier": 3}, {"colour": "red"}, {"top_subcarriers": "many"}):
            assert http.patch(f"{PATH}/configuration", json=wrong).status_code == 422
        foreign = {"origin": "http://elsewhere"}
        refused = http.patch(f"{PATH}/configuration", json={}, headers=foreign)
        assert refused.status_code == 403


def test_what_was_sensed_before_is_told(room) -> None:
    host, _, server = room
    feed(host, datagrams("walking", 4, ago=4.5))
    with client_of(server) as http:
        kept = http.get(f"{PATH}/kept", params={"limit": 2}).json()
        assert kept[-1]["name"] == NAME
        assert len(http.get(f"{PATH}/kept", params={"limit": 1}).json()) == 1
        assert http.get(f"{PATH}/kept", params={"limit": 0}).status_code == 422
