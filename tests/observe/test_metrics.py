from prometheus_client.parser import text_string_to_metric_families

from edgeflow.core.histogram import Histogram
from edgeflow.core.status import FlowStatus, LinkStatus, NodeStatus
from edgeflow.observe.metrics import render


class View:
    def status(self) -> FlowStatus:
        node = NodeStatus(name="cam", role="producer", frames_out=7, restarts=2, alive=1)
        link = LinkStatus(
            source="cam", target="web", topic="cam", qos="realtime", via="shm", sent=7, dropped=3,
            depth=1,
        )  # fmt: skip
        return FlowStatus(
            app="a", mode="threads", started=0.0, time=1.0, nodes=[node], links=[link]
        )

    def histograms(self):
        histogram = Histogram()
        for milliseconds in (1, 1, 50):
            histogram.add(milliseconds * 1_000_000)
        return {"cam": histogram}, {("cam", "web"): histogram}


def samples() -> dict[str, list]:
    families = text_string_to_metric_families(render(View()).decode())
    return {family.name: family.samples for family in families}


def test_counters_and_gauges_carry_labels():
    found = samples()
    (dropped,) = found["edgeflow_link_dropped"]
    assert dropped.value == 3
    assert dropped.labels == {
        "app": "a", "source": "cam", "target": "web", "qos": "realtime", "via": "shm",
    }  # fmt: skip
    assert found["edgeflow_node_restarts"][0].value == 2
    assert found["edgeflow_link_depth"][0].value == 1
    assert found["edgeflow_node_alive"][0].value == 1


def test_histograms_are_cumulative_and_in_seconds():
    buckets = [s for s in samples()["edgeflow_node_process_seconds"] if s.name.endswith("_bucket")]
    values = [bucket.value for bucket in buckets]
    assert values == sorted(values)
    assert values[-1] == 3
    below = [b.value for b in buckets if float(b.labels["le"]) <= 0.004]
    assert max(below) == 2
    (total,) = [s for s in samples()["edgeflow_node_process_seconds"] if s.name.endswith("_sum")]
    assert abs(total.value - 0.052) < 1e-9
