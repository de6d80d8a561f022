"""The service that decides and keeps learning: requests in, positions out, overrides remembered."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.labels import Label, Labels, values_of
from edgeflow.climate.learning.learner import Comparison, Learner
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.comms.mqtt import Incoming, MqttClient
from edgeflow.errors import CommsError, EdgeFlowError, ProtocolError, StoreError
from edgeflow.protocols import climate
from edgeflow.protocols import climate_topics as topics

__all__ = ["SUBSCRIPTIONS", "LearningService", "ServiceStats"]

_log = structlog.get_logger(__name__)

SUBSCRIPTIONS = ("ml/inference/request/#", topics.override_topic("+"))
MAX_DEVICES = 100_000
ACCEPTED_SECONDS = 600.0
"""A decision that nobody changed for so long was accepted."""
LEARN_EVERY = 20
"""New labels after which the model may learn."""
LEARN_SECONDS = 3600.0


@dataclass(slots=True)
class ServiceStats:
    """Counts since the start; milliseconds of the last decision."""

    decided: int = 0
    refused: int = 0
    labels: int = 0
    doubted: int = 0
    candidates: int = 0
    promotions: int = 0
    decision_ms: float = 0.0
    last_comparison: Comparison | None = None


@dataclass(slots=True)
class _Sent:
    request: climate.InferenceRequest
    time: float
    judged: bool = False


class LearningService:
    """Answers requests on a broker, and learns from overrides.

    Args:
        client: of the broker. versions: of the model; its current one decides.
        labels: what people said before.
        now: seconds since the Unix epoch.
    """

    def __init__(
        self,
        client: MqttClient,
        versions: Versions,
        decider: WindowDecider,
        *,
        labels: Labels | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._versions, self._decider = client, versions, decider
        self._now = now
        self.labels = labels or Labels()
        self.stats = ServiceStats()
        self._learner = Learner(self.labels)
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._fresh, self._learnt = 0, now()
        self._learning: asyncio.Task[None] | None = None

    @property
    def model(self) -> Model:
        """What decides now."""
        return self._decider.model

    @property
    def drift(self) -> dict[str, float]:
        """How far the requests have shifted, by feature; empty while too few came."""
        return self._decider.drift.scores()

    async def run(self) -> None:
        """Work until cancelled."""
        for pattern in SUBSCRIPTIONS:
            await self._client.subscribe(pattern, qos=1)
        try:
            async for message in self._client.messages():
                self._take(message)
                self._maybe_learn()
        finally:
            if self._learning is not None:
                self._learning.cancel()

    def _take(self, message: Incoming) -> None:
        try:
            topic = topics.parse_topic(message.topic)
            if topic.role == "request":
                self._answer(topic.device, message.payload)
            elif topic.role == "override":
                self._listen(topic.device, climate.decode_override(message.payload))
        except (CommsError, StoreError) as error:
            self.stats.refused += 1
            _log.warning("request_ignored", topic=message.topic[:200], error=str(error))

    def _answer(self, device: str, payload: bytes) -> None:
        request = climate.decode_request(payload)
        if request.device_id != device:
            raise ProtocolError(
                f"a request of {request.device_id[:80]!r} on the topic of {device!r}"
            )
        began = time.perf_counter()
        self._note_accepted(device)
        control = self._decider.decide(request)
        self._client.post(topics.control_topic(device), climate.encode(control), qos=1)
        self._remember(request)
        self.stats.decided += 1
        self.stats.decision_ms = 1000.0 * (time.perf_counter() - began)

    def _listen(self, device: str, override: climate.Override) -> None:
        """An override is a label for the situation in which the last decision was made."""
        now = self._now()
        self._decider.moved(device, override.position)
        sent = self._sent.get(device)
        if sent is None:
            raise ProtocolError(
                f"an override of {device}, for which nothing was decided yet",
                hint="it moves the window, and teaches nothing",
            )
        sent.judged = True
        label = Label(now, device, sent.request.features, override.position, override.person)
        if self.labels.add(label):
            self.stats.labels += 1
            self._fresh += 1
        else:
            self.stats.doubted += 1

    def _remember(self, request: climate.InferenceRequest) -> None:
        self._sent[request.device_id] = _Sent(request, self._now())
        self._sent.move_to_end(request.device_id)
        if len(self._sent) > MAX_DEVICES:
            self._sent.popitem(last=False)

    def _note_accepted(self, device: str) -> None:
        sent = self._sent.get(device)
        if sent is not None and not sent.judged and self._now() - sent.time >= ACCEPTED_SECONDS:
            self._learner.accept(values_of(sent.request.features))

    def _maybe_learn(self) -> None:
        now = self._now()
        due = self._fresh >= LEARN_EVERY or (
            self._fresh > 0 and now - self._learnt >= LEARN_SECONDS
        )
        if due and (self._learning is None or self._learning.done()):
            self._fresh, self._learnt = 0, now
            self._learning = asyncio.create_task(self._learn(now), name="climate-learning")

    async def _learn(self, now: float) -> None:
        """Make a candidate beside the service, and promote it if it is better for certain."""
        try:
            parent = self.model
            name = self._versions.next_name()
            made = await asyncio.to_thread(self._learner.candidate, parent, now, name)
            if made is None:
                return
            self.stats.candidates += 1
            found = await asyncio.to_thread(self._learner.compare, made, parent, now)
            self.stats.last_comparison = found
            if found.better:
                await asyncio.to_thread(self._versions.add, made)
                self._versions.use(name)
                self._learner.promoted()
                self.stats.promotions += 1
                _log.info("model_promoted", version=name, error=found.error)
            chosen = made if found.better else parent
            self._decider.use(await asyncio.to_thread(self._learner.recalibrated, chosen, now))
        except EdgeFlowError as error:
            _log.error("learning_failed", error=str(error))
