"""What a YAML compiles to, and messages that take several ways."""

import numpy as np
from flow_parts import SmallService, running, write_plugins

from edgeflow.core.qos import QoS
from edgeflow.pipelines.compile import compile_flow
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.message import EdgeMessage

SHARED = """\
version: 1
connectors:
  - id: feed
    type: parts.Feed
    topics:
      - {filter: a, pipeline: [first, second]}
      - {filter: b, pipeline: first}
  - {id: other, type: parts.Feed, rig: rig2, pipeline: first, qos: 1}
pipelines:
  - {id: first, agents: [watch, keep], max_parallel: 3, max_queue_depth: 7}
  - {id: second, agents: [watch], qos: realtime}
  - {id: third, agents: [watch]}
agents:
  watch: {type: parts.Watch, dispatcher: keep, above: 5}
  keep: {type: parts.Watch, dispatcher: log, above: 1000}
  idle: {type: parts.Watch, dispatcher: keep}
actions:
  keep: {type: parts.Keep}
zones:
  door: [[0, 0], [1, 0], [1, 1]]
"""


def compiled(folder, text):
    write_plugins(folder)
    return compile_flow(load_text(text, folder / "pipelines.yaml")).graph


def test_each_part_is_a_node_and_what_nothing_leads_to_is_left_out(tmp_path):
    graph = compiled(tmp_path, SHARED)
    assert [(node.name, node.role.value, node.replicas) for node in graph.nodes] == [
        ("feed", "producer", 1),
        ("other", "producer", 1),
        ("first", "consumer", 3),
        ("second", "consumer", 1),
        ("watch", "consumer", 1),
        ("keep", "consumer", 1),
        ("keep-action", "sink", 1),
        ("log", "sink", 1),
        ("dashboard", "gateway", 1),
    ]
    assert graph.name == "pipelines"
    assert graph.nodes[2].place.endswith("pipelines.yaml:10:5")


def test_links_say_what_travels_and_how(tmp_path):
    graph = compiled(tmp_path, SHARED)
    links = {(link.source, link.target): link for link in graph.links}
    assert links["feed", "first"].output == "first"
    assert links["feed", "first"].qos is QoS.BALANCED
    assert links["feed", "first"].queue_size == 7
    assert links["other", "first"].qos is QoS.DURABLE
    assert links["feed", "second"].qos is QoS.REALTIME
    assert links["first", "watch"].qos is QoS.DURABLE
    assert links["second", "watch"].qos is QoS.BALANCED
    assert links["watch", "keep-action"].output == "keep"
    assert links["first", "dashboard"].channel == "first"
    assert ("other", "second") not in links


ROUTES = """\
version: 1
dashboard: false
connectors:
  - id: feed
    type: parts.Feed
    topics:
      - {filter: a, pipeline: [first, second], qos: 1}
      - {filter: b, pipeline: first}
pipelines:
  - {id: first, agents: [watch, again], qos: durable}
  - {id: second, agents: [watch], qos: durable}
agents:
  watch: {type: parts.Watch, dispatcher: keep, above: 5}
  again: {type: parts.Watch, dispatcher: keep, above: 5}
actions:
  keep: {type: parts.Keep, delay_s: 0.05}
""".replace(", qos: 1}", "}")


def sent(number, *pipelines):
    return EdgeMessage(
        sensor_id=f"s{number}",
        payload={"value": number},
        pipeline_override=pipelines,
        receipt=number,
    )


def test_a_message_may_go_to_several_pipelines_that_share_an_agent(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        flow.send(sent(10, "first", "second"))
        flow.until(lambda: len(flow.rig.dispatched) == 3)
        who = sorted((agent, pipeline) for agent, pipeline, _ in flow.rig.dispatched)
        assert who == [("again", "first"), ("watch", "first"), ("watch", "second")]
        flow.until(lambda: flow.rig.acknowledged == [10])


def test_a_message_is_acknowledged_once_and_not_before_its_last_action(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        flow.send(*(sent(number, "first", "second") for number in range(20)))
        flow.until(lambda: len(flow.rig.acknowledged) == 20)
        assert sorted(flow.rig.acknowledged) == list(range(20))
        assert len(flow.rig.dispatched) == 14 * 3
        done = {action.payload["value"] for _, _, action in flow.rig.dispatched}
        assert done == set(range(6, 20))


def test_messages_that_nobody_wants_are_counted_and_acknowledged(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        flow.send(sent(1, "nowhere"), sent(2))
        flow.until(lambda: flow.rig.acknowledged == [1, 2])
        assert flow.dropped() == {("", "unmapped"): 2.0}


def test_an_agent_that_raises_is_counted_and_the_flow_goes_on(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        boom = EdgeMessage(
            sensor_id="s", payload={"value": "boom"}, pipeline_override=("first",), receipt=1
        )
        flow.send(boom, boom, sent(10, "first"))
        flow.until(lambda: len(flow.rig.acknowledged) == 3)
        runs = flow.session.metrics.agent_runs
        assert runs.labels("watch", "error")._value.get() == 2
        assert runs.labels("watch", "fired")._value.get() == 1
        told = [entry for entry in flow.kinds("alert") if entry.level == "error"]
        assert sorted(entry.agent for entry in told) == ["again", "watch"]
        assert "RuntimeError: boom" in told[0].text


def test_a_connector_that_raises_is_started_again(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        flow.send(RuntimeError("lost"), sent(10, "first"))
        flow.until(lambda: flow.rig.acknowledged == [10])
        [feed] = [n for n in flow.flow.runtime.status().nodes if n.name == "feed"]
        assert (feed.restarts, feed.last_error) == (1, "RuntimeError: lost")
        assert flow.rig.stopped == ["feed"]


def test_a_connector_that_ends_ends_the_flow_after_its_last_message(tmp_path):
    with running(tmp_path, ROUTES) as flow:
        flow.send(*(sent(number, "first") for number in range(10)), None)
        flow.until(flow.flow.runtime.is_over)
        assert sorted(flow.rig.acknowledged) == list(range(10))


SEVERAL = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, pipeline: main}
pipelines:
  - id: main
    preprocess: parts.vector
    models:
      - model: double
        postprocess: parts.total
      - model: triple
        postprocess: {use: parts.total, name: other}
    agents: [watch]
agents:
  watch: {type: parts.Watch, dispatcher: keep}
"""


def test_the_results_of_several_models_are_merged(tmp_path):
    service = SmallService({"double": lambda a: a * 2, "triple": lambda a: a * 3})
    with running(tmp_path, SEVERAL.replace("dispatcher: keep", "dispatcher: log"), service) as flow:
        flow.send(EdgeMessage(sensor_id="s", payload={"value": 2}))
        flow.until(lambda: flow.rig.handled)
        payload = flow.rig.handled[0][1]
        assert (payload["value"], payload["total"], payload["other"]) == (2, 4.0, 6.0)
        assert payload["lists"] == ["double", "triple"]
        assert payload["models"]["triple"] == {"other": 6.0, "lists": ["triple"]}


def test_a_pipeline_may_have_no_model_and_no_stage(tmp_path):
    text = SEVERAL[: SEVERAL.index("    preprocess")] + "    agents: [watch]\nagents:\n"
    text += "  watch: {type: parts.Watch, dispatcher: log}\n"
    with running(tmp_path, text) as flow:
        image = np.zeros((4, 6, 3), np.uint8)
        flow.send(EdgeMessage(sensor_id="s", payload=image))
        flow.until(lambda: flow.rig.handled)
        assert flow.rig.handled[0][2].payload is image


def test_results_show_what_the_dashboard_draws(tmp_path):
    write_plugins(tmp_path)
    (tmp_path / "plugins" / "boxes.py").write_text(
        "def found(response, message):\n"
        "    return {'detections': [{'label': 'person', 'confidence': 0.9,"
        " 'bbox': [1, 2, 3, 4]}]}\n"
    )
    text = SEVERAL[: SEVERAL.index("    preprocess")] + (
        "    postprocess: boxes.found\n    agents: [watch]\nagents:\n"
        "  watch: {type: parts.Watch, dispatcher: log, metric: zone}\n"
    )
    with running(tmp_path, text) as flow:
        tap = flow.flow.runtime.frames.tap(["main"])
        flow.send(EdgeMessage(sensor_id="cam", payload=b"\xff\xd8\xff jpeg bytes"))
        frame = tap.receive(20.0)
        tap.close()
        assert frame.data == b"\xff\xd8\xff jpeg bytes"
        assert frame.meta["detections"] == [
            {"label": "person", "confidence": 0.9, "bbox": [1, 2, 3, 4]}
        ]
        assert (frame.meta["sensor"], frame.meta["pipeline"]) == ("cam", "main")
        assert frame.meta["latency_ms"] >= 0


QUICK = """\
import threading

from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.message import Action

WHERE = []


class Quick(Agent):
    quick = True

    async def handle(self, *, message, payload, latency_ms):
        WHERE.append(threading.current_thread().name)
        return [Action(dispatcher=self.options.dispatcher, payload={"value": payload["value"]})]


class Waits(Quick):
    async def handle(self, *, message, payload, latency_ms):
        import asyncio

        await asyncio.sleep(0)
"""


def test_a_quick_agent_runs_where_the_result_is_and_one_that_waits_is_told(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "agility.py").write_text(QUICK)
    text = ROUTES.replace("type: parts.Watch, dispatcher: keep, above: 5", "type: agility.Quick", 1)
    text = text.replace("agility.Quick}", "agility.Quick, dispatcher: keep}")
    text = text.replace("type: parts.Watch, dispatcher: keep, above: 5", "type: agility.Waits", 1)
    with running(tmp_path, text) as flow:
        flow.send(sent(10, "first"))
        flow.until(lambda: flow.rig.acknowledged == [10])
        assert [action.payload for _, _, action in flow.rig.dispatched] == [{"value": 10}]
        where = flow.flow.session.declaration.plugins.load("agility").WHERE
        assert where == ["node-watch"]
        told = [entry.text for entry in flow.book.activities() if entry.level == "error"]
        assert any("do not set 'quick'" in text or "has waited" in text for text in told)
