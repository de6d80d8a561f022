"""Many nodes: stages, stopping, going on, and servers that are no nodes."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from update_kit import PSK, client, nodes, roll_out, update

from edgeflow.devices.updates.client import NodeAddress, NodeClient, RefusedError
from edgeflow.devices.updates.rollout import Rollout, Step, parse_stages
from edgeflow.devices.updates.targets import heard_nodes, parse_nodes, read_groups
from edgeflow.devices.virtual.csi_update import NodeTimes, UpdatableNode
from edgeflow.errors import CommsError, ConfigError, ProtocolError, UnreachableError

NO_NETWORK = NodeTimes(boot=0, restart=0.02, network=1e9, patience=0.2, silence=30)


def test_six_nodes_in_stages() -> None:
    order: list[tuple[NodeAddress, str]] = []
    lock = threading.Lock()

    def tell(step: Step) -> None:
        with lock:
            if step.doing in ("asking", "updated"):
                order.append((step.address, step.doing))

    with nodes(6) as six:
        report = roll_out(update(), *six, stages="1,50%,100%", tell=tell)
        assert [each.outcome for each in report.results] == ["updated"] * 6
        assert [each.stage for each in report.results] == [1, 2, 2, 3, 3, 3]
        assert all(client(one).status().version == "2.0.0" for one in six)
    place = [NodeAddress.parse(one.address) for one in six]
    for before, after in ((place[:1], place[1:]), (place[:3], place[3:])):
        done = max(order.index((one, "updated")) for one in before)
        assert done < min(order.index((one, "asking")) for one in after)


def test_a_failure_stops_it_and_the_same_command_goes_on() -> None:
    with nodes(6) as six:
        six[2].times = NO_NETWORK
        report = roll_out(update(), *six, stages="1,3,100%")
        outcomes = [each.outcome for each in report.results]
        assert outcomes == ["updated", "updated", "failed", "waiting", "waiting", "waiting"]
        assert report.failed
        assert [one.boots for one in six[3:]] == [1, 1, 1]
        assert client(six[2]).status().version == "1.0.0"
        six[2].times = six[0].times
        stopped = roll_out(update(), *six, stages="1,3,100%")
        assert [each.outcome for each in stopped.results[:3]] == ["already", "already", "failed"]
        report = roll_out(update(), *six, stages="1,3,100%", again=True)
        outcomes = [each.outcome for each in report.results]
        assert outcomes == ["already", "already", *["updated"] * 4]


def test_a_node_that_refuses_stops_it_too() -> None:
    with nodes(1) as (good,), nodes(2, psk="another key for it") as others:
        report = roll_out(update(), good, *others, stages="1,2,3")
        assert [each.outcome for each in report.results] == ["updated", "failed", "waiting"]
        assert "not_allowed" in report.results[1].reason


def test_a_node_that_is_switched_off_fails() -> None:
    with nodes(1) as (one,):
        gone = NodeAddress.parse(one.address)
    rollout = Rollout(update(), [gone], lambda node: NodeClient(node, PSK), reach=0.1, poll=0.02)
    report = rollout.run()
    assert report.failed and "does not answer" in report.results[0].reason


def test_stages_may_end_before_the_last_node() -> None:
    with nodes(3) as three:
        report = roll_out(update(), *three, stages="1")
        assert [each.outcome for each in report.results] == ["updated", "waiting", "waiting"]
        assert not report.failed


def test_cancelling_is_quick_and_touches_no_further_node() -> None:
    sent = threading.Event()

    def tell(step: Step) -> None:
        if step.doing == "trying":
            sent.set()

    waiting = NodeTimes(boot=0, restart=0.02, network=1e9, patience=1e9, silence=30)
    with nodes(2, times=waiting) as two:
        rollout = Rollout(
            update(), [NodeAddress.parse(one.address) for one in two],
            lambda node: NodeClient(node, PSK, early=0.02), stages="1,2", poll=0.02, tell=tell,
        )  # fmt: skip
        reports = []
        thread = threading.Thread(target=lambda: reports.append(rollout.run()))
        thread.start()
        assert sent.wait(30)
        begun = time.monotonic()
        rollout.cancel()
        thread.join(30)
        assert time.monotonic() - begun < 10
        assert reports[0].stopped and reports[0].failed
        assert [each.outcome for each in reports[0].results] == ["failed", "waiting"]
        assert two[1].boots == 1


def test_cancelling_ends_a_call_that_hangs() -> None:
    with served(lambda line: time.sleep(0.01) or line.recv(65536)) as address:
        rollout = Rollout(update(), [address], lambda node: NodeClient(node, PSK, seconds=60))
        reports = []
        thread = threading.Thread(target=lambda: reports.append(rollout.run()))
        thread.start()
        end = time.monotonic() + 20
        while not rollout._clients and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        rollout.cancel()
        thread.join(20)
        assert not thread.is_alive() and reports[0].stopped


def test_an_answer_that_is_lost_is_no_failure() -> None:
    """All of the image arrives, and the line breaks before the node says so."""
    with nodes(1) as (one,), broken_line(one) as address:
        rollout = Rollout(
            update(), [address], lambda node: NodeClient(node, PSK, early=0.02), poll=0.02,
        )  # fmt: skip
        assert rollout.run().results[0].outcome == "updated"


@contextmanager
def broken_line(one: UpdatableNode) -> Iterator[NodeAddress]:
    """A way to a node that passes all but the answer to an upload."""

    def forward(line: socket.socket) -> None:
        line.settimeout(20)
        with socket.create_connection((one.host, one.port), timeout=20) as far:
            asked = line.recv(65536)
            far.sendall(asked)
            if asked.startswith(b"GET"):
                line.sendall(far.recv(65536))
                return
            left = int(asked.split(b"Content-Length: ")[1].split(b"\r")[0])
            left -= len(asked.split(b"\r\n\r\n", 1)[1])
            while left > 0:
                piece = line.recv(65536)
                far.sendall(piece)
                left -= len(piece)
            far.recv(65536)

    with served(forward) as address:
        yield address


def test_two_who_update_at_once() -> None:
    with nodes(1) as (one,):
        outcomes: list[str] = []

        def push(version: str) -> None:
            try:
                client(one, early=0.0).push(update(version))
                outcomes.append("taken")
            except CommsError:
                outcomes.append("not")

        threads = [threading.Thread(target=push, args=(version,)) for version in ("2.0", "3.0")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert "taken" in outcomes
        end = time.monotonic() + 30
        while one.version not in ("2.0", "3.0") and time.monotonic() < end:
            time.sleep(0.01)
        assert one.version in ("2.0", "3.0")


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n\r\n"], ids=["head", "body"]
)
def test_a_server_that_talks_slowly_is_left(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeflow.devices.updates.client.ANSWER_SECONDS", 0.3)
    dripped = []

    def drip(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(start)
        while len(dripped) < 400:
            line.sendall(b"x")
            dripped.append(1)
            time.sleep(0.05)

    with served(drip) as address, pytest.raises(UnreachableError):
        NodeClient(address, seconds=5).status()
    assert len(dripped) < 400


def test_nodes_are_given_once() -> None:
    one = NodeAddress("10.0.0.1")
    for wrong in ([], [one, one]):
        with pytest.raises(ConfigError):
            Rollout(update(), wrong, NodeClient)
    with pytest.raises(ProtocolError):
        Rollout(b"x" * 500, [one], NodeClient)


@pytest.mark.parametrize(
    ("text", "count", "ends"),
    [
        ("1,25%,100%", 6, [1, 2, 6]),
        ("100%", 1, [1]),
        ("1, 50%,100%", 2, [1, 2]),
        ("5,10", 7, [5, 7]),
        ("1%", 1000, [10]),
        ("1,25%,100%", 1, [1]),
    ],
)
def test_stages(text: str, count: int, ends: list[int]) -> None:
    assert parse_stages(text, count) == ends


@pytest.mark.parametrize("text", ["", "0", "0%", "9,1", "x", "1.5", "-1", "101%", "1,,2", "²"])
def test_no_stages(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_stages(text, 10)


@given(st.text(max_size=12), st.integers(1, 10_000))
def test_any_stages_ascend(text: str, count: int) -> None:
    try:
        ends = parse_stages(text, count)
    except ConfigError:
        return
    assert ends == sorted(set(ends)) and ends[0] >= 1 and ends[-1] <= count


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("10.0.0.1", "10.0.0.1", 8032), ("node-1.local:80", "node-1.local", 80),
     ("[fe80::1%eth0]:99", "fe80::1%eth0", 99), ("::1", "::1", 8032), ("[::1]", "::1", 8032)],
)  # fmt: skip
def test_addresses(text: str, host: str, port: int) -> None:
    address = NodeAddress.parse(text)
    assert address == (host, port)
    assert NodeAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a:0", "a:65536", "a:x", "a:-1", "[::1]x", "[", "a\nb", "x" * 300, "ü", "a/b"],
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError):
        NodeAddress.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_told(text: str) -> None:
    try:
        address = NodeAddress.parse(text)
    except ConfigError:
        return
    assert address.host and 0 < address.port < 65536


def test_lists_of_nodes(tmp_path: Path) -> None:
    assert parse_nodes(["a,b:1", "a", " c "]) == [("a", 8032), ("b", 1), ("c", 8032)]
    file = tmp_path / "nodes.yaml"
    file.write_text("groups:\n  hall: [a, b]\n  kitchen: [b, 'c:1']\n")
    assert read_groups(file, []) == [("a", 8032), ("b", 8032), ("c", 1)]
    assert read_groups(file, ["kitchen"]) == [("b", 8032), ("c", 1)]
    for text in (
        "",
        "[]",
        "groups: x",
        "groups: {a: b}",
        "groups: {1: [a]}",
        "{",
        "groups: {a: [1]}",
    ):
        file.write_text(text)
        with pytest.raises(ConfigError):
            read_groups(file, [])


def http(body: bytes, status: str = "200 OK") -> Callable[[socket.socket], object]:
    def answer(line: socket.socket) -> None:
        line.recv(65536)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)

    return answer


@contextmanager
def served(answer: Callable[[socket.socket], object]) -> Iterator[NodeAddress]:
    """A server that answers one connection after the other, until the test ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                try:
                    line, _ = server.accept()
                except TimeoutError:
                    continue
                with line:
                    try:
                        answer(line)
                    except OSError:
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield NodeAddress("127.0.0.1", server.getsockname()[1])
        finally:
            stop.set()
            thread.join(20)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(b"{}"), ProtocolError),
        (http(b"[]"), ProtocolError),
        (http(b"x" * 10_000), ProtocolError),
        (http(b'{"version": 7}'), ProtocolError),
        (http(b"no", "404 Not Found"), RefusedError),
        (http(b'{"error":"\\u0000\\n"}', "403 Forbidden"), RefusedError),
        (lambda line: line.sendall(b"SSH-2.0-OpenSSH\r\n"), UnreachableError),
        # How much of the headers comes before the end is chance, and so is what is wrong with them.
        (lambda line: line.sendall(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000), CommsError),
        (lambda line: line.close(), UnreachableError),
        (lambda line: line.sendall(b"\0" * 70_000), UnreachableError),
    ],
)
def test_servers_that_are_no_nodes(
    answer: Callable[[socket.socket], object], error: type[CommsError]
) -> None:
    with served(answer) as address, pytest.raises(error):
        NodeClient(address, seconds=5).status()


def test_strange_values_of_a_status_are_no_values() -> None:
    said = {"version": "1", "state": ["x"], "counter": "7", "pending": "yes", "rollback": 1}
    with served(http(json.dumps(said).encode())) as address:
        status = NodeClient(address).status()
    assert (status.state, status.counter, status.pending, status.rollback) == ("", 0, False, False)


def test_nothing_that_a_node_says_reaches_the_terminal_as_it_is() -> None:
    said = {"version": "1\x1b[2J", "previous_version": "2\n3", "date": "today", "more": ["\x1b"]}
    with served(http(json.dumps(said).encode())) as address:
        status = NodeClient(address).status()
    assert status.fields == {"version": "", "previous_version": "", "date": "today"}
    with (
        served(lambda line: line.sendall(b"\x1b[2J\x1b[1;1Hgone\r\n\r\n")) as address,
        pytest.raises(UnreachableError) as caught,
    ):
        NodeClient(address).status()
    assert str(caught.value).isprintable()


def test_the_nodes_that_a_gateway_hears() -> None:
    heard = [{"address": "10.0.0.7"}, {"address": "127.0.77.1:5005"}, {"name": "x"}]
    with served(http(json.dumps(heard).encode())) as address:
        found = heard_nodes(f"http://{address}")
    assert found == [("10.0.0.7", 8032), ("127.0.77.1", 8032)]
    with served(http(b"{}")) as address, pytest.raises(UnreachableError):
        heard_nodes(f"http://{address}")
    with pytest.raises(ConfigError):
        heard_nodes("file:///etc/passwd")
