import numpy as np
import pytest

from edgeflow.errors import ConfigError
from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
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
