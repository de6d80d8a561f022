"""The window follows the air and whether somebody is there."""

import pytest
from agent_parts import Bench
from pydantic import ValidationError

from edgeflow.pipelines.agents.record import Record
from edgeflow.pipelines.agents.window import WindowKeeper
from edgeflow.protocols.climate import decode_control


def known(warm=24.0, damp=50.0, noise=-60.0, people=1, csi=True, **more):
    return {
        "camera": {"people": people},
        "csi": {"presence": csi},
        "air": {"temperature": warm, "humidity": damp, "sound_volume": noise},
        **more,
    }


def bench(**options):
    return Bench(WindowKeeper, device="room", settle_s=2.0, every_s=4.0, **options)


def told(bench_, **more):
    (action,) = bench_.send(known(**more), after=5.0)
    return action


def nobody(bench_, warm=24.0, **more):
    bench_.send(known(warm, people=0, csi=False, **more), after=5.0)
    return bench_.send(known(warm, people=0, csi=False, **more), after=5.0)


def test_it_follows_whether_somebody_is_there():
    one = bench()
    first = told(one)
    assert first.payload["position"] == pytest.approx(40.0, abs=10.0)
    assert "somebody is there" in first.metadata["text"]
    assert first.target == "window/room/control"
    (airing,) = nobody(one)
    assert airing.payload["position"] == 80.0
    assert "nobody is there" in airing.metadata["reason"]
    assert airing.metadata["somebody"] is False
    (cold,) = nobody(one, warm=18.0)
    assert "keeping it warm" in cold.metadata["reason"]


def test_a_glimpse_changes_nothing_and_one_sense_is_enough():
    one = bench()
    told(one)
    assert not one.fires(known(people=0, csi=False), after=5.0)
    assert not one.fires(known(people=0, csi=True), after=5.0)
    assert not one.fires(known(people=1, csi=False), after=5.0)
    assert not one.fires(known(), after=5.0)


def test_noise_closes_it_for_somebody_and_not_for_nobody():
    one = bench()
    told(one)
    closed = told(one, noise=-20.0)
    assert closed.payload["position"] <= 15.0
    assert "noise" in closed.metadata["reason"]
    assert not one.fires(known(), after=10.0)
    assert told(one, noise=-60.0) if one.send(known(), after=6.0) else True
    (airing,) = nobody(one, noise=-20.0)
    assert airing.payload["position"] > 40.0


def test_what_is_forecast_counts_while_it_is_young():
    one = bench()
    one.send({"forecast": {"values": [24.0, 27.0]}})
    warmer = told(one, warm=23.0).payload["position"]
    other = bench()
    other.send({"forecast": {"values": [24.0, 27.0]}})
    other.send(known(23.0), after=70.0)
    assert warmer > 30.0
    assert other.send(known(23.0), after=5.0) == []


def test_damp_opens_it():
    assert told(bench(), warm=22.0, damp=80.0).payload["position"] == pytest.approx(60.0, abs=21)


def test_who_knows_nothing_does_nothing():
    one = bench()
    assert not one.fires({"air": {"temperature": 30.0}}, after=5.0)
    assert not one.fires({"camera": {"people": 1}}, after=5.0)
    assert not one.fires({"camera": {"people": "one"}, "air": {"temperature": "warm"}}, after=5.0)
    assert not one.fires({}, after=5.0)


def test_limits_of_the_climate_system_hold():
    one = bench(economy=-20.0)
    one.send(known(2.0, people=0, csi=False))
    (frost,) = one.send(known(2.0, people=0, csi=False), after=5.0) or nobody(one, warm=2.0)
    assert frost.payload["position"] <= 10.0
    assert "frost" in frost.payload["rule"]


def test_a_node_can_read_what_it_is_told():
    import msgspec

    action = told(bench())
    assert decode_control(msgspec.json.encode(action.payload)).device_id == "room"
    with pytest.raises(ValidationError):
        WindowKeeper.Options(device="a/b")


def test_records_are_quiet_rare_and_of_each_sensor():
    one = Bench(Record, every_s=5.0, keys=["air.temperature", "none"], dispatcher="store")
    (action,) = one.send(known())
    assert action.quiet
    assert action.payload["air.temperature"] == 24.0
    assert set(action.payload) == {"air.temperature", "time", "sensor"}
    assert not one.fires(known(), after=4.0)
    assert one.fires(known(), sensor="s2")
    assert one.fires(known(), after=1.0)
