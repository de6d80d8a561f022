"""Results and messages of any kind: an agent fires, stays silent, or says what is wrong."""

import pytest
from agent_parts import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.pipelines.agents.archive import SnapshotArchive
from edgeflow.pipelines.agents.rate_limit import RateLimit
from edgeflow.pipelines.agents.rules import Rules
from edgeflow.pipelines.agents.threshold import Threshold
from edgeflow.pipelines.agents.zone import PersonInZone
from edgeflow.pipelines.message import Action

scalars = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5)
)
words = st.sampled_from(["label", "bbox", "confidence", "detections", "zone", "person", "0", "z"])
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(words, inner, max_size=5),
    max_leaves=15,
)
boxes = st.lists(st.floats() | st.integers(), min_size=3, max_size=5)
found = st.fixed_dictionaries(
    {"label": st.just("person") | scalars, "bbox": boxes | anything},
    optional={"confidence": scalars, "zone": scalars},
)
results = st.dictionaries(words, anything, max_size=4) | st.fixed_dictionaries(
    {"detections": st.lists(found | anything, max_size=4)}, optional={"image_hw": anything}
)

ZONES = {"z": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]}
KINDS = [
    (Threshold, {"metric": "detections.0.confidence"}),
    (Threshold, {"metric": "detections.#"}),
    (PersonInZone, {"zone": "z", "anchor": "any"}),
    (PersonInZone, {"zone": "z", "dwell_s": 1, "events": ["enter", "exit"]}),
    (Rules, {"when": {"any": [{"metric": "detections.*.label", "contains": "person"}]}}),
    (Rules, {"when": {"not": {"metric": "z", "differs": 3}}, "once": False}),
    (RateLimit, {"agent": {"type": "threshold", "metric": "z"}}),
    (SnapshotArchive, {"labels": ["person"], "min_free_bytes": 0}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_results=st.lists(st.tuples(results, st.integers(0, 3), anything), max_size=5))
def test_any_result_is_survived(kind, options, given_results, tmp_path):
    if kind is SnapshotArchive:
        options = {**options, "folder": str(tmp_path)}
    bench = Bench(kind, ZONES, **options)
    for result, pause, content in given_results:
        try:
            actions = bench.send(result, after=pause, content=content)
        except PipelineError as error:
            assert str(error)
        else:
            assert all(isinstance(action, Action) for action in actions)
