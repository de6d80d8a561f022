"""Devices tell of themselves on loopback, and the zeroconf library's own browser hears them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeflow.cli import main
from edgeflow.devices.discovery import SERVICE, Announcement, Announcer, discover
from edgeflow.devices.registry import TABLES_OF_DEVICES, DeviceRegistry
from edgeflow.errors import ConfigError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from servers import free_port

zeroconf = pytest.importorskip("zeroconf", reason="pip install 'edgeflow[discovery]'")

LOOPBACK = ["127.0.0.1"]
SECONDS = 30.0
NAME = f"attic-{os.getpid()}"
"""Others on this machine may announce, too."""


@pytest.fixture
def foreign() -> Iterator["zeroconf.Zeroconf"]:
    """A side that knows nothing of ours."""
    made = zeroconf.Zeroconf(interfaces=LOOPBACK)
    yield made
    made.close()


def test_a_browser_of_the_library_hears_a_device_and_that_it_goes(
    foreign: "zeroconf.Zeroconf",
) -> None:
    announcer = Announcer([Announcement(NAME, "mqtt", 8032, {"version": "7"})], LOOPBACK)
    full = f"{NAME}.{SERVICE}"
    try:
        info = foreign.get_service_info(SERVICE, full, 5000)
        assert info is not None
        assert (info.port, info.parsed_addresses()) == (8032, LOOPBACK)
        assert info.properties == {b"id": NAME.encode(), b"kind": b"mqtt", b"version": b"7"}
        heard: list[tuple[str, str]] = []

        def note(name: str, state_change: "zeroconf.ServiceStateChange", **_: object) -> None:
            heard.append((name, state_change.name))

        browser = zeroconf.ServiceBrowser(foreign, SERVICE, handlers=[note])
        until(lambda: (full, "Added") in heard)
    finally:
        announcer.close()
    until(lambda: (full, "Removed") in heard)
    browser.cancel()


def test_what_the_library_announces_is_found_and_bounded(foreign: "zeroconf.Zeroconf") -> None:
    properties = {b"kind": b"camera", b"long": b"x" * 250, b"raw": b"\xff\xfe", b"none": None}
    info = zeroconf.ServiceInfo(
        SERVICE, f"{NAME}-cam.{SERVICE}", port=554, properties=properties,
        parsed_addresses=LOOPBACK,
    )  # fmt: skip
    foreign.register_service(info)
    found = {each.name: each for each in discover(2.5, LOOPBACK)}
    camera = found[f"{NAME}-cam"]
    assert (camera.kind, camera.port, camera.addresses) == ("camera", 554, ("127.0.0.1",))
    assert len(camera.properties["long"]) == 200
    assert camera.properties["none"] == ""


def test_many_devices_of_one_process_are_found_under_their_ids(tmp_path: Path) -> None:
    names = [f"{NAME}.{number}:x" for number in range(30)]
    with Announcer([Announcement(name, "mqtt") for name in names], LOOPBACK):
        found = discover(2.5, LOOPBACK)
    assert {each.name for each in found} >= set(names)


@pytest.mark.parametrize(
    "wrong",
    [
        Announcement("", "mqtt"),
        Announcement("x" * 64, "mqtt"),
        Announcement("a", "mqtt", 65536),
        Announcement("a", "mqtt", 0, {"k": "v" * 201}),
        Announcement("a", "mqtt", 0, {str(number): "" for number in range(17)}),
        Announcement("a\x00b", "mqtt"),
    ],
)
def test_what_cannot_be_announced_is_refused_before_anything_is(wrong: Announcement) -> None:
    with pytest.raises(ConfigError, match="cannot be announced"):
        Announcer([wrong], LOOPBACK)


def test_simulated_nodes_announce_on_request_and_the_command_registers_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = f"node{os.getpid()}"
    program = str(Path(sys.executable).with_name("edgeflow"))
    words = ["climate", "simulate", "--devices", "2", "--prefix", prefix, "--seconds", "600"]
    words += ["--broker", f"mqtt://embedded?port={free_port()}", "--announce", "127.0.0.1"]
    url = f"sqlite:///{tmp_path}/home.db"
    store = open_tables(url)
    store.create(list(TABLES.values()))
    with subprocess.Popen([program, *words], cwd=tmp_path, stderr=subprocess.PIPE) as running:
        try:
            assert running.stderr is not None
            for line in running.stderr:
                if b"announced on the local network: 2" in line:
                    break
            listen = ["devices", "discover", "--interface", "127.0.0.1", "--seconds", "2.5"]
            assert main([*listen, "--register", url, "--json"]) == 0
            found = json.loads(capsys.readouterr().out)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(SECONDS)
    ours = [each for each in found if each["name"].startswith(prefix)]
    assert [each["name"] for each in ours] == [f"{prefix}-1", f"{prefix}-2"]
    assert ours[0]["properties"]["broker"].startswith("mqtt://")
    registry = DeviceRegistry(store.insert, *map(store.latest, TABLES_OF_DEVICES))
    assert registry.get(f"{prefix}-1").kind == "mqtt"
    store.close()


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "discover", "--interface", "everywhere"]) == 3
    assert "is no address" in capsys.readouterr().err


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
