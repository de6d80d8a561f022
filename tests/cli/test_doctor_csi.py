"""``doctor csi``: nodes that reach this machine, that are silent, that send elsewhere."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from edgeflow.cli import main
from edgeflow.devices.virtual.csi_node import CsiFleet, Tape, raw_packets
from edgeflow.sensing.reaching import interfaces, is_free, neighbours, route_to
from edgeflow.sensing.simulate import Radio, Simulation, preset
from servers import free_port

NODE = "127.0.77.1"
"""Where virtual nodes send from."""


def free_ports() -> int:
    """A UDP port that is free, and those around it that the doctor listens to."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if all(is_free("127.0.0.1", each) for each in neighbours(port)):
            return port


@contextmanager
def node(port: int) -> Iterator[None]:
    """A node that sends 50 frames a second."""
    scene = preset("empty", seconds=4, radio=Radio(rate_hz=50))
    with CsiFleet(("127.0.0.1", port), [Tape(raw_packets(Simulation(scene))).play()]):
        yield


@contextmanager
def updates(said: bytes = b'{"version": "1.2.3"}') -> Iterator[int]:
    """The update server of a node; yields its port."""

    class Status(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ota/status" else 404)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer((NODE, 0), Status)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(3)
        server.server_close()


def examined(
    capsys: Any, *words: str, seconds: float = 0.3
) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "csi", "--json", "--seconds", str(seconds), *words])
    found = json.loads(capsys.readouterr().out)["findings"]
    for each in found:
        assert each["detail"]
        assert bool(each["help"]) == (each["state"] != "ok")
    return code, {each["name"]: each for each in found}


def test_a_node_that_is_reached_and_reaches(capsys: Any) -> None:
    port = free_ports()
    with updates() as ota, node(port):
        code, found = examined(
            capsys, "--node", NODE, "--port", str(port), "--ota-port", str(ota), seconds=1.0
        )
    assert code == 0
    assert found["packets"]["detail"].startswith(f"node 1 at {NODE}: ")
    assert "1.2.3" in found["way back"]["detail"]
    assert found["both ways"]["state"] == "ok"
    assert "--target-ip 127.0.0.1" in found["network of the node"]["detail"]


def test_a_node_that_is_silent(capsys: Any) -> None:
    port = free_ports()
    with updates() as ota:
        code, found = examined(capsys, "--node", NODE, "--port", str(port), "--ota-port", str(ota))
    assert (code, found["both ways"]["state"]) == (1, "fail")
    assert "isolation" in found["both ways"]["help"] and "--target-ip" in found["both ways"]["help"]


def test_a_node_that_sends_to_another_port(capsys: Any) -> None:
    port = free_ports()
    with updates() as ota, node(port + 1):
        code, found = examined(
            capsys, "--node", NODE, "--port", str(port), "--ota-port", str(ota), seconds=1.0
        )
    assert code == 1
    assert f"--target-port {port}" in found["packets"]["help"]
    assert "another port" in found["both ways"]["detail"]


def test_a_node_that_nothing_reaches(capsys: Any) -> None:
    port = free_ports()
    with node(port), socket.socket() as deaf:
        deaf.bind((NODE, 0))
        deaf.listen(0)  # accepts, and never answers
        ota = str(deaf.getsockname()[1])
        code, found = examined(
            capsys, "--node", NODE, "--port", str(port), "--ota-port", ota, seconds=1.0
        )
    assert code == 1
    assert found["way back"]["state"] == "fail"
    assert "isolation" in found["both ways"]["help"]


def test_without_a_node_everything_that_comes_is_told(capsys: Any) -> None:
    port = free_ports()
    with node(port), ExitStack() as stack:
        out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        stop = threading.Event()

        def chatter() -> None:
            while not stop.wait(0.05):
                out.sendto(b"hello", ("127.0.0.1", port))

        thread = threading.Thread(target=chatter)
        thread.start()
        stack.callback(thread.join, 3)
        stack.callback(stop.set)
        assert main(["doctor", "csi", "--seconds", "0.8", "--port", str(port)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"node 1 at {NODE}" in said
    assert "no packets of nodes" in said
    assert "both ways" not in said


def test_a_port_that_is_taken_is_told(capsys: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as owner:
        owner.bind(("127.0.0.1", 0))
        port = str(owner.getsockname()[1])
        _, found = examined(capsys, "--port", port)
    assert found["UDP port"]["state"] == "warn"


@pytest.mark.parametrize("said", [b"[]", b"\xff\xfe" * 9000])
def test_another_server_is_no_node(capsys: Any, said: bytes) -> None:
    with updates(said) as ota:
        _, found = examined(
            capsys, "--node", NODE, "--port", str(free_ports()), "--ota-port", str(ota)
        )
    assert found["way back"]["state"] == "warn"
    assert "not as a node" in found["way back"]["detail"]


def test_networks_of_this_machine() -> None:
    loopback = {each.name: each for each in interfaces()}["lo"]
    assert loopback.network.is_loopback and not loopback.wireless
    assert route_to("127.0.0.1") == "127.0.0.1"
    assert sorted(neighbours(3)) == [*range(1, 9)]


def test_what_makes_no_sense_is_refused(capsys: Any) -> None:
    assert main(["doctor", "--node", NODE]) == 2
    capsys.readouterr()
    words = ["--host", "203.0.113.9", "--port", str(free_port())]
    code, found = examined(capsys, *words)
    assert (code, found["csi"]["state"]) == (1, "fail")
