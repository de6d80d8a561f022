"""From nodes over UDP to actions: the example of the guide, and frames that a stage senses from."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from flow_parts import running

from connecting import listening, made, until
from edgeflow._native.csi import CsiProcessor
from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.pipelines.connectors.csi import CsiConnector
from edgeflow.sensing.simulate import Activity, Person, Radio, Scenario, Simulation
from edgeflow.sensing.simulate.sending import node_packets

GUIDE = Path(__file__).parents[3] / "docs/how-to/csi-pipelines.md"
RADIO = Radio(rate_hz=25.0)
SPEED = 12.0


def visited() -> Scenario:
    """Nobody, then somebody for 20 s, then nobody."""
    stay = (Activity("away", 12.0), Activity("enter", 4.0), Activity("walk", 12.0))
    leaves = (Activity("leave", 6.0), Activity("away", 60.0))
    return Scenario(persons=(Person(stay + leaves),), seconds=60.0, radio=RADIO)


def sensed(scenario: Scenario) -> Any:
    """What a node of tier 2 sends that knows its empty room."""
    core = CsiProcessor()
    for frame in Simulation(replace(scenario, persons=())):
        core.push(frame.time_us, frame.pairs)
    assert core.calibration is not None
    return node_packets(
        Simulation(scenario), tier=2, raw=False, interval_us=200_000, calibration=core.calibration
    )


def example() -> str:
    """The first YAML of the guide, on any port.

    Hold times are short: packets of a machine that is busy come late, and then all at once.
    """
    (text, *_) = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    for key in ("enter_s", "leave_s"):
        text, found = re.subn(rf"{key}: [\d.]+", f"{key}: 0.01", text)
        assert found == 1
    return text.replace("port: 5005", "port: 0")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_who_comes_and_leaves_is_told_once_each(tmp_path: Path) -> None:
    log = tmp_path / "rooms.jsonl"
    with running(tmp_path, example()) as flow:
        feed = flow.session.connectors["rooms"].connector
        sensing = flow.until(lambda: feed.sensing)
        empty = replace(visited(), persons=(), seed=9)
        nodes = [sensed(visited()), sensed(empty)]
        with CsiFleet(("127.0.0.1", sensing.port), nodes, speed=SPEED) as fleet:
            flow.until(lambda: fleet.done, 60)
        flow.until(lambda: len(lines(log)) >= 2, 30)
        names = {node.name for node in sensing.nodes()}
    told = [line["payload"] for line in lines(log)]
    assert [each["event"] for each in told] == ["came", "left"]
    assert {each["node"] for each in told} == {1}
    assert {each["name"] for each in told} < names and len(names) == 2
    assert all(each["time"] > 1e9 for each in told)


SENSED_BY_A_STAGE = """\
version: 1
dashboard: false
connectors:
  - {id: frames, type: csi, port: 0, messages: [frames], pipeline: sensing}
pipelines:
  - {id: sensing, postprocess: {use: csi.vitals, tier: 1, interval: 0.05}, agents: [seen]}
agents:
  seen: {type: parts.Watch, metric: motion, above: -1, dispatcher: keep}
actions:
  keep: {type: parts.Keep}
"""


def test_frames_that_the_connector_yields_are_sensed_by_a_stage(tmp_path: Path) -> None:
    with running(tmp_path, SENSED_BY_A_STAGE) as flow:
        feed = flow.session.connectors["frames"].connector
        sensing = flow.until(lambda: feed.sensing)
        frames = node_packets(Simulation(replace(visited(), seconds=20.0)), tier=0)
        with CsiFleet(("127.0.0.1", sensing.port), [frames], speed=SPEED) as fleet:
            flow.until(lambda: fleet.done, 60)
        (_, payload, message, _) = flow.until(
            lambda: next((each for each in flow.rig.handled if "motion" in each[1]), None)
        )
    assert payload["node"] == 1 and payload["event"] == "vitals"
    assert payload["frame_rate"] > 0
    assert message.payload.shape[1] == 2 and message.metadata["time_us"] > 0


def test_frames_are_arrays_with_what_is_known_of_them() -> None:
    async def run() -> None:
        connector = made(CsiConnector, port=0, messages=["frames"])
        async with listening(connector) as listener:
            await until(lambda: connector.sensing is not None)
            sent = [*node_packets(Simulation(replace(visited(), seconds=1.0)), tier=0)]
            with CsiFleet(("127.0.0.1", connector.sensing.port), [iter(sent)]) as fleet:
                heard = await listener.take(len(sent))
                assert fleet.wait(5)
        assert [m.payload.tobytes() for m in heard] == [p.data[20:] for p in sent]
        assert {m.metadata["node"] for m in heard} == {1}
        times = [m.metadata["time_us"] for m in heard]
        assert times == sorted(times)
        assert all(m.timestamp > 1e9 for m in heard)

    asyncio.run(run())
