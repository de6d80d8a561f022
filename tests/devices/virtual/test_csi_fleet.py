import contextlib
import socket
import time
from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest

from edgeflow._native.turns import turn_us, turn_wait_us
from edgeflow.devices.virtual.csi_node import CsiFleet, Packet, Tape, raw_packets
from edgeflow.errors import CommsError, ConfigError
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.simulate import FAST_LINK, MIXED_LINK, Simulation, preset


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as open_socket:
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        open_socket.bind(("127.0.0.1", 0))
        open_socket.settimeout(10)
        yield open_socket


def simulated(seconds=3.0, radio=MIXED_LINK):
    return Simulation(preset("breathing", seconds=seconds, radio=radio))


def drain(listener):
    """Everything that has arrived: (address, datagram)."""
    listener.settimeout(0.3)
    found = []
    try:
        while True:
            data, address = listener.recvfrom(4096)
            found.append((address, data))
    except TimeoutError:
        return found


class TestPackets:
    def test_frames_become_raw_packets_with_all_their_fields(self):
        frames = list(simulated())
        packets = list(raw_packets(frames, gate_us=0))
        assert len(packets) == len(frames)
        for frame, packet in zip(frames, packets, strict=True):
            raw = RawFrame.decode(packet.data)
            assert packet.time_us == frame.time_us
            assert raw.payload == frame.payload
            assert raw.subcarriers == frame.subcarriers
            assert (raw.rssi, raw.noise_floor, raw.frequency_mhz) == (frame.rssi, -96, 2437)

    def test_the_gate_lets_fifty_frames_a_second_through(self):
        packets = list(raw_packets(simulated(radio=FAST_LINK)))
        times = [packet.time_us for packet in packets]
        assert min(b - a for a, b in pairwise(times)) >= 20_000
        assert 60 < len(times) <= 151

    def test_a_tape_goes_on_for_ever_and_time_only_forward(self):
        tape = Tape(raw_packets(simulated(1.0)))
        played = list(islice(tape.play(0.5), 4 * len(tape)))
        times = [packet.time_us for packet in played]
        assert times[0] == 0
        assert all(b > a for a, b in pairwise(times))
        assert len({packet.data for packet in played}) == len(tape)

    def test_an_empty_tape_is_refused(self):
        with pytest.raises(ConfigError):
            Tape([])


class TestFleet:
    def test_a_node_sends_what_it_heard_in_order(self, listener):
        frames = list(simulated())
        packets = raw_packets(frames, gate_us=0)
        with CsiFleet(listener.getsockname(), [packets], speed=50) as fleet:
            assert fleet.wait(20)
            heard = [RawFrame.decode(data) for _, data in drain(listener)]
        assert [raw.payload for raw in heard] == [frame.payload for frame in frames]
        assert [raw.sequence for raw in heard] == list(range(len(frames)))
        assert {raw.node for raw in heard} == {1}
        assert fleet.stats.sent == len(frames)

    def test_packets_come_when_they_are_due(self, listener):
        packets = [Packet(i * 100_000, next(raw_packets(simulated())).data) for i in range(5)]
        with CsiFleet(listener.getsockname(), [iter(packets)], spread=0) as fleet:
            listener.recv(4096)
            began = time.monotonic()
            for _ in range(4):
                listener.recv(4096)
            took = time.monotonic() - began
            assert fleet.wait(10)
        assert 0.25 < took < 5

    def test_a_thousand_nodes_are_told_apart_by_address_and_number(self, listener):
        tape = Tape(raw_packets(simulated(1.0)))
        nodes = [islice(tape.play(i / 1000), 3) for i in range(1000)]
        with CsiFleet(listener.getsockname(), nodes, spread=1.0) as fleet:
            found = defaultdict(list)
            # A busy machine drops datagrams of who reads too late; then the last wait ends it.
            with contextlib.suppress(TimeoutError):
                while not fleet.wait(0) or len(found) < 900:
                    data, address = listener.recvfrom(4096)
                    raw = RawFrame.decode(data)
                    found[address, raw.node].append(raw.sequence)
            assert fleet.wait(20)
            for address, data in drain(listener):
                found[address, data[4]].append(RawFrame.decode(data).sequence)
        assert 500 < len(found) <= 1000
        assert fleet.stats.sent + fleet.stats.skipped == 3000
        assert len({address for address, _ in found}) == 4
        assert all(numbers == sorted(set(numbers)) for numbers in found.values())
        assert all(set(numbers) <= {0, 1, 2} for numbers in found.values())

    def test_losses_leave_gaps_and_repeats_come_twice(self, listener):
        packets = raw_packets(simulated(10.0), gate_us=0)
        options = {"loss": 0.3, "repeats": 0.3, "speed": 20, "seed": 4}
        with CsiFleet(listener.getsockname(), [packets], **options) as fleet:
            assert fleet.wait(20)
            counts = Counter(RawFrame.decode(data).sequence for _, data in drain(listener))
        whole = max(counts) + 1
        assert 0.2 < 1 - len(counts) / whole < 0.4
        assert sum(n == 2 for n in counts.values()) == fleet.stats.repeated > 10
        assert fleet.stats.left_out == pytest.approx(whole - len(counts), abs=3)

    def test_packets_that_are_not_raw_keep_their_contents(self, listener):
        vitals = bytes.fromhex("020011c5") + bytes(28)
        mesh = bytes.fromhex("008111c5") + bytes(20)
        packets = [Packet(0, vitals), Packet(1, mesh)]
        with CsiFleet(listener.getsockname(), [iter(packets)], first_number=5) as fleet:
            assert fleet.wait(10)
            (_, first), (_, second) = drain(listener)
        assert first == vitals[:4] + b"\x05" + vitals[5:]
        assert second == mesh

    def test_nobody_listening_is_no_end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            target = gone.getsockname()
        with CsiFleet(target, [raw_packets(simulated(), gate_us=0)], speed=100) as fleet:
            assert fleet.wait(20)
        assert fleet.stats.failed > 0
        assert fleet.stats.failed + fleet.stats.sent > 40

    def test_closing_ends_an_endless_fleet_soon(self, listener):
        tape = Tape(raw_packets(simulated(1.0)))
        fleet = CsiFleet(listener.getsockname(), [tape.play() for _ in range(300)])
        with fleet:
            listener.recv(4096)
            began = time.monotonic()
        assert time.monotonic() - began < 6  # under 3 s on an idle machine
        assert not fleet.done
        fleet.close()

    def test_a_node_that_fails_is_told_to_who_waits(self, listener):
        def broken():
            yield from islice(raw_packets(simulated()), 2)
            raise ValueError("broken room")

        with (
            CsiFleet(listener.getsockname(), [broken()], speed=20) as fleet,
            pytest.raises(ValueError, match="broken room"),
        ):
            fleet.wait(20)
        assert not fleet.done

    def test_an_unused_fleet_closes(self):
        CsiFleet(("127.0.0.1", 9), [iter([])]).close()

    @pytest.mark.parametrize(
        "options", [{"loss": 2}, {"speed": 0}, {"first_number": 9}, {"spread": -1}]
    )
    def test_values_out_of_range_are_refused(self, options):
        with pytest.raises(ConfigError):
            CsiFleet(("127.0.0.1", 9), [iter([])], **options)

    def test_a_host_that_is_none_is_told(self):
        with pytest.raises(CommsError, match="invalid"):
            CsiFleet(("a" * 70 + ".invalid", 9), [iter([])])


class TestTurns:
    def heard_backwards(self, nodes):
        """Of each 20 ms the last node hears something first."""
        frame = next(iter(raw_packets(simulated(1.0)))).data
        return [
            iter([Packet(20_000 * n + 1000 * (nodes - i), frame) for n in range(20)])
            for i in range(nodes)
        ]

    @pytest.mark.parametrize(("turns", "order"), [(False, [4, 3, 2, 1]), (True, [1, 2, 3, 4])])
    def test_each_node_sends_in_its_own_turn(self, listener, turns, order):
        sources = self.heard_backwards(4)
        with CsiFleet(listener.getsockname(), sources, spread=0.0, turns=turns) as fleet:
            assert fleet.wait(20)
        heard = [RawFrame.decode(data).node for _, data in drain(listener)]
        assert heard == 20 * order

    def test_more_than_a_byte_can_count_do_not_take_turns(self):
        with pytest.raises(ConfigError, match="turns"):
            CsiFleet(("127.0.0.1", 9), [iter([])] * 256, turns=True)


def test_turns_are_those_of_the_firmware():
    for nodes in (1, 2, 20, 255):
        assert 0 < turn_us(nodes) <= 5000
        for slot in {0, nodes // 2, nodes - 1}:
            wait = turn_wait_us(slot, nodes, 1_234_567)
            assert turn_wait_us(slot, nodes, 1_234_567 + wait) == 0
            assert wait < 100_000
            assert wait == 0 or nodes > 1
    assert turn_wait_us(3, 4, 0) == 0
