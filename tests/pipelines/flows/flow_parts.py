"""Connectors, agents, dispatchers and a service for flows that run inside a test."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeflow.core.status import ModelStatus
from edgeflow.errors import CancelledError, EdgeFlowError, TensorError, UnknownModelError
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import Done, InferenceService, ModelInfo
from edgeflow.observe.activity import ActivityBook
from edgeflow.pipelines.flow import RunningFlow
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.session import Session

PLUGINS = '''
import asyncio
import time
from typing import ClassVar

import numpy as np
from pydantic import Field

from edgeflow.core.qos import QoS
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions, RouteOptions
from edgeflow.pipelines.message import Action, ActionResult, EdgeMessage

RIGS = {}


class Rig:
    """What a test shares with the parts it named in its YAML."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.acknowledged = []
        self.throttled = []
        self.handled = []
        self.dispatched = []
        self.stopped = []


class FeedOptions(ConnectorOptions):
    rig: str = "rig"
    qos: int = 0


class Feed(BaseConnector):
    """Gives what the test puts into its queue."""

    Options = FeedOptions
    Route: ClassVar = RouteOptions
    uses_topics = True

    async def start(self):
        self.rig = RIGS[self.options.rig]
        self.state = "connected"

    async def stop(self):
        self.rig.stopped.append(self.name)

    async def iter_messages(self):
        while True:
            message = await self.rig.queue.get()
            if message is None:
                return
            if isinstance(message, Exception):
                raise message
            yield message

    async def acknowledge(self, message):
        self.rig.acknowledged.append(message.receipt)

    async def throttle(self, sensor_id, interval_s):
        self.rig.throttled.append((sensor_id, interval_s))
        return True


class WatchOptions(AgentOptions):
    rig: str = "rig"
    metric: str = "value"
    above: float = 0.0


class Watch(Agent):
    """Fires above a value; raises on "boom"."""

    Options = WatchOptions

    async def handle(self, *, message, payload, latency_ms):
        RIGS[self.options.rig].handled.append((self.name, dict(payload), message, latency_ms))
        value = payload.get(self.options.metric)
        if value == "boom":
            raise RuntimeError("boom")
        if not isinstance(value, (int, float)) or value <= self.options.above:
            return []
        return [Action(dispatcher=self.options.dispatcher, target=self.options.target,
                       payload={"value": value}, metadata={"text": f"{value} is high"})]


class KeepOptions(DispatcherOptions):
    rig: str = "rig"
    delay_s: float = 0.0


class Keep(Dispatcher):
    """Keeps what it is told to do."""

    Options = KeepOptions

    async def dispatch(self, action, *, agent, pipeline):
        await asyncio.sleep(self.options.delay_s)
        RIGS[self.options.rig].dispatched.append((agent, pipeline, action))
        return ActionResult(ok=True, detail="kept", target=action.target or "")


def vector(message, payload, *, keys: list[str] = ["value"]):
    return np.array([[float(payload[key]) for key in keys]], np.float32)


def total(response, message, *, name: str = "total"):
    return {name: float(response.first.sum()), "lists": [response.model]}


def broken(message, payload):
    raise ValueError("cannot")
'''


class SmallService(InferenceService):
    """Runs functions as models in the thread that asks: real answers, no sockets."""

    def __init__(self, models: dict[str, Callable[[np.ndarray], np.ndarray]], width: int = 1):
        self.models = models
        self.width = width
        self.away: EdgeFlowError | None = None
        self.delay_s = 0.0
        self.asked: list[InferRequest] = []
        self._lock = threading.Lock()

    def submit(self, request: InferRequest, done: Done) -> Any:
        with self._lock:
            self.asked.append(request)
        try:
            outcome: InferResponse | EdgeFlowError = self._answer(request)
        except EdgeFlowError as error:
            outcome = error
        done(outcome)
        return _Ticket()

    def _answer(self, request: InferRequest) -> InferResponse:
        time.sleep(self.delay_s)
        if self.away is not None:
            raise self.away
        if request.model not in self.models:
            raise UnknownModelError(f"there is no model {request.model!r}")
        inputs = request.inputs
        array = next(iter(inputs.values())) if isinstance(inputs, dict) else inputs[0]
        if not self.info(request.model).spec.inputs[0].accepts(array.shape):
            raise TensorError(f"{request.model}: shape {array.shape} does not fit")
        return InferResponse(request.model, "1", {"out": self.models[request.model](array)})

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        if model not in self.models:
            raise UnknownModelError(f"there is no model {model!r}")
        tensor = TensorSpec("in", np.dtype(np.float32), (None, self.width))
        out = TensorSpec("out", np.dtype(np.float32), (None, None))
        return ModelInfo(model, "1", ("1",), "callable", EngineSpec((tensor,), (out,)))

    def status(self) -> list[ModelStatus]:
        return [ModelStatus(name=name, state="ready") for name in self.models]

    def load(self, model: str, version: str | None = None) -> None:
        self.info(model)

    def unload(self, model: str) -> None:
        self.info(model)

    def is_ready(self, model: str | None = None) -> bool:
        return self.away is None

    def close(self) -> None:
        self.away = CancelledError("closed")


class _Ticket:
    def cancel(self) -> None:
        pass


class Running:
    """A flow that runs, the rig behind its parts, and its book."""

    def __init__(self, flow: RunningFlow, rig: Any, book: ActivityBook, service: SmallService):
        self.flow = flow
        self.rig = rig
        self.book = book
        self.service = service
        self.session = flow.session

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.session.loop.loop.call_soon_threadsafe(self.rig.queue.put_nowait, message)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        return until(condition, seconds)

    def kinds(self, kind: str) -> list[Any]:
        return [entry for entry in self.book.activities() if entry.kind == kind]

    def dropped(self) -> dict[tuple[str, str], float]:
        return self.session.metrics.total_dropped()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come to that")


def write_plugins(folder: Path) -> None:
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins" / "parts.py").write_text(PLUGINS)


@contextmanager
def running(folder: Path, text: str, service: SmallService | None = None, **session: Any):
    """Run the flow of a YAML whose parts come from ``PLUGINS``."""
    write_plugins(folder)
    declaration = load_text(text, folder / "pipelines.yaml")
    module = declaration.plugins.load("parts")
    rig = module.RIGS["rig"] = module.Rig()
    service = service or SmallService({"double": lambda array: array * 2})
    book = ActivityBook()
    flow = RunningFlow(Session(declaration, service, book=book, **session))
    flow.start()
    try:
        yield Running(flow, rig, book, service)
    finally:
        assert flow.stop()
