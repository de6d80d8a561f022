"""Modules of virtual nodes over restarts: kept, refused when older, disabled after crashes."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from edgeflow.devices.virtual import csi_http
from edgeflow.devices.virtual.csi_image import make_firmware
from edgeflow.devices.virtual.csi_modules import VirtualModules
from edgeflow.devices.virtual.csi_update import NodeTimes, UpdatableNode
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
from edgeflow.sensing.simulate import Frame, Radio, Simulation, preset
from module_images import KEY, PUBLIC, TICKING, container_of

PSK = "a key of the node"
QUICK = NodeTimes(boot=0.01, restart=0.01, network=0.0)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(Simulation(preset("walking", seconds=24.0, radio=Radio(rate_hz=5.0))))


def image(version: int, name: str = "wdp-test-ticking") -> bytes:
    return replace(container_of(TICKING, name), version=version).sign(KEY.sign).encode()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


class Engine(WasmtimeEngine):
    """Ends the node when a module of these slots begins; or never returns while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[int] = set()
        self.end: Callable[[], None] = lambda: None
        self.may_go_on, self.called = threading.Event(), threading.Event()
        self.may_go_on.set()

    def call(self, slot: int, entry: str, *rest: Any) -> int:
        self.called.set()
        assert self.may_go_on.wait(60)
        if slot in self.bad and entry == "on_init":
            self.end()
        return super().call(slot, entry, *rest)


class Node:
    def __init__(self, flash: NorFlash, *, allows_older: bool = False) -> None:
        self.engine = Engine()
        self.modules = VirtualModules(self.engine, key=PUBLIC, psk=PSK, allows_older=allows_older)
        self.server = UpdatableNode(
            make_firmware("1.0"), psk=PSK, modules=self.modules, flash=flash, times=QUICK
        )
        self.engine.end = self.server.crash

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {PSK}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def upload(self, version: int) -> tuple[int, Any]:
        return self.ask("POST", "/wasm/upload", image(version))

    def restart(self, act: Callable[[], object] | None = None) -> None:
        boots = self.server.boots
        (act or self.server.restart_soon)()
        self.wait(boots)

    def wait(self, boots: int) -> None:
        """Until it answers after more starts than these."""

        def is_up() -> bool:
            try:
                return self.server.boots > boots and self.ask("GET", "/wasm/list")[0] == 200
            except (http.client.HTTPException, OSError):
                return False

        until(is_up)

    def hear(self, frames: list[Frame]) -> None:
        for _ in self.modules.packets(iter(frames)):
            pass

    def states(self) -> list[str]:
        return [each["state"] for each in self.ask("GET", "/wasm/list")[1]["modules"]]


@contextmanager
def node_on(flash: NorFlash, *, allows_older: bool = False) -> Iterator[Node]:
    node = Node(flash, allows_older=allows_older)
    with node.server:
        yield node


def new_flash() -> NorFlash:
    return NorFlash.in_memory(8 << 20)


def test_an_upload_outlives_restarts_and_older_ones_do_not_come_in(frames: list[Frame]) -> None:
    flash = new_flash()
    with node_on(flash) as node:
        status, said = node.upload(7)
        assert (status, said["version"], said["kept"]) == (200, 7, True)
        assert node.upload(8)[0] == 200
        assert node.ask("POST", "/wasm/stop/1")[0] == 200
        node.restart()
        assert node.states() == ["kept", "kept", "empty", "empty"]
        assert node.upload(6) == (409, {"error": "older than what this node has had"})
        node.hear(frames[:20])
        assert node.states() == ["running", "stopped", "empty", "empty"]
        assert [each["version"] for each in node.modules.modules()] == [7, 8]
        assert node.ask("DELETE", "/wasm/0")[0] == node.ask("DELETE", "/wasm/1")[0] == 200
    with node_on(flash) as node:  # switched off and on
        assert node.states() == ["empty"] * 4
        assert node.upload(7)[0] == node.upload(0)[0] == 409
        assert node.upload(8)[0] == 200
        other = image(1, "wdp-test-other")
        assert node.ask("POST", "/wasm/upload", other)[0] == 200
    with node_on(flash, allows_older=True) as node:
        assert node.upload(7)[0] == 200
    with node_on(flash) as node:
        assert node.upload(7)[0] == 200


def test_who_ends_the_node_at_its_start_twice_stays_away(frames: list[Frame]) -> None:
    with node_on(new_flash()) as node:
        assert node.upload(1)[0] == node.upload(1)[0] == 200
        node.engine.bad = {1}
        node.restart()
        for _ in range(2):  # both at once; then one by one, which takes 10 s of frames
            node.restart(lambda: node.hear(frames))
        assert node.states()[:2] == ["kept", "disabled"]
        node.hear(frames)
        assert node.states()[:2] == ["running", "disabled"]
        node.engine.bad = set()
        assert node.ask("POST", "/wasm/start/1") == (200, {"status": "ok", "action": "started"})
        assert node.states()[:2] == ["running", "running"]


def test_the_power_goes_while_a_module_is_uploaded(frames: list[Frame]) -> None:
    kept: dict[bool, int] = {False: 0, True: 0}
    for after in (0, 1, 40, 130, 148, 149, 150, 151, 152, 160, 260, 267, 268, 269, 270, 500):
        with node_on(new_flash()) as node:
            assert node.upload(1)[0] == 200
            boots = node.server.boots
            node.modules.cut_power(after, ("before", "half", "garbage")[after % 3])
            try:
                done = node.upload(2)[0] == 200
            except (http.client.HTTPException, OSError):
                done = False  # it was not there to answer
                node.wait(boots)
            if done:
                node.restart()
            node.hear(frames[:10])
            states = node.states()
            assert states[0] == "running"
            assert states[1] in ({"running"} if done else {"running", "empty"})
            kept[states[1] == "running"] += 1
            assert node.upload(0)[0] == 409
            assert node.upload(2)[0] == 200
    assert min(kept.values()) > 0


def test_what_cannot_succeed_is_refused_while_a_module_keeps_its_task(
    frames: list[Frame],
) -> None:
    with node_on(new_flash()) as node:
        assert node.upload(2)[0] == 200
        node.engine.called.clear()
        node.engine.may_go_on.clear()
        busy = threading.Thread(target=node.hear, args=(frames[:20],))
        busy.start()
        assert node.engine.called.wait(60)
        forged = image(3)[:-1] + b"\0"
        begun = time.monotonic()
        said = [
            node.ask("POST", "/wasm/upload", data)
            for data in (b"\0asm\1\0\0\0", b"x" * 200, image(3) + b"x", forged, image(1))
        ]
        assert time.monotonic() - begun < 10  # none of them waited for a call of 60 s
        assert [status for status, _ in said] == [403, 400, 400, 403, 409]
        node.engine.may_go_on.set()
        busy.join(60)
        assert not busy.is_alive()
        assert node.upload(3)[0] == 200


def test_a_connection_that_is_accepted_while_the_node_closes_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = threading.Event()
    ready = csi_http._Handler.setup

    def late(handler: csi_http._Handler) -> None:
        accepted.set()
        until(lambda: handler.server.node.stopping)
        time.sleep(0.1)  # the node has looked for connections
        ready(handler)

    monkeypatch.setattr(csi_http._Handler, "setup", late)
    node = UpdatableNode(make_firmware("1.0"), times=replace(QUICK, silence=60.0))
    with node, socket.create_connection(("127.0.0.1", node.port)) as line:
        assert accepted.wait(60)
        node.close()
        line.settimeout(30)
        assert line.recv(1) == b""
