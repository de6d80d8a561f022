"""Results of pipelines go on as messages of others."""

import pytest
from flow_parts import running, write_plugins

from edgeflow.core.checks import check
from edgeflow.core.qos import QoS
from edgeflow.errors import GraphError
from edgeflow.pipelines.compile import compile_flow
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.message import EdgeMessage

TURNS = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, qos: 1, pipeline: [first, second]}
pipelines:
  - {id: first, preprocess: parts.vector, model: double, postprocess: parts.total, then: third}
  - {id: second, then: [third]}
  - {id: third, agents: [watch]}
agents:
  watch: {type: parts.Watch, dispatcher: keep, metric: total, above: 5}
actions:
  keep: {type: parts.Keep}
"""

FUSED = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, qos: 1, pipeline: [warm, loud]}
pipelines:
  - {id: warm, then: room}
  - {id: loud, then: room}
  - id: room
    preprocess:
      use: fuse.by_time
      name: room
      every_s: 1
      lateness_s: 0
      senses:
        warm: {pipeline: warm}
        loud: {pipeline: loud, keys: [value]}
    agents: [watch]
agents:
  watch: {type: parts.Watch, metric: none, dispatcher: keep}
actions:
  keep: {type: parts.Keep}
"""


def sent(number, *pipelines, at=1_700_000_000.0):
    return EdgeMessage(
        sensor_id="s",
        payload={"value": number},
        timestamp=at,
        pipeline_override=pipelines,
        receipt=number,
    )


def test_the_next_pipeline_gets_the_result_with_sensor_and_time(tmp_path):
    with running(tmp_path, TURNS) as flow:
        flow.send(sent(4, "first"), sent(1, "second"))
        flow.until(lambda: len(flow.rig.handled) == 2)
        handled = {entry[2].metadata["pipeline"]: entry for entry in flow.rig.handled}
        _, payload, message, _ = handled["first"]
        assert payload["total"] == 8.0
        assert payload["value"] == 4
        assert (message.sensor_id, message.timestamp) == ("s", 1_700_000_000.0)
        assert handled["second"][1] == {"value": 1}
        assert len(flow.rig.dispatched) == 1


def test_a_message_is_done_when_all_that_follows_is_and_not_before(tmp_path):
    with running(tmp_path, TURNS) as flow:
        flow.send(*(sent(number, "first", "second") for number in range(20)))
        flow.until(lambda: len(flow.rig.acknowledged) == 20)
        assert len(flow.rig.handled) == 40
        assert len(flow.rig.dispatched) == 17


def test_a_stage_that_gives_nothing_ends_the_message_and_that_is_no_mistake(tmp_path):
    with running(tmp_path, FUSED) as flow:
        for step in range(10):
            at = 1_700_000_000.0 + step / 4
            for number, pipeline in ((2 * step, "warm"), (2 * step + 1, "loud")):
                flow.send(sent(number, pipeline, at=at))
                flow.until(lambda done=number + 1: len(flow.rig.acknowledged) == done)
        found = [entry[1] for entry in flow.rig.handled]
        assert [each["time"] % 10 for each in found] == [0.0, 1.0, 2.0]
        assert [each["warm"]["value"] for each in found] == [0, 8, 16]
        assert [each.get("loud") for each in found] == [None, {"value": 7}, {"value": 15}]
        assert {entry[2].sensor_id for entry in flow.rig.handled} == {"room"}
        assert flow.dropped() == {}


def test_links_between_pipelines_and_what_is_durable(tmp_path):
    write_plugins(tmp_path)
    plan = load_text(TURNS, tmp_path / "pipelines.yaml")
    assert plan.warnings == ()
    links = {(link.source, link.target): link for link in compile_flow(plan).graph.links}
    assert links["first", "third"].qos is QoS.DURABLE
    assert links["third", "watch"].qos is QoS.DURABLE
    loose = load_text(TURNS.replace("qos: 1, ", ""), tmp_path / "pipelines.yaml")
    links = {(link.source, link.target): link for link in compile_flow(loose).graph.links}
    assert links["first", "third"].qos is QoS.BALANCED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("then: third", "then: thrid"), "there is no pipeline 'thrid'"),
        (("{id: third, ", "{id: third, then: first, "), "-> first"),
    ],
)
def test_names_that_lead_nowhere_and_rings_are_mistakes(tmp_path, change, said):
    write_plugins(tmp_path)
    with pytest.raises(GraphError) as caught:
        plan = load_text(TURNS.replace(*change), tmp_path / "pipelines.yaml")
        check(compile_flow(plan).graph)
    assert any(said in str(problem) for problem in caught.value.problems)
