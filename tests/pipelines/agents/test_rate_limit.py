import pytest
from agent_parts import Bench
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeflow.errors import GraphError
from edgeflow.pipelines.agents.rate_limit import RateLimit, TokenBucket
from edgeflow.pipelines.agents.threshold import Threshold
from edgeflow.pipelines.loading.loader import load_text

INNER = {"type": "threshold", "threshold": 10, "dispatcher": "inner", "target": "t"}


def limit(**options) -> Bench:
    return Bench(RateLimit, agent=INNER, **options)


def test_it_passes_on_so_many_and_says_how_many_not():
    bench = limit(actions=2, per_s=10)
    sent = [bench.send({"value": 11}) for _ in range(5)]
    assert [len(actions) for actions in sent] == [1, 1, 0, 0, 0]
    assert sent[0][0].dispatcher == "inner"
    (action,) = bench.send({"value": 11}, after=5)
    assert action.metadata["suppressed"] == 3
    assert not bench.fires({"value": 11})
    (action,) = bench.send({"value": 11}, after=100)
    assert action.metadata["suppressed"] == 1


def test_it_is_silent_where_the_agent_is():
    bench = limit(actions=1, per_s=10)
    assert not bench.fires({"value": 9})
    assert bench.fires({"value": 10})


def test_sensors_have_their_own_limit_or_share_one():
    own, shared = limit(), limit(per_sensor=False)
    for bench, want in ((own, [True, True]), (shared, [True, False])):
        assert [bench.fires({"value": 11}, sensor=sensor) for sensor in "ab"] == want


def test_its_own_dispatcher_and_target_win():
    (action,) = limit(dispatcher="outer").send({"value": 11})
    assert (action.dispatcher, action.target) == ("outer", "t")
    (action,) = limit(target="elsewhere").send({"value": 11})
    assert (action.dispatcher, action.target) == ("inner", "elsewhere")


def test_mistakes_are_told():
    for agent, said in (
        ({"type": "treshold"}, "did you mean 'threshold'"),
        ({"type": "threshold", "metrik": "x"}, "metrik"),
        ({}, "kind"),
        (7, "valid dictionary"),
    ):
        with pytest.raises(ValidationError, match=said):
            RateLimit.Options(agent=agent)


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.floats(0, 3), max_size=60),
)
def test_a_bucket_never_gives_more_than_burst_and_rate(rate, burst, pauses):
    bucket, now, given_at = TokenBucket(rate, burst), 0.0, []
    for pause in pauses:
        now += pause
        if bucket.take(now):
            given_at.append(now)
    for i, first in enumerate(given_at):
        for j in range(i, len(given_at)):
            assert j - i + 1 <= burst + rate * (given_at[j] - first) + 1e-6


FILE = """\
connectors:
  - {{id: push, type: http, port: 0, topics: [{{filter: /env, pipeline: env}}]}}
pipelines:
  - {{id: env, agents: [calm]}}
agents:
  loud: {{type: threshold, metric: co2, dispatcher: keep}}
  calm: {{type: rate_limit, agent: {agent}}}
actions:
  keep: {{type: log}}
"""


def test_in_a_file_it_names_another_agent_or_has_it_inside(tmp_path):
    for agent in ("loud", "{type: threshold, metric: co2, dispatcher: keep}"):
        plan = load_text(FILE.format(agent=agent), tmp_path / "p.yaml")
        (calm,) = (each for each in plan.agents if each.name == "calm")
        assert calm.options.agent.kind is Threshold
        assert calm.options.agent.options.metric == "co2"
        assert "keep" in calm.dispatchers
        assert ("no pipeline" in str(plan.warnings)) is (agent != "loud")


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("lout", "did you mean 'loud'"),
        ("calm", "there is no agent 'calm'"),
        ("{type: rate_limit, agent: loud}", "cannot limit another"),
        ("{type: threshold, metrik: co2}", "metric"),
        ("{type: thresold}", "threshold"),
    ],
)
def test_mistakes_in_a_file_are_told_with_their_place(tmp_path, agent, said):
    with pytest.raises(GraphError) as caught:
        load_text(FILE.format(agent=agent), tmp_path / "p.yaml")
    assert said in str(caught.value)
    assert "p.yaml:7:" in str(caught.value)
