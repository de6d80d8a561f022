"""An agent's actions may go to further actions, which tell nobody."""

from flow_parts import running

from edgeflow.errors import GraphError
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.message import EdgeMessage

YAML = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, pipeline: all}
pipelines:
  - {id: all, agents: [watch]}
agents:
  watch: {type: threshold, threshold: 5, dispatcher: keep, also: [book, keep], target: there}
actions:
  keep: {type: parts.Keep}
  book: {type: parts.Keep}
"""


def test_each_action_goes_to_all_and_is_told_once(tmp_path):
    with running(tmp_path, YAML) as flow:
        flow.send(EdgeMessage(sensor_id="s", payload={"value": 9}))
        flow.until(lambda: len(flow.rig.dispatched) == 2)
        found = {action.dispatcher: action for _, _, action in flow.rig.dispatched}
        assert found["keep"].target == "there"
        assert found["book"].target is None
        assert found["book"].payload == found["keep"].payload
        flow.until(lambda: flow.kinds("action"))
        assert len(flow.kinds("alert")) == 1
        assert [entry.dispatcher for entry in flow.kinds("action")] == ["keep"]


def test_a_name_that_is_no_action_is_a_mistake(tmp_path):
    try:
        load_text(YAML.replace("[book, keep]", "[bok]"), tmp_path / "pipelines.yaml")
    except GraphError as error:
        assert any("there is no action 'bok'" in str(problem) for problem in error.problems)
    else:
        raise AssertionError("it was taken")
