"""Deadlines, full queues, throttling, models that are away or do not fit."""

import time

import pytest
import structlog
from flow_parts import SmallService, running

from edgeflow.errors import UnreachableError
from edgeflow.pipelines.message import EdgeMessage

HEAD = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, pipeline: main%s}
agents:
  watch: {type: parts.Watch, metric: total, above: 10, dispatcher: keep}
actions:
  keep: {type: parts.Keep}
pipelines:
  - id: main
    preprocess: parts.vector
    postprocess: parts.total
    agents: [watch]
"""


def flow_text(*lines, feed="", model="double"):
    text = HEAD % feed + (f"    model: {model}\n" if model else "")
    return text + "".join(f"    {line}\n" for line in lines)


def message(value, age=0.0, **more):
    now = time.time()
    return EdgeMessage(
        sensor_id="s1", payload={"value": value}, timestamp=now - age,
        received=time.monotonic() - age, **more,
    )  # fmt: skip


def test_what_is_too_old_is_dropped_before_it_costs_anything(tmp_path):
    with running(tmp_path, flow_text("deadline_ms: 5000")) as flow:
        flow.send(message(1, age=6.0), message(2))
        flow.until(lambda: len(flow.rig.handled) == 1)
        assert flow.rig.handled[0][1]["value"] == 2
        assert flow.dropped() == {("main", "deadline"): 1.0}
        assert len(flow.service.asked) == 1
        left = flow.service.asked[0].deadline - time.monotonic()
        assert left < 5.0


def test_an_answer_that_comes_too_late_is_dropped(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.delay_s = 0.4
    with running(tmp_path, flow_text("deadline_ms: 200"), service) as flow:
        flow.send(message(1))
        flow.until(flow.dropped)
        assert flow.dropped() == {("main", "deadline"): 1.0}
        assert flow.rig.handled == []


def test_late_messages_go_to_the_cheaper_model(tmp_path):
    service = SmallService({"double": lambda a: a * 2, "cheap": lambda a: a * 0})
    lines = ("deadline_ms: 60000", "on_deadline: downgrade", "downgrade: cheap")
    with running(tmp_path, flow_text(*lines), service) as flow:
        flow.send(message(1, age=40.0), message(2), message(3, age=70.0))
        flow.until(flow.dropped)
        assert [request.model for request in service.asked] == ["cheap", "double"]
        assert flow.dropped() == {("main", "deadline"): 1.0}
        flow.until(lambda: len(flow.rig.handled) == 2)
        assert flow.rig.handled[0][1]["lists"] == ["cheap"]


@pytest.mark.parametrize("stamp", [0.0, 4e9])
def test_a_sensor_with_a_wrong_clock_is_aged_from_reception(tmp_path, stamp):
    with running(tmp_path, flow_text("deadline_ms: 5000")) as flow:
        flow.send(EdgeMessage(sensor_id="s", payload={"value": 1}, timestamp=stamp))
        flow.until(lambda: flow.rig.handled)
        assert flow.rig.handled[0][3] < 5000


def test_a_full_queue_drops_the_oldest_and_counts(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.delay_s = 0.3
    with running(tmp_path, flow_text("max_queue_depth: 2"), service) as flow:
        flow.send(message(0))
        flow.until(lambda: service.asked)
        flow.send(*(message(number) for number in range(1, 8)))
        flow.until(lambda: len(flow.rig.handled) >= 3)
        assert flow.rig.handled[-1][1]["value"] == 7
        flow.until(lambda: flow.dropped().get(("main", "queue_full")) == 5.0)
        [told] = flow.until(lambda: flow.kinds("dropped"))
        assert "queue_full" in told.text and told.pipeline == "main"


def test_sensors_are_throttled_while_the_queue_stays_full_and_released(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.delay_s = 0.05
    lines = ("max_queue_depth: 4", "throttle: {hold_s: 0.3, interval_s: 2.5}")
    with running(tmp_path, flow_text(*lines), service) as flow:
        end = time.monotonic() + 30
        while not flow.rig.throttled and time.monotonic() < end:
            flow.send(message(1))
            time.sleep(0.01)
        assert flow.rig.throttled[0] == ("s1", 2.5)
        flow.until(lambda: ("s1", 0.0) in flow.rig.throttled)
        texts = [entry.text for entry in flow.until(lambda: flow.kinds("throttle"))]
        assert texts[0] == "main: asked s1 to send every 2.5 s"


def test_a_shape_that_does_not_fit_is_diagnosed_once(tmp_path):
    service = SmallService({"double": lambda array: array * 2}, width=3)
    with running(tmp_path, flow_text(), service) as flow:
        flow.send(message(1), message(2))
        flow.until(lambda: flow.dropped().get(("main", "shape")) == 2.0)
        told = [entry for entry in flow.kinds("dropped") if entry.level == "error"]
        assert len(told) == 1
        for part in ("'main'", "parts.vector", "float32[1, 1]", "'double'", "float32[?, 3]"):
            assert part in told[0].text


def test_a_stage_that_raises_and_an_unknown_model_are_counted(tmp_path):
    text = flow_text(model="nothing").replace(
        "  - {id: feed", "  - {id: feed2, type: parts.Feed, pipeline: main}\n  - {id: feed"
    )
    with structlog.testing.capture_logs() as lines, running(tmp_path, text) as flow:
        flow.send(message(1), EdgeMessage(sensor_id="s", payload={"other": 1}))
        flow.until(lambda: len(flow.dropped()) == 2)
        assert flow.dropped() == {("main", "model"): 1.0, ("main", "exception"): 1.0}
        flow.until(lambda: any("KeyError" in str(one.detail) for one in flow.kinds("dropped")))
    [line] = [line for line in lines if "KeyError" in line.get("error", "")]
    code = (tmp_path / "plugins" / "parts.py").read_text().splitlines()
    file, _, number = line["where"].partition(".py:")
    assert file.endswith("parts") and "payload[key]" in code[int(number) - 1]


def test_without_a_gateway_messages_are_dropped_and_counted(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.away = UnreachableError("nobody answers")
    with running(tmp_path, flow_text(), service) as flow:
        flow.send(message(1))
        flow.until(flow.dropped)
        assert flow.dropped() == {("main", "gateway"): 1.0}


def test_a_durable_route_loses_nothing_while_the_gateway_is_away(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.away = UnreachableError("nobody answers")
    with running(tmp_path, flow_text("max_queue_depth: 4", feed=", qos: 1"), service) as flow:
        flow.send(*(message(number, receipt=number) for number in range(100)))
        flow.until(lambda: len(service.asked) > 2)
        assert flow.rig.queue.qsize() > 60  # the connector is held back, nothing piles up
        assert flow.rig.acknowledged == []
        service.away = None
        flow.until(lambda: len(flow.rig.acknowledged) == 100)
        assert [entry[1]["value"] for entry in flow.rig.handled] == list(range(100))
        assert flow.dropped() == {}
        assert [entry.level for entry in flow.kinds("breaker")] == ["warning", "info"]


def test_it_stops_in_time_with_the_gateway_away_and_gives_messages_back(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.away = UnreachableError("nobody answers")
    with running(tmp_path, flow_text(feed=", qos: 1"), service) as flow:
        flow.send(*(message(number, receipt=number) for number in range(10)))
        flow.until(lambda: len(service.asked) > 1)
        rig = flow.rig
        started = time.monotonic()
        assert flow.flow.stop()
        assert time.monotonic() - started < 6.0  # under 3 s on an idle machine
    del flow
    assert rig.acknowledged == []
    assert rig.stopped == ["feed"]


class Deaf(SmallService):
    """Takes requests and never answers."""

    def submit(self, request, done):
        self.asked.append(request)

        class Ticket:
            def cancel(ticket):  # noqa: N805
                self.cancelled = True

        return Ticket()


HANGING = """
import asyncio

from edgeflow.pipelines.actions.base import Dispatcher
from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.connectors.base import BaseConnector

BEGUN = []


async def hang(who):
    BEGUN.append(who)
    await asyncio.sleep(3600)


class SlowAgent(Agent):
    async def handle(self, *, message, payload, latency_ms):
        await hang("agent")


class SlowAction(Dispatcher):
    async def dispatch(self, action, *, agent, pipeline):
        await hang("action")

    async def stop(self):
        await hang("stop of the action")


class SlowConnector(BaseConnector):
    async def iter_messages(self):
        await hang("connector")
        yield

    async def stop(self):
        await hang("stop of the connector")
"""


def test_it_stops_in_time_whatever_hangs(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hanging.py").write_text(HANGING)
    text = flow_text().replace(
        "  - {id: feed",
        "  - {id: slow, type: hanging.SlowConnector, pipeline: main}\n  - {id: feed",
    )
    text = text.replace("agents: [watch]", "agents: [watch, slow]")
    text = text.replace("agents:\n", "agents:\n  slow: {type: hanging.SlowAgent}\n", 1)
    text = text.replace("parts.Keep", "hanging.SlowAction")
    with running(tmp_path, text) as flow:
        begun = flow.session.declaration.plugins.load("hanging").BEGUN
        flow.send(message(20), message(21))
        flow.until(lambda: {"agent", "action", "connector"} <= set(begun))
        started = time.monotonic()
        assert flow.flow.stop()
        assert time.monotonic() - started < 5.0
        assert "stop of the connector" in begun


def test_it_stops_in_time_while_a_gateway_does_not_answer(tmp_path):
    service = Deaf({"double": lambda array: array})
    text = flow_text().replace("version: 1", "version: 1\ngateway: {timeout_s: 60}")
    with running(tmp_path, text, service) as flow:
        flow.send(message(1))
        flow.until(lambda: service.asked)
        started = time.monotonic()
        assert flow.flow.stop()
        assert time.monotonic() - started < 6.0  # under 3 s on an idle machine
        assert service.cancelled


GARBAGE = [
    (b"", "json"),
    (b"[" * 100_000, "json"),
    (b'{"value": ' + b"9" * 5000 + b"}", "json"),
    (b"\xff\xd8\xff\xe0", "jpeg"),
    (b"\xff" * 1000, "msgpack"),
    (b"PK\x03\x04" + b"\0" * 100, "npz"),
    (b"\x93NUMPY\x01\x00\xff\xff", "npy"),
    (b"!!!", "base64"),
    (b"123", "bgr"),
    (b"bytes", "raw"),
    ({"value": "text"}, ""),
    ({"value": float("nan")}, ""),
    ([1, 2, 3], ""),
    (None, ""),
    (3.5, ""),
    (object(), ""),
    ("\ud800", ""),
]


def test_garbage_is_counted_and_the_flow_goes_on(tmp_path):
    with running(tmp_path, flow_text(feed=", qos: 1")) as flow:
        for number, (payload, encoding) in enumerate(GARBAGE):
            flow.send(
                EdgeMessage(sensor_id="s", payload=payload, encoding=encoding, receipt=number)
            )
        flow.send(message(21, receipt=100))
        flow.until(lambda: len(flow.rig.acknowledged) == len(GARBAGE) + 1)
        assert [entry[1]["value"] for entry in flow.rig.handled][-1] == 21
        assert flow.dropped()["main", "exception"] >= len(GARBAGE) - 3
        assert all(node.errors == 0 for node in flow.flow.runtime.status().nodes)


def test_a_realtime_pipeline_skips_in_silence_and_counts(tmp_path):
    service = SmallService({"double": lambda array: array * 2})
    service.delay_s = 0.3
    with running(tmp_path, flow_text("qos: realtime"), service) as flow:
        flow.send(message(0))
        flow.until(lambda: service.asked)
        flow.send(*(message(number) for number in range(1, 6)))
        flow.until(lambda: len(flow.rig.handled) >= 2)
        assert flow.rig.handled[-1][1]["value"] == 5
        flow.until(lambda: flow.dropped() == {("main", "superseded"): 4.0})
        assert flow.kinds("dropped") == []
