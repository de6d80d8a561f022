"""The receiver and what stands on it, over real UDP on loopback."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from edgeflow.core.vitals import VitalsUpdate
from edgeflow.errors import ConfigError, StoreError
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.allowing import AllowList
from edgeflow.sensing.captures import Datagram
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.host import MAX_SUBSCRIBERS, SensingHost
from edgeflow.sensing.receiver import Receiver
from edgeflow.sensing.recordings import Recording

DATA = Path(__file__).parents[1] / "data" / "csi"
PRESENT = Vitals(7, VitalsFlags.PRESENCE, 12.5, 0.0, -40, 1, 0.5, 3.0, 1000).encode()


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
    return value


@contextmanager
def sender(port: int) -> Iterator[Callable[[bytes], None]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", port))
        yield out.send


def packets(count: int, node: int = 7) -> list[bytes]:
    frames = islice(Recording(DATA / "example_100hz_pitraffic.csv"), count)
    return [
        RawFrame(node, number, 2412, frame.rssi, frame.noise_floor, frame.payload).encode()
        for number, frame in enumerate(frames)
        if isinstance(frame, CsiFrame)
    ]


def test_datagrams_come_whole_in_order_and_with_their_time():
    came: list[Datagram] = []
    before = time.monotonic_ns() // 1000
    with Receiver(port=0, take=came.append) as receiver, sender(receiver.port) as send:
        sent = packets(300)
        for packet in sent:
            send(packet)
        until(lambda: len(came) == 300)
    assert [each.data for each in came] == sent
    assert {each.host for each in came} == {"127.0.0.1"}
    times = [each.time_us for each in came]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= time.monotonic_ns() // 1000
    assert (receiver.received, receiver.dropped, receiver.refused) == (300, 0, 0)


def test_what_the_kernel_drops_is_counted():
    busy, came = threading.Event(), []

    def take(datagram: Datagram) -> None:
        came.append(datagram)
        busy.wait(30)

    with Receiver(port=0, take=take) as receiver, sender(receiver.port) as send:
        size = 2000
        count = receiver.buffer_bytes // size + 2000
        for number in range(count):
            send(number.to_bytes(4, "little").ljust(size, b"\0"))
        busy.set()
        send(b"last")
        until(lambda: receiver.dropped or came[-1].data == b"last")
        until(lambda: receiver.received + receiver.dropped >= count)
    assert receiver.dropped > 0


def test_too_long_datagrams_are_cut_and_counted():
    came: list[Datagram] = []
    with Receiver(port=0, take=came.append) as receiver, sender(receiver.port) as send:
        send(bytes(5000))
        send(b"after")
        until(lambda: came)
    assert (receiver.cut, came[0].data) == (1, b"after")


@pytest.mark.parametrize(
    ("networks", "host", "heard"),
    [
        ((), "127.0.0.1", True),
        ((), "::1", True),
        ((), "192.168.4.7", False),
        (("192.168.4.0/24",), "192.168.4.7", True),
        (("192.168.4.0/24",), "::ffff:192.168.4.7", True),
        (("192.168.4.0/24",), "192.168.5.7", False),
        (("192.168.4.9/24",), "192.168.4.7", True),
        (("fe80::/10",), "fe80::7%eth0", True),
        (("fe80::/10",), "2001:db8::7", False),
    ],
)
def test_only_allowed_networks_are_heard(networks, host, heard):
    allowed = AllowList(networks)
    assert [allowed.admits(host), allowed.admits(host)] == [heard, heard]


def test_what_cannot_work_is_told():
    with pytest.raises(ConfigError, match=r"'192\.168' is no network"):
        Receiver(port=0, take=print, allow=["192.168"])
    with Receiver(port=0, take=print) as first, pytest.raises(ConfigError, match="in use"):
        Receiver(port=first.port, take=print)


def test_a_taker_that_fails_does_not_end_the_receiver():
    came: list[bytes] = []

    def take(datagram: Datagram) -> None:
        came.append(datagram.data)
        if datagram.data == b"bad":
            raise RuntimeError("bad")

    with Receiver(port=0, take=take) as receiver, sender(receiver.port) as send:
        for data in (b"bad", b"good"):
            send(data)
        until(lambda: came == [b"bad", b"good"])
        assert receiver.alive


def test_a_packet_is_news_history_and_a_call_at_once():
    told = threading.Event()
    with SensingHost(port=0) as host, sender(host.port) as send:
        end = host.subscribe(told.set)
        send(PRESENT)
        assert told.wait(30)
        (node,) = host.nodes()
        assert node.name.startswith("7@127.0.0.1:")
        assert abs(node.last_seen - time.time()) < 60
        event, update = host.news()
        assert (event.number, update.number) == (1, 2)
        assert isinstance(update, VitalsUpdate)
        assert host.history(node.name) == [update] == host.news(after=1)
        assert node.vitals == update
        assert host.history(node.name, after=2) == []
        (kept,) = host.past(node.name, 0, 1e12)
        assert (kept["number"], kept["time"]) == (update.number, update.time)
        assert host.past(node.name, 0, update.time) == []
        with pytest.raises(ConfigError, match="there is no node '8'"):
            host.history("8")
        end()
        told.clear()
        send(PRESENT)
        until(lambda: len(host.news()) == 3)
        assert not told.is_set()


def test_a_node_learns_its_room_anew():
    with SensingHost(port=0) as host, sender(host.port) as send:
        send(PRESENT)
        (node,) = until(host.nodes)
        with pytest.raises(ConfigError, match="senses itself"):
            host.calibrate(node.name)
        for packet in packets(5):
            send(packet)
        until(lambda: host.nodes()[0].frames == 5)
        host.calibrate(node.name)
        with pytest.raises(ConfigError, match="there is no node"):
            host.calibrate("8")


def test_history_and_subscribers_are_bounded():
    with SensingHost(port=0) as host, sender(host.port) as send:
        for _ in range(400):
            send(PRESENT)
        until(lambda: host.receiver.received == 400)
        (node,) = until(host.nodes)
        until(lambda: len(host.news(limit=2000)) == 401)
        assert len(host.history(node.name, limit=2000)) == 300
        assert len(host.news(limit=5)) == 5
        for _ in range(MAX_SUBSCRIBERS):
            host.subscribe(print)
        with pytest.raises(ConfigError, match="listen to the nodes already"):
            host.subscribe(print)


@pytest.mark.parametrize("name", ["run.csi", "run.mcap"])
def test_what_was_captured_is_sensed_again_alike(tmp_path, name):
    file = tmp_path / name
    with SensingHost(port=0, capture=file) as host, sender(host.port) as send:
        sent = packets(200)
        for packet in sent:
            send(packet)
        send(b"no packet")
        until(lambda: host.captured == 201)
        until(lambda: host.damaged == 1)
    items = list(Recording(file))
    assert [item.data for item in items if isinstance(item, Datagram)] == [*sent, b"no packet"]
    assert abs(items[0].time_us / 1e6 - time.time()) < 120
    with pytest.raises(StoreError, match="exists"):
        SensingHost(port=0, capture=file)


def test_it_stops_at_once_while_packets_come():
    host = SensingHost(port=0)
    stop = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                out.sendto(PRESENT, ("127.0.0.1", host.port))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        until(lambda: host.receiver.received > 100)
        begun = time.monotonic()
        host.close()
        assert time.monotonic() - begun < 6  # under 3 s on an idle machine
        assert not host.receiver.alive
    finally:
        stop.set()
        thread.join()
    host.close()
