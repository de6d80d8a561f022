"""Nodes as they are heard: counters, updates, events; time is the test's own."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.protocols.csi_compressed import Compressor
from edgeflow.protocols.csi_events import Event, NarrowEvents, WideEvents
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import FusedVitals, Vitals, VitalsFlags
from edgeflow.sensing.captures import Datagram
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.tracking import TrackOptions

DATA = Path(__file__).parents[1] / "data" / "csi"
FAR = "192.168.4.20"


def frames(name: str = "resp_6rpm.csv.xz") -> Iterator[CsiFrame]:
    return (item for item in Recording(DATA / name) if isinstance(item, CsiFrame))


def raw(frame: CsiFrame, sequence: int, node: int = 7) -> bytes:
    return RawFrame(node, sequence, 2412, frame.rssi, frame.noise_floor, frame.payload).encode()


class Heard:
    """Nodes, and what they told."""

    def __init__(self, **options: int) -> None:
        self.said: list[VitalsUpdate | SensingEvent] = []
        most = options.pop("max_nodes", 10)
        self.nodes = Nodes(TrackOptions(start_us=0), self.said.append, most)

    @property
    def updates(self) -> list[VitalsUpdate]:
        return [said for said in self.said if isinstance(said, VitalsUpdate)]

    @property
    def events(self) -> list[tuple[str, bool]]:
        return [(e.kind, e.presence) for e in self.said if isinstance(e, SensingEvent)]

    def status(self, now: int = 0):
        return [node.status(now, 0.0) for node in self.nodes]


def said_by_node(*, presence: bool, breathing: float = 12.5, node: int = 7) -> bytes:
    flags = VitalsFlags.PRESENCE if presence else VitalsFlags(0)
    return Vitals(node, flags, breathing, 0.0, -40, 1, 0.5, 3.0, 1000).encode()


def test_frames_become_an_update_every_second():
    heard = Heard()
    for frame in islice(frames(), 1300):
        heard.nodes.take(frame)
    assert 9 <= len(heard.updates) <= 11
    steps = [b.t - a.t for a, b in zip(heard.updates, heard.updates[1:], strict=False)]
    assert steps == pytest.approx([1.0] * len(steps))
    assert heard.updates[-1].frame_rate == pytest.approx(120, rel=0.1)


def test_raw_packets_are_sensed_as_the_recording_is():
    recorded, sent = Heard(), Heard()
    for number, frame in enumerate(islice(frames(), 2500)):
        recorded.nodes.take(frame._replace(source=0, node=7))
        sent.nodes.receive(Datagram(frame.time_us, raw(frame, number), FAR, 4000))
    assert len(recorded.updates) > 15
    ours = [(u.t, u.motion, u.presence) for u in sent.updates]
    assert ours == [(u.t, u.motion, u.presence) for u in recorded.updates]
    (status,) = sent.status()
    assert (status.name, status.firmware, status.frames) == (f"7@{FAR}", "raw", 2500)
    assert (status.lost, status.channel, status.subcarriers) == (0, 1, 64)


def test_compressed_frames_are_sensed_too_and_a_lost_keyframe_is_told():
    heard, packer = Heard(), Compressor()
    for number, frame in enumerate(islice(frames(), 600)):
        packet = RawFrame(7, number, 2412, frame.rssi, frame.noise_floor, frame.payload)
        data = packer.compress(packet, frame.time_us).encode()
        if number != 0:
            heard.nodes.receive(Datagram(frame.time_us, data, FAR, 4000))
    (status,) = heard.status()
    assert status.firmware == "edgeflow"
    assert 0 < status.keyless < 300
    assert status.frames + status.keyless == 599
    assert heard.updates


def test_loss_is_what_is_missing_in_the_sequence():
    heard = Heard()
    for number, frame in enumerate(islice(frames(), 200)):
        if number % 4:
            heard.nodes.receive(Datagram(frame.time_us, raw(frame, number), FAR, 4000))
    (status,) = heard.status()
    assert (status.frames, status.lost, status.loss) == (150, 49, pytest.approx(0.25, abs=0.01))


def test_an_event_says_how_sure_it_is_where_that_is_known():
    heard = Heard()
    sent = (VitalsFlags.PRESENCE, 0.0, 0.0, -40, 1, 0.5, 3.0, 1000)
    fused = FusedVitals(7, *sent, 1, 85, 0.0, 0.0, 120.0, 1, 80).encode()
    heard.nodes.receive(Datagram(1_000_000, fused, FAR, 4000))
    heard.nodes.receive(Datagram(2_000_000, said_by_node(presence=False), FAR, 4000))
    for frame in frames("mov_01.csv.xz"):
        heard.nodes.take(frame._replace(node=9))
    told = [(e.node, e.presence, e.confidence) for e in heard.said if isinstance(e, SensingEvent)]
    assert told[:2] == [(7, True, 0.85), (7, False, None)]
    sure = [confidence for node, _, confidence in told if node == 9]
    assert sure and all(confidence is not None and 0 <= confidence <= 1 for confidence in sure)


def test_what_a_node_says_counts_while_it_sends_no_frames():
    heard = Heard()
    heard.nodes.receive(Datagram(1_000_000, said_by_node(presence=True), FAR, 4000))
    (update,) = heard.updates
    assert (update.source, update.breathing_bpm, update.heart_bpm) == ("node", 12.5, None)
    assert update.confidence is None
    assert heard.events == [("presence", True)]
    assert heard.status()[0].firmware == "reference"
    heard.nodes.receive(Datagram(2_000_000, raw(next(frames()), 1), FAR, 4000))
    heard.nodes.receive(Datagram(2_100_000, said_by_node(presence=False), FAR, 4000))
    assert len(heard.updates) == 1


def test_what_modules_of_a_node_say_are_events():
    heard = Heard()
    narrow = NarrowEvents(7, 2, (Event(100, 1.5), Event(111, 0.0))).encode()
    wide = WideEvents(7, 1, 5, 0, (Event(300, 2.0),)).encode()
    for data in (narrow, wide):
        heard.nodes.receive(Datagram(1_000_000, data, FAR, 4000))
    said = [(e.kind, e.slot, e.code, e.value) for e in heard.said if isinstance(e, SensingEvent)]
    assert said == [("module", 2, 100, 1.5), ("module", 2, 111, 0.0), ("module", 1, 300, 2.0)]


def test_a_silent_node_is_empty_then_silent_then_back():
    heard = Heard()
    whole = list(islice(frames("mov_01.csv.xz"), 1500))
    for frame in whole:
        heard.nodes.take(frame)
    last = whole[-1].time_us
    before = len(heard.updates)
    for passed in range(1, 60):
        heard.nodes.advance(last + passed * 1_000_000)
    assert heard.events[-2:] == [("presence", False), ("silent", False)]
    assert before + 4 < len(heard.updates) < before + 9
    assert not heard.updates[-1].presence
    assert heard.updates[-1].breathing_bpm is None
    assert heard.status(last + 60_000_000)[0].state == "silent"
    heard.nodes.take(whole[-1]._replace(time_us=last + 61_000_000))
    assert heard.events[-1][0] == "back"


def test_a_long_gap_in_a_recording_does_not_flood():
    heard = Heard()
    first = next(frames())
    heard.nodes.take(first)
    heard.nodes.take(first._replace(time_us=first.time_us + 10**12))
    assert len(heard.updates) < 12


def test_nodes_of_one_number_are_told_apart_and_on_loopback_by_port():
    heard = Heard()
    frame = next(frames())
    for host, port in ((FAR, 1), (FAR, 2), ("192.168.4.21", 1), ("127.0.0.1", 1), ("127.0.0.1", 2)):
        heard.nodes.receive(Datagram(frame.time_us, raw(frame, 0), host, port))
    assert [node.tracker.name for node in heard.nodes] == [
        f"7@{FAR}",
        "7@192.168.4.21",
        "7@127.0.0.1:1",
        "7@127.0.0.1:2",
    ]


def test_no_more_nodes_than_there_is_room_for():
    heard, frame = Heard(max_nodes=3), next(frames())

    def send(number: int, time_us: int) -> None:
        heard.nodes.receive(Datagram(time_us, raw(frame, 0, number), FAR, 1))

    for number in range(9):
        send(number, 1_000_000 + number)
    assert (len(heard.nodes), heard.nodes.refused) == (3, 6)
    send(50, 700_000_000)
    assert [node.number for node in heard.nodes] == [1, 2, 50]


@given(
    st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda magic, rest: magic.to_bytes(4, "little") + rest,
            st.sampled_from([*range(0xC5110001, 0xC5110008), 0xC5118100, 0xC511EF01, 0xC511EF02]),
            st.binary(max_size=120),
        ),
    )
)
def test_arbitrary_datagrams_never_crash(data):
    heard = Heard()
    heard.nodes.receive(Datagram(1_000_000, said_by_node(presence=True), FAR, 1))
    heard.nodes.receive(Datagram(2_000_000, data, FAR, 1))
    heard.nodes.advance(3_000_000)
    assert len(heard.nodes) <= 2


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 10**7)),
            st.sampled_from([0, 1, 2, 52, 64, 128, 192, 306, 512]),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_no_times_and_lengths_break_a_node_or_flood_its_listeners(steps):
    heard = Heard()
    for time_us, pairs, source, to_end in steps:
        payload = bytes((7 * index + source) % 251 for index in range(2 * pairs))
        heard.nodes.take(CsiFrame(time_us, payload, -50, -90, 6, source, 7))
        if to_end:
            heard.nodes.advance(time_us)
    heard.nodes.finish()
    assert len(heard.updates) <= 22 * len(steps) + 1


@given(st.integers(0, 147), st.integers(0, 255))
def test_a_changed_byte_never_crashes(place, value):
    heard = Heard()
    data = bytearray(raw(CsiFrame(0, bytes(range(128))), 5))
    data[place] = value
    for number in range(3):
        heard.nodes.receive(Datagram(1_000_000 * number, bytes(data), FAR, 1))
    assert heard.nodes.damaged in (0, 3)
