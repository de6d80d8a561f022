"""One message through connector, pipeline, agent and action."""

from flow_parts import running

from edgeflow.pipelines.message import EdgeMessage

FLOW = """\
version: 1
dashboard: false
connectors:
  - id: feed
    type: parts.Feed
    pipeline: doubling
pipelines:
  - id: doubling
    preprocess: parts.vector
    model: double
    postprocess: parts.total
    agents: [watch]
agents:
  watch: {type: parts.Watch, metric: total, above: 10, dispatcher: keep, target: door}
actions:
  keep: {type: parts.Keep}
"""


def test_a_message_becomes_an_action(tmp_path):
    with running(tmp_path, FLOW) as flow:
        flow.send(EdgeMessage(sensor_id="s1", payload=b'{"value": 21}', encoding="json"))
        [(agent, pipeline, action)] = flow.until(lambda: list(flow.rig.dispatched))
        assert (agent, pipeline, action.target) == ("watch", "doubling", "door")
        assert action.payload == {"value": 42.0}
        _, payload, message, _ = flow.rig.handled[0]
        assert payload["value"] == 21 and payload["total"] == 42.0
        assert message.payload == {"value": 21}
        flow.until(lambda: len(flow.book.activities()) == 2)
        alert, done = flow.book.activities()
        assert (alert.kind, alert.text, alert.sensor) == ("alert", "42.0 is high", "s1")
        assert (done.kind, done.ok, done.dispatcher, done.target) == (
            "action",
            True,
            "keep",
            "door",
        )
