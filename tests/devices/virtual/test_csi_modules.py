"""A virtual node with modules, over HTTP and with its packets, end to end."""

import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from edgeflow.devices.virtual.csi_image import make_firmware
from edgeflow.devices.virtual.csi_modules import VirtualModules
from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.devices.virtual.csi_update import UpdatableNode
from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_events import WideEvents
from edgeflow.protocols.csi_vitals import Vitals
from edgeflow.protocols.rvf import MAX_BYTES
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
from edgeflow.sensing.simulate import Frame, Radio, Simulation, preset
from module_images import (
    ENDLESS,
    HOG,
    KEY,
    PUBLIC,
    TICKING,
    TRAPPING,
    container_of,
    signed,
    wasm_of,
)

PSK = "a key of the node"


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(Simulation(preset("walking", seconds=8.0, radio=Radio(rate_hz=10.0))))


class Node:
    """A node with its HTTP server; time passes when it is told to."""

    def __init__(self, frames: list[Frame]) -> None:
        self.modules = VirtualModules(WasmtimeEngine(), number=7, key=PUBLIC, psk=PSK)
        self.port = 0
        self._packets = self.modules.packets(iter(frames))

    def ask(self, method: str, path: str, body: bytes = b"", key: str = PSK) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def live(self) -> list[Any]:
        return [decode(packet.data) for packet in self._packets]

    def only(self) -> dict[str, Any]:
        status, said = self.ask("GET", "/wasm/list")
        assert status == 200
        assert said["max"] == 4
        found: dict[str, Any] = said["modules"][0]
        return found


@contextmanager
def node_of(frames: list[Frame]) -> Iterator[Node]:
    node = Node(frames)
    with UpdatableNode(make_firmware("1.0"), psk=PSK, modules=node.modules) as server:
        node.port = server.port
        yield node


def test_a_good_module_runs_and_its_events_arrive_on_the_host(frames: list[Frame]) -> None:
    with node_of(frames) as node, SensingHost(port=0) as host:
        image = signed(TICKING, "wdp-test-ticking")
        status, said = node.ask("POST", "/wasm/upload", image)
        assert (status, said["started"], said["module_id"]) == (200, True, 0)
        assert said["name"] == "wdp-test-ticking"
        assert said["wasm_size"] == len(wasm_of(TICKING))
        came = threading.Event()
        host.subscribe(came.set)
        nodes = [node.modules.packets(iter(frames))]
        with CsiFleet(("127.0.0.1", host.port), nodes, speed=50.0) as fleet:
            assert fleet.wait(30.0)
        deadline = time.monotonic() + 30.0
        events: list[Any] = []
        while len(events) < 8 and time.monotonic() < deadline:
            came.wait(1.0)
            came.clear()
            events = [each for each in host.news() if getattr(each, "kind", "") == "module"]
    codes = [event.code for event in events]
    assert codes.count(300) == 1
    assert [event.value for event in events if event.code == 65535] == [1, 2, 3, 4, 5, 6, 7]


def test_who_did_not_sign_it_does_not_run_it(frames: list[Frame]) -> None:
    good = signed(TICKING)
    bare = container_of(TICKING)

    def reference(data: bytes) -> bytes:
        return hashlib.sha256(PUBLIC + data).digest().ljust(64, b"\0")

    with node_of(frames) as node:
        refused = {
            "not signed": bare.encode(),
            "the signature is forged": good[:-1] + bytes([good[-1] ^ 1]),
            "WebAssembly without a container": bare.wasm,
        }
        for reason, image in refused.items():
            status, said = node.ask("POST", "/wasm/upload", image)
            assert (status, said["error"]) == (403, reason)
        fake = bare.sign(reference).encode()
        for flags in (1, 5):
            image = fake[:6] + bytes([flags, 0]) + fake[8:]
            assert node.ask("POST", "/wasm/upload", image)[0] == 403
        other = replace(bare.manifest, capabilities=1)
        moved = replace(bare.sign(KEY.sign), manifest=other).encode()
        assert node.ask("POST", "/wasm/upload", moved)[0] == 403
        status, said = node.ask("POST", "/wasm/upload", good[:-70])
        assert (status, "do not add up" in said["error"]) == (400, True)
        assert node.ask("POST", "/wasm/upload", bytes(MAX_BYTES + 1))[0] == 413
        assert node.ask("POST", "/wasm/upload", good, key="another key here")[0] == 403
        assert node.ask("GET", "/wasm/list", key="")[0] == 403
        assert node.ask("GET", "/wasm/list")[1]["loaded"] == 0


def test_nothing_is_read_from_who_may_not_upload(frames: list[Frame]) -> None:
    head = "POST /wasm/upload HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n"
    cases = ((PSK + "!", 5000, 403), (PSK, MAX_BYTES + 1, 413), (PSK, 0, 400))
    with node_of(frames) as node:
        for key, length, status in cases:
            with socket.create_connection(("127.0.0.1", node.port), timeout=30) as line:
                line.sendall(head.format(key, length).encode())
                line.settimeout(5.0)  # less than a node waits for a body
                assert line.recv(4096).startswith(b"HTTP/1.0 %d " % status)


def test_an_endless_loop_ends_and_the_node_goes_on(frames: list[Frame]) -> None:
    with node_of(frames) as node:
        assert node.ask("POST", "/wasm/upload", signed(ENDLESS))[0] == 200
        assert node.ask("POST", "/wasm/upload", signed(TICKING))[0] == 200
        packets = node.live()
        module = node.only()
        assert module["state"] == "error"
        assert module["budget_faults"] == module["error_count"] == module["frame_count"] == 10
        assert sum(isinstance(packet, Vitals) for packet in packets) >= 7
        ticks = [e for p in packets if isinstance(p, WideEvents) for e in p.events if e.id == 65535]
        assert len(ticks) == 7
        assert node.ask("POST", "/wasm/start/0")[0] == 200
        assert node.only()["state"] == "running"


def test_memory_cannot_grow_and_too_much_is_not_loaded(frames: list[Frame]) -> None:
    with node_of(frames) as node:
        assert node.ask("POST", "/wasm/upload", signed(HOG))[0] == 200
        events = [e for p in node.live() if isinstance(p, WideEvents) for e in p.events]
        assert {(event.id, event.value) for event in events} == {(1, -1.0), (2, 1.0)}
        greedy = container_of(TICKING)
        wasm = greedy.wasm.replace(b"\x05\x03\x01\x00\x01", b"\x05\x03\x01\x00\x03")
        image = replace(greedy, wasm=wasm).sign(KEY.sign).encode()
        status, said = node.ask("POST", "/wasm/upload", image)
        assert (status, said["error"]) == (500, "more memory than allowed")


def test_traps_are_counted_and_the_module_goes_on(frames: list[Frame]) -> None:
    with node_of(frames) as node:
        assert node.ask("POST", "/wasm/upload", signed(TRAPPING))[0] == 200
        node.live()
        module = node.only()
        assert module["state"] == "running"
        assert module["error_count"] == module["frame_count"] > 50


def test_start_stop_delete_and_full_slots(frames: list[Frame]) -> None:
    with node_of(frames) as node:
        for number in range(4):
            assert node.ask("POST", "/wasm/upload", signed(TICKING))[1]["module_id"] == number
        assert node.ask("POST", "/wasm/upload", signed(TICKING)) == (
            500,
            {"error": "no slot is empty"},
        )
        assert node.ask("POST", "/wasm/stop/2") == (200, {"status": "ok", "action": "stopped"})
        assert node.ask("POST", "/wasm/stop/2")[0] == 400
        assert node.ask("POST", "/wasm/start/2") == (200, {"status": "ok", "action": "started"})
        assert node.ask("DELETE", "/wasm/2") == (200, {"status": "ok", "action": "unloaded"})
        assert node.ask("DELETE", "/wasm/2")[0] == 400
        states = [each["state"] for each in node.ask("GET", "/wasm/list")[1]["modules"]]
        assert states == ["running", "running", "empty", "running"]
        assert node.ask("POST", "/wasm/upload", signed(TICKING))[1]["module_id"] == 2
        assert node.ask("GET", "/wasm/upload")[0] == 405
        assert node.ask("POST", "/wasm/none")[0] == 404


def test_a_module_sees_only_what_its_manifest_asks_for(frames: list[Frame]) -> None:
    body = (
        '(func (export "on_timer") (call $tell (i32.const 9) (f32.convert_i32_s (call $presence))))'
    )
    seen = {}
    for capabilities in (32, 40, 8):
        node = VirtualModules(WasmtimeEngine(), key=PUBLIC, psk=PSK)
        image = signed(body, capabilities=capabilities)
        assert node.answer("POST", "/wasm/upload", f"Bearer {PSK}", image)[0] == 200
        told = [decode(packet.data) for packet in node.packets(iter(frames))]
        events = [e.value for p in told if isinstance(p, WideEvents) for e in p.events]
        seen[capabilities] = set(events)
    assert seen[32] == {0.0}
    assert seen[40] == {0.0, 1.0} or seen[40] == {1.0}
    assert seen[8] == set()


def test_frames_of_other_sizes_and_too_many_events_are_kept_away(frames: list[Frame]) -> None:
    body = """(func (export "on_frame") (param i32) (local $i i32) (loop $more
      (call $tell (i32.add (i32.const 500) (local.get $i)) (f32.const 1))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 8)))))"""
    node = VirtualModules(WasmtimeEngine(), key=PUBLIC, psk=PSK)
    for limits in ({"max_events_per_second": 3}, {"min_subcarriers": 193}):
        image = signed(body, **limits)
        assert node.answer("POST", "/wasm/upload", f"Bearer {PSK}", image)[0] == 200
    packets = [decode(packet.data) for packet in node.packets(iter(frames))]
    told = [packet for packet in packets if isinstance(packet, WideEvents)]
    assert {packet.slot for packet in told} == {0}
    assert sum(len(packet.events) for packet in told) <= 3 * 9
    limited, foreign = node.modules()
    assert limited["frame_count"] > 50
    assert (foreign["frame_count"], foreign["skipped_count"] > 50) == (0, True)
