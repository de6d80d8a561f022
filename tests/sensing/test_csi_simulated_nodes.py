import time

import numpy as np
import pytest

from edgeflow.devices.virtual.csi_node import CsiFleet, numbered
from edgeflow.errors import ConfigError
from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_compressed import CompressedFrame, Decoder
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.simulate import Radio, Simulation, around, preset
from edgeflow.sensing.simulate.sending import node_packets

RADIO = Radio(rate_hz=50)


def sent(name="walking", seconds=12.0, **options):
    frames = Simulation(preset(name, seconds=seconds, radio=RADIO))
    return [(p.time_us, decode(p.data)) for p in node_packets(frames, **options)]


class TestNodePackets:
    def test_tier_0_sends_frames_only(self):
        assert {type(packet) for _, packet in sent()} == {RawFrame}

    def test_tier_1_adds_vitals_of_the_core_every_second(self):
        packets = sent("walking", tier=1)
        vitals = [(at, packet) for at, packet in packets if isinstance(packet, Vitals)]
        assert len(vitals) == pytest.approx(11, abs=1)
        assert all(abs(at % 1_000_000) < 300_000 for at, _ in vitals)
        assert vitals[-1][1].uptime_ms == pytest.approx(vitals[-1][0] / 1000, abs=1)
        assert VitalsFlags.MOTION in vitals[-1][1].flags

    def test_vitals_alone_save_nearly_everything(self):
        frames = Simulation(preset("walking", seconds=12, radio=RADIO))
        full = sum(len(p.data) for p in node_packets(frames, tier=2))
        lean = sum(len(p.data) for p in node_packets(frames, tier=2, raw=False))
        assert lean < 0.05 * full

    def test_from_tier_1_on_frames_are_compressed_without_loss(self):
        frames = list(Simulation(preset("walking", seconds=6, radio=RADIO)))
        raw = list(node_packets(frames, tier=1, compress=False, gate_us=0))
        lean = list(node_packets(frames, tier=1, gate_us=0))
        assert [type(decode(p.data)) for p in raw].count(RawFrame) == len(frames)
        decoder, expanded = Decoder(), []
        for packet in numbered(lean, 9):
            found = decode(packet.data)
            if isinstance(found, CompressedFrame):
                expanded.append(decoder.expand(found).frame)
        wanted = [decode(p.data) for p in numbered(raw, 9)]
        assert expanded == [p for p in wanted if isinstance(p, RawFrame)]
        assert sum(len(p.data) for p in lean) < 0.8 * sum(len(p.data) for p in raw)

    def test_the_host_has_of_compressed_frames_what_it_has_of_raw_ones(self):
        seen = []
        for compress in (False, True):
            heard: list[bytes] = []

            def hear(_: str, frame: CsiFrame, to: list[bytes] = heard) -> None:
                to.append(frame.payload)

            frames = Simulation(preset("walking", seconds=6, radio=RADIO))
            packets = list(node_packets(frames, tier=2, compress=compress))
            wanted = sum(not isinstance(decode(packet.data), Vitals) for packet in packets)
            with SensingHost(port=0, heard=hear) as host:
                with CsiFleet(("127.0.0.1", host.port), [iter(packets)], speed=4.0) as fleet:
                    assert fleet.wait(60)
                end = time.monotonic() + 60
                while len(heard) < wanted and time.monotonic() < end:
                    time.sleep(0.01)
                (node,) = host.nodes()
                assert (node.keyless, node.damaged, node.lost) == (0, 0, 0)
                assert ("COMPRESSED" in node.packets, "RAW" in node.packets) == (
                    compress,
                    not compress,
                )
            seen.append(heard)
        assert seen[0] == seen[1]

    @pytest.mark.parametrize(
        "options", [{"tier": 3}, {"tier": 0, "raw": False}, {"tier": 1, "interval_us": 0}]
    )
    def test_nonsense_is_refused(self, options):
        with pytest.raises(ConfigError):
            node_packets([], **options)


class TestAround:
    def test_nodes_hear_the_same_people_from_other_places_with_other_noise(self):
        scenes = around(preset("walking", seconds=10, radio=RADIO), 4)
        assert len({scene.radio.receiver for scene in scenes}) == 4
        heard = [list(Simulation(scene, node)) for node, scene in enumerate(scenes)]
        assert len({frames[0].payload for frames in heard}) == 4
        truths = [
            Simulation(s, n).truth(np.array([1.0, 5.0])).breathing_bpm for n, s in enumerate(scenes)
        ]
        assert all((truth == truths[0]).all() for truth in truths)

    def test_nodes_at_one_place_differ_in_noise_alone(self):
        scene = preset("empty", seconds=2)
        first, second = ([f.payload for f in Simulation(scene, node)] for node in (0, 1))
        assert first != second
