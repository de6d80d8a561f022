"""The connector of CSI nodes: real recordings over UDP become messages, alarms and actions."""

import asyncio
import socket
from itertools import islice
from pathlib import Path

import pytest

from connecting import listening, made, until
from edgeflow.errors import ConfigError, StoreError
from edgeflow.pipelines.connectors.csi import CsiConnector
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording

SAMPLE = Path(__file__).parents[2] / "data" / "csi" / "example_100hz_pitraffic.csv"
ROOM = '{"version":1,"nodes":{"*":{"frames":1300,"mean":0.2,"deviation":0.05,"threshold":0.35}}}'


def vitals(*, presence: bool, fall: bool = False) -> bytes:
    flags = VitalsFlags.PRESENCE * presence | VitalsFlags.FALL * fall
    return Vitals(7, VitalsFlags(flags), 12.5, 0.0, -40, 1, 0.5, 3.0, 1000).encode()


def send(port: int, *data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        for each in data:
            out.sendto(each, ("127.0.0.1", port))


async def port_of(connector) -> int:
    await until(lambda: connector.sensing is not None)
    return connector.sensing.port


def test_vitals_and_events_are_messages():
    async def run() -> None:
        connector = made(CsiConnector, port=0)
        async with listening(connector) as listener:
            port = await port_of(connector)
            send(port, vitals(presence=True), vitals(presence=True, fall=True))
            said = await listener.take(4)
        assert [m.payload["event"] for m in said] == ["presence", "vitals", "fall", "vitals"]
        assert [m.payload["fall"] for m in said] == [False, False, True, True]
        assert all(m.payload["presence"] for m in said)
        assert {m.sensor_id.partition(":")[0] for m in said} == {"csi"}
        assert said[1].payload["breathing_bpm"] == 12.5
        assert said[1].payload["heart_bpm"] is None
        assert said[0].timestamp > 1e9
        assert connector.sensing is None

    asyncio.run(run())


def test_frames_are_sensed_with_the_calibration_that_is_named(tmp_path):
    kept = tmp_path / "room.json"
    kept.write_text(ROOM)
    frames = [f for f in islice(Recording(SAMPLE), 100) if isinstance(f, CsiFrame)]
    data = [RawFrame(7, n, 2412, -50, -90, f.payload).encode() for n, f in enumerate(frames)]

    async def run() -> None:
        options = {"calibration": str(kept), "interval": 0.05, "messages": ["vitals"]}
        connector = made(CsiConnector, port=0, sensor_id="hall", **options)
        async with listening(connector) as listener:
            send(await port_of(connector), *data)
            (said,) = await listener.take(1)
        assert said.sensor_id == "hall"
        assert said.payload["event"] == "vitals"
        assert said.payload["threshold"] == pytest.approx(0.35)
        assert said.payload["calibrated"]

    asyncio.run(run())


def test_a_taken_port_is_waited_for():
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            connector = made(CsiConnector, port=port)
            async with listening(connector) as listener:
                await until(lambda: connector.state == "waiting")
                assert str(port) in connector.last_error
                taken.close()
                await until(lambda: connector.state == "connected")
                send(port, vitals(presence=True))
                await listener.take(2)

    asyncio.run(run())


def test_what_cannot_work_is_told_before_it_starts(tmp_path):
    wrong = tmp_path / "room.json"
    with pytest.raises(StoreError, match="No such file"):
        asyncio.run(made(CsiConnector, calibration=str(wrong)).start())
    wrong.write_text("[]")
    with pytest.raises(ConfigError, match=r"room.json:1: no calibration"):
        asyncio.run(made(CsiConnector, calibration=str(wrong)).start())


FLOW = """\
version: 1
dashboard: false
connectors:
  - {id: rooms, type: csi, port: 0, pipeline: rooms}
pipelines:
  - id: rooms
    agents: [fallen]
agents:
  fallen:
    type: rules
    when: {metric: fall, equals: true}
    text: somebody fell
    dispatcher: keep
    target: phone
actions:
  keep: {type: parts.Keep}
"""


def test_a_fall_becomes_one_action(tmp_path):
    from flow_parts import running

    with running(tmp_path, FLOW) as flow:
        feed = flow.session.connectors["rooms"].connector
        sensing = flow.until(lambda: feed.sensing)
        send(sensing.port, vitals(presence=True), vitals(presence=True, fall=True))
        [(agent, pipeline, action)] = flow.until(lambda: list(flow.rig.dispatched))
        assert (agent, pipeline, action.target) == ("fallen", "rooms", "phone")
        send(sensing.port, vitals(presence=True))
        flow.until(lambda: len(sensing.news()) >= 5)
        assert len(flow.rig.dispatched) == 1
