"""Modules on the host, for nodes that send raw frames."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgeflow._native.csi import CsiProcessor
from edgeflow.devices.virtual.csi_node import CsiFleet, raw_packets
from edgeflow.errors import ConfigError
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.modules.registry import ModuleRegistry
from edgeflow.sensing.simulate import Radio, Simulation, preset
from module_images import ENDLESS, PUBLIC, TICKING, TRAPPING, container_of, signed


@pytest.fixture(scope="module")
def packets() -> list[Any]:
    return list(raw_packets(Simulation(preset("walking", seconds=6.0, radio=Radio(rate_hz=20.0)))))


def wait_for(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def row_of(host: SensingHost, number: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = host.modules.list()["modules"]
    return next(row for row in rows if row["id"] == number)


def test_events_of_modules_are_told_with_those_of_nodes(packets: list[Any]) -> None:
    with SensingHost(port=0, module_key=PUBLIC) as host:
        everywhere = host.modules.load(signed(TICKING, "wdp-test-ticking"))
        endless = host.modules.load(signed(ENDLESS, "wdp-test-endless"))
        assert row_of(host, everywhere)["node"] == "*"
        target = ("127.0.0.1", host.port)
        with CsiFleet(target, [iter(packets), iter(packets)], spread=0.0) as fleet:
            assert wait_for(lambda: len(host.modules.list()["modules"]) == 4)
            assert fleet.wait(30.0)
        assert wait_for(lambda: row_of(host, endless)["state"] == "error")
        said = [event for event in host.news() if getattr(event, "kind", "") == "module"]
        assert {event.node for event in said} == {1, 2}
        assert {event.code for event in said} == {300, 65535}
        ticking = row_of(host, everywhere)
        assert ticking["state"] == "running"
        assert ticking["events"][0]["name"] == "occupied"  # 300, by the catalogue
        assert ticking["events"][-1]["id"] == 65535
        assert abs(ticking["events"][-1]["time"] - time.time()) < 60
        assert ticking["binary_size"] == len(container_of(TICKING).wasm)
        assert host.modules.dropped == 0


def test_a_module_for_all_needs_a_slot_on_every_node() -> None:
    with SensingHost(port=0, module_key=PUBLIC) as host:
        own = [host.modules.load(signed(TICKING), node="one@here") for _ in range(4)]
        host.modules.load(signed(TICKING), node="other@here")
        with pytest.raises(ConfigError, match="delete one"):
            host.modules.load(signed(TICKING))
        assert len(host.modules.list()["modules"]) == 5
        host.modules.delete(own[0])
        assert host.modules.load(signed(TICKING)) > own[3]
        for full in ("one@here", None):
            with pytest.raises(ConfigError, match="delete one"):
                host.modules.load(signed(TICKING), node=full)
        for _ in range(2):
            host.modules.load(signed(TICKING), node="other@here")


def test_nodes_that_come_and_go_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeflow.sensing.modules.registry.MOST_NODES", 3)
    told: list[str] = []
    modules = ModuleRegistry(lambda node, *_: told.append(node), key=PUBLIC)
    try:
        modules.load(signed(TICKING))
        for number in range(8):
            modules.look(f"{number}@here", 1, used=1, time_us=number, processor=CsiProcessor())
        assert wait_for(lambda: told == [f"{number}@here" for number in range(8)])
        rows = modules.list()["modules"]
        assert [row["node"] for row in rows] == ["5@here", "6@here", "7@here"]
    finally:
        modules.close()


def test_one_node_alone_and_start_stop_delete(packets: list[Any]) -> None:
    with SensingHost(port=0, module_key=PUBLIC) as host:
        number = host.modules.load(signed(TRAPPING), node="nobody@here")
        waiting = row_of(host, number)
        assert (waiting["node"], waiting["state"]) == ("nobody@here", "loaded")
        assert (waiting["frame_count"], waiting["events"]) == (0, [])
        with CsiFleet(("127.0.0.1", host.port), [iter(packets)], spread=0.0) as fleet:
            assert wait_for(lambda: bool(host.nodes()))
            name = host.nodes()[0].name
            here = host.modules.load(signed(TRAPPING), node=name)
            assert wait_for(lambda: row_of(host, here)["error_count"] > 2)
            host.modules.stop(here)
            assert row_of(host, here)["state"] == "stopped"
            with pytest.raises(ConfigError, match="does not run"):
                host.modules.stop(here)
            host.modules.start(here)
            assert row_of(host, here)["state"] == "running"
            with pytest.raises(ConfigError, match="runs"):
                host.modules.start(here)
            host.modules.delete(here)
            fleet.close()
        assert [row["id"] for row in host.modules.list()["modules"]] == [number]
        with pytest.raises(ConfigError, match="no module"):
            host.modules.delete(here)


def test_what_is_not_signed_by_the_key_is_refused_at_once() -> None:
    with SensingHost(port=0, module_key=bytes(31) + b"\x01") as host:
        with pytest.raises(ConfigError, match="forged"):
            host.modules.load(signed(TICKING))
        with pytest.raises(ConfigError, match="not signed"):
            host.modules.load(container_of(TICKING).encode())
        with pytest.raises(ConfigError, match="not a container"):
            host.modules.load(bytes(200))
    with SensingHost(port=0) as host, pytest.raises(ConfigError, match="no key"):
        host.modules.load(signed(TICKING))


def test_slots_are_bounded_and_the_worker_ends() -> None:
    host = SensingHost(port=0, module_key=PUBLIC)
    for _ in range(4):
        host.modules.load(signed(TICKING))
    with pytest.raises(ConfigError, match="4 modules"):
        host.modules.load(signed(TICKING))
    begun = time.monotonic()
    host.close()
    assert time.monotonic() - begun < 6  # under 3 s on an idle machine
    assert "csi-modules" not in {thread.name for thread in threading.enumerate()}
    assert host.modules.list() == {"modules": [], "loaded": 0, "max": 4}
    with pytest.raises(ConfigError, match="closed"):
        host.modules.load(signed(TICKING))
