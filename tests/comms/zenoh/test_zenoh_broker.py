"""What only a zenoh broker has: peers that find each other, a board without a server, logs."""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edgeflow.comms.brokers import Subscription, ZenohBroker
from edgeflow.comms.zenoh import messages
from edgeflow.comms.zenoh.log import open_log
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import CommsError, ConfigError, FrameDecodeError
from flows import wait_until
from servers import free_port

Make = Callable[..., ZenohBroker]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make brokers of one app, all of which connect to the first."""
    app, hub = f"app-{uuid.uuid4().hex[:8]}", f"tcp/127.0.0.1:{free_port()}"
    made: list[ZenohBroker] = []
    with ExitStack() as stack:

        def begin(**options: object) -> ZenohBroker:
            ends = ([hub], ["tcp/127.0.0.1:0"]) if made else ([], [hub])
            broker = ZenohBroker(*ends, **options)
            broker.open(app)
            made.append(broker)
            stack.callback(broker.close)
            return broker

        yield begin


def frame(number: int, data: object = b"x") -> Frame:
    return Frame(data=data, id=number, sequence=number, epoch=1, topic="t", source="t")


def durable(capacity: int = 16, member: str = "0") -> Subscription:
    return Subscription("t", "g", QoS.DURABLE, capacity, member)


def test_constructing_a_broker_starts_nothing(monkeypatch: pytest.MonkeyPatch):
    before = threading.active_count()
    broker = ZenohBroker()
    assert not broker.remembers
    broker.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"connect": ["somewhere"]},
        {"listen": ["tcp/"]},
        {"connect": ["http/1.2.3.4:80"]},
        {"mode": "router"},
    ],
)
def test_a_wrong_endpoint_is_refused_at_once(wrong: dict[str, object]):
    with pytest.raises(ConfigError):
        ZenohBroker(**wrong)


def test_a_port_that_is_taken_is_a_clear_error():
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    first, second = (ZenohBroker([], [endpoint]) for _ in range(2))
    assert first.check().startswith("zenoh ")
    with pytest.raises(ConfigError, match="zenoh cannot start"):
        second.check()
    for broker in (first, second):
        broker.close()


def test_endpoints_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGEFLOW_ZENOH_CONNECT", "tcp/10.0.0.1:7447, tcp/10.0.0.2:7447")
    monkeypatch.setenv("EDGEFLOW_ZENOH_LISTEN", "tcp/0.0.0.0:7447")
    monkeypatch.setenv("EDGEFLOW_ZENOH_SPOOL", "/var/lib/frames")
    assert settings.ZENOH_CONNECT == ["tcp/10.0.0.1:7447", "tcp/10.0.0.2:7447"]
    assert settings.ZENOH_LISTEN == ["tcp/0.0.0.0:7447"]
    assert ZenohBroker().remembers


def test_a_router_carries_frames_between_clients_that_cannot_reach_each_other():
    zenoh = pytest.importorskip("zenoh")
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    config = zenoh.Config()
    for key, value in {
        "mode": "router",
        "listen/endpoints": [endpoint],
        "scouting/multicast/enabled": False,
    }.items():
        config.insert_json5(key, json.dumps(value))
    router = zenoh.open(config)
    brokers = [ZenohBroker([endpoint], mode="client") for _ in range(2)]
    image = np.arange(480 * 640 * 3, dtype=np.uint8).reshape(480, 640, 3)
    publisher = brokers[0].publisher("t", [durable()])
    subscriber = brokers[1].subscriber([durable()])
    assert publisher.publish(frame(0, image), 5.0)
    delivery = subscriber.receive(10.0)
    assert np.array_equal(delivery.frame.data, image)
    subscriber.ack(delivery)
    subscriber.close()
    for broker in brokers:
        broker.close()
    router.close()


def test_reports_are_read_by_all_and_expire(make: Make, monkeypatch: pytest.MonkeyPatch):
    boards = [make().board() for _ in range(3)]
    for board in boards:
        board.read()

    def spread() -> bool:
        for number, board in enumerate(boards):
            board.post(f"node.{number}/0/höst", b"report %d" % number)
        return all(len(board.read()) == 3 for board in boards)

    wait_until(spread)
    assert boards[2].read()["node.0/0/höst"] == b"report 0"
    monkeypatch.setattr("edgeflow.comms.zenoh.board.EXPIRES_SECONDS", 0.05)
    boards[0].post("node.0/0/höst", b"late")
    wait_until(lambda: "node.0/0/höst" not in boards[0].read())


def test_a_board_of_a_closed_broker_is_silent(make: Make):
    broker = make()
    board = broker.board()
    board.post("a", b"b")
    broker.close()
    board.post("a", b"c")


def test_members_number_themselves_and_fill_gaps(make: Make):
    brokers = [make() for _ in range(3)]
    numbers: list[int | None] = [None] * 3

    def claim(index: int) -> None:
        numbers[index] = brokers[index].claim_member("detector", 3, 5.0)

    threads = [threading.Thread(target=claim, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(numbers) == [0, 1, 2]
    brokers[1].close()
    assert make().claim_member("detector", 3, 5.0) == numbers[1]
    assert make().claim_member("other", 1, 5.0) == 0


def test_clocks_of_one_host_are_the_same_within_the_bound(make: Make, monkeypatch):
    monkeypatch.setenv("HOSTNAME", "here")
    brokers = [make() for _ in range(2)]
    for broker in brokers:
        broker.check()
    wait_until(lambda: "here" in brokers[1].clock_offsets())
    offset = brokers[1].clock_offsets()["here"]
    assert abs(offset.offset_ns) <= offset.error_ns < 1_000_000_000


def test_closing_is_quick_though_nobody_takes_the_frames(make: Make):
    broker = make()
    publisher = broker.publisher("t", [durable()])
    for number in range(5):
        assert publisher.publish(frame(number))
    begun = time.monotonic()
    with capture_logs() as logs:
        broker.close()
    assert time.monotonic() - begun < 6.0  # under 3 s on an idle machine
    assert {"topic": "t", "count": 5}.items() <= next(
        line for line in logs if line["event"] == "frames_abandoned"
    ).items()


def test_a_broker_that_closes_waits_for_the_last_acknowledgements(make: Make):
    far, near = make(), make()
    subscriber = far.subscriber([durable()])
    publisher = near.publisher("t", [durable()])
    seen: list[int] = []

    def consume() -> None:
        while len(seen) < 8 and (delivery := subscriber.receive(10.0)) is not None:
            seen.append(delivery.frame.id)
            subscriber.ack(delivery)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(8):
        assert publisher.publish(frame(number), 5.0)
    wait_until(lambda: len(seen) > 0)
    with capture_logs() as logs:
        near.close()
    consumer.join(10)
    assert seen == list(range(8))
    assert not [line for line in logs if line["event"] == "frames_abandoned"]
    subscriber.close()


def test_acknowledgements_told_while_closing_arrive(make: Make, tmp_path: Path):
    near, far = make(spool=tmp_path), make()
    publisher = near.publisher("t", [durable()])
    subscriber = far.subscriber([durable()])
    assert publisher.publish(frame(0), 5.0)
    delivery = subscriber.receive(10.0)
    subscriber.ack(delivery)
    subscriber.close()
    far.close()
    wait_until(lambda: near._owners["t"].unacknowledged == 0, 5)


def test_a_new_graph_gets_what_the_old_one_had_accepted(make: Make, tmp_path: Path):
    first = make(spool=tmp_path)
    assert first.remembers
    publisher = first.publisher("t", [durable()])
    assert publisher.next_id() == 0
    for number in range(4):
        assert publisher.publish(frame(number))
    first.close()
    second = make(spool=tmp_path)
    second.open(first.app)
    again = second.publisher("t", [durable()])
    assert again.next_id() == 4
    subscriber = second.subscriber([durable()])
    seen = [subscriber.receive(10.0).frame for _ in range(4)]
    assert [(each.id, each.redelivered) for each in seen] == [(n, True) for n in range(4)]
    subscriber.close()


def test_messages_of_strangers_change_nothing(make: Make):
    near, far = make(), make()
    publisher = near.publisher("t", [durable()])
    subscriber = far.subscriber([durable()])
    inbox = near.session.keys.inbox(near.session.peer)
    stranger = far.session.open()
    for payload in (b"", b"\xff" * 64, messages.pack("x", messages.Gone(1)), b"\x92\xa1x\x91\xc0"):
        stranger.put(inbox, payload)
    stranger.put(inbox, b"frame", attachment=b"\xc1")
    stranger.put(f"{near.session.keys.live}/pub/a", b"")
    assert publisher.publish(frame(0), 5.0)
    assert subscriber.receive(10.0).frame.id == 0
    subscriber.close()


def test_a_frame_that_cannot_be_read_is_given_up(make: Make):
    near, far = make(), make()
    near.publisher("t", [durable()])
    owner = near._owners["t"]
    subscriber = far.subscriber([durable()])
    assert owner.publish(0, b"no frame", 8, 5.0)
    assert owner.publish(1, messages.pack_data(messages.Data(1, 1, "", 1, 1, False)), 8, 5.0)
    assert subscriber.receive(1.0) is None
    assert subscriber.links["t"].dropped == 2
    wait_until(lambda: owner.unacknowledged == 0)
    subscriber.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(raw: bytes):
    for read in (messages.unpack, messages.unpack_data):
        try:
            read(raw)
        except FrameDecodeError:
            continue


class TestLog:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    def test_it_keeps_what_some_group_has_not_acknowledged(self, folder: Path):
        log = open_log(folder, "app", "t")
        for number in range(1, 5):
            log.add(number, number * 10, b"m%d" % number, ["a", "b"])
        log.done("a", [1, 2, 3, 4])
        log.done("b", [2])
        log.close()
        log = open_log(folder, "app", "t")
        assert log.waiting() == {"b": [1, 3, 4]}
        assert log.last() == (4, 40)
        assert log.message(3) == b"m3"
        with pytest.raises(CommsError, match="lost frame 2"):
            log.message(2)
        log.close()

    def test_the_newest_frame_stays_for_its_number(self, folder: Path):
        log = open_log(folder, "app", "t")
        log.add(1, 7, b"m", ["a"])
        log.done("a", [1])
        log.close()
        log = open_log(folder, "app", "t")
        assert (log.last(), log.waiting()) == ((1, 7), {})
        log.close()

    def test_two_processes_have_one_each_and_names_cannot_leave_the_folder(self, folder: Path):
        logs = [open_log(folder / "in", "../..", "../t/x") for _ in range(2)]
        assert logs[0].origin != logs[1].origin
        assert sorted(path.name for path in folder.iterdir()) == ["in"]
        for log in logs:
            log.close()

    def test_a_file_that_is_no_log_is_a_clear_error(self, folder: Path):
        base = folder / "app" / "t"
        base.mkdir(parents=True)
        (base / "0.sqlite").write_bytes(b"not a database at all" * 100)
        with pytest.raises(CommsError, match="sqlite"):
            open_log(folder, "app", "t")


def test_a_log_that_cannot_forget_still_keeps(tmp_path: Path):
    log = open_log(tmp_path, "app", "t")
    for number in (1, 2):
        log.add(number, number, b"x", ["g"])
    with closing(sqlite3.connect(tmp_path / "app" / "t" / "0.sqlite", timeout=0)) as other:
        other.isolation_level = None
        other.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON frames BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
    log.done("g", [1])
    log.flush()
    log.add(3, 3, b"x", ["g"])
    assert log.waiting() == {"g": [1, 2, 3]}
    log.close()


def test_a_full_disk_holds_the_producer_back(make: Make, tmp_path: Path, monkeypatch):
    broker = make(spool=tmp_path)
    publisher = broker.publisher("t", [durable()])
    assert publisher.publish(frame(0))
    log = broker._owners["t"]._log
    log._file.execute("PRAGMA max_page_count=1")
    with capture_logs() as logs:
        assert not publisher.publish(frame(1, b"x" * 2_000_000), 0.05)
        assert not publisher.publish(frame(1, b"x" * 2_000_000), 0.05)
        log._file.execute("PRAGMA max_page_count=100000")
        assert publisher.publish(frame(1, b"x" * 2_000_000), 0.05)
    events = [line["event"] for line in logs]
    assert events == ["frames_not_kept", "frames_kept_again"]
    subscriber = make().subscriber([durable()])
    assert [subscriber.receive(10.0).frame.id for _ in range(2)] == [0, 1]
    subscriber.close()
