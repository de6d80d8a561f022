"""A dispatcher that hangs holds up neither sensors nor other dispatchers for long."""

import asyncio
import time

import structlog
from flow_parts import running, write_plugins

from edgeflow.pipelines.message import EdgeMessage

PLUGIN = """
import asyncio

from .parts import RIGS, Keep


class Gate(Keep):
    async def dispatch(self, action, **origin):
        rig = RIGS["rig"]
        rig.opened = getattr(rig, "opened", None) or asyncio.Event()
        await rig.opened.wait()
        return await super().dispatch(action, **origin)


class Broken(Keep):
    async def dispatch(self, action, **origin):
        raise ValueError("cannot")


class Short(Gate):
    limit_s = 0.2
"""

FLOW = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, pipeline: main, qos: 1}
pipelines:
  - {id: main, preprocess: parts.vector, model: double, postprocess: parts.total, agents: [watch]}
agents:
  watch: {type: parts.Watch, metric: total, above: 0, dispatcher: gate}
actions:
  gate: {type: hanging.%s}
"""


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


def hanging(folder, kind, **session):
    write_plugins(folder)
    (folder / "plugins" / "hanging.py").write_text(PLUGIN)
    return running(folder, FLOW % kind, **session)


def messages(first, last):
    return [EdgeMessage(sensor_id="s", payload={"value": n}, receipt=n) for n in range(first, last)]


def failed(flow):
    return [entry.text for entry in flow.kinds("action") if not entry.ok]


def counted(flow, outcome):
    return flow.session.metrics.actions.labels("gate", outcome)._value.get()


def test_what_comes_while_all_places_hang_has_failed_and_goes_on_when_one_ends(tmp_path):
    clock = Clock()
    with hanging(tmp_path, "Gate", clock=clock) as flow:
        flow.send(*messages(1, 101))
        flow.until(lambda: len(flow.rig.handled) > 64)
        assert flow.rig.acknowledged == []  # the dispatcher may be slow only: the sensor waits
        clock.ahead = 60.0
        flow.until(lambda: len(flow.rig.acknowledged) == 36)
        assert sorted(flow.rig.acknowledged) == list(range(65, 101))
        texts = flow.until(lambda: len(failed(flow)) == 36 and failed(flow))
        assert all("overloaded: 64 are under way" in text for text in texts)
        assert counted(flow, "failed") == 36
        flow.session.loop.loop.call_soon_threadsafe(flow.rig.opened.set)
        flow.until(lambda: len(flow.rig.acknowledged) == 100)
        flow.send(*messages(101, 201))
        flow.until(lambda: len(flow.rig.acknowledged) == 200)
        assert (counted(flow, "failed"), counted(flow, "ok")) == (36, 164)


def test_a_dispatcher_says_how_long_an_action_may_take(tmp_path):
    with hanging(tmp_path, "Short") as flow:
        flow.send(*messages(1, 3))
        flow.until(lambda: len(flow.rig.acknowledged) == 2)
        assert failed(flow) == ["gate: given up: not done within 0.2 s"] * 2


def test_a_dispatcher_that_raises_names_its_line(tmp_path):
    with structlog.testing.capture_logs() as lines, hanging(tmp_path, "Broken") as flow:
        flow.send(*messages(1, 2))
        flow.until(lambda: flow.rig.acknowledged == [1])
        assert failed(flow) == ["gate: ValueError: cannot"]
    [line] = [line for line in lines if line["event"] == "dispatcher_raised"]
    number = PLUGIN.splitlines().index('        raise ValueError("cannot")') + 1
    assert line["where"].endswith(f"plugins/hanging.py:{number}")


def test_the_yaml_beats_what_the_dispatcher_says(tmp_path):
    with hanging(tmp_path, "Short, timeout_s: 60") as flow:
        flow.send(*messages(1, 2))
        flow.until(lambda: hasattr(flow.rig, "opened"))
        flow.session.run(asyncio.sleep(0.4), 20)
        assert flow.rig.acknowledged == []
        flow.session.loop.loop.call_soon_threadsafe(flow.rig.opened.set)
        flow.until(lambda: flow.rig.acknowledged == [1])
        assert counted(flow, "ok") == 1
