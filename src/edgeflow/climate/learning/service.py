"""The service that decides and keeps learning: requests in, positions out, overrides remembered."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from edgeflow.climate.learning.acceptance import HABIT_DAYS, Acceptance
from edgeflow.climate.learning.confidence import TOLERANCE
from edgeflow.climate.learning.curve import LearningCurve
from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.improving import Improver
from edgeflow.climate.learning.labels import Label, values_of
from edgeflow.climate.learning.missed import BEHIND, LATE, Heard, OverrideRows, following, is_known
from edgeflow.climate.learning.outcomes import Outcome
from edgeflow.climate.learning.status import LearningStatus, ServiceStats
from edgeflow.climate.learning.versions import Model
from edgeflow.climate.learning.workplace import Workplace
from edgeflow.comms.mqtt import Incoming
from edgeflow.errors import CommsError, ProtocolError, StoreError
from edgeflow.protocols import climate
from edgeflow.protocols import climate_topics as topics

__all__ = ["SUBSCRIPTIONS", "LearningService", "Line"]

_log = structlog.get_logger(__name__)

SUBSCRIPTIONS = ("ml/inference/request/#", topics.override_topic("+"))
MAX_DEVICES = 100_000
DAY = 86_400.0
STOOD_SECONDS = 600.0
"""After so long a decision that nobody changed may have been accepted."""
SAME = 5.0
"""Points by which decisions may differ and leave a window as it was."""
LIMITED = 1.0


class Line(Protocol):
    """Where requests come from and answers go: a client of a broker."""

    def want(self, patterns: Iterable[str], qos: int = 0) -> None:
        """Ask for messages."""

    def messages(self) -> AsyncIterator[Incoming]:
        """Yield them."""

    def post(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Send without waiting."""


@dataclass(slots=True)
class _Sent:
    """A decision, and what it is to be judged by.

    Attributes:
        time: of the decision. since: when the window came to about this position.
        said, shadow: by the model in use, before the rules, and by the candidate.
    """

    request: climate.InferenceRequest
    control: climate.WindowControl
    time: float
    since: float
    said: float
    shadow: float | None = None
    judged: bool = False

    @property
    def held(self) -> bool:
        """A person had set the window: what came of it says nothing about the model."""
        return "held" in self.control.rule

    def outcome(self, wanted: float, *, corrected: bool, heard: bool = True) -> Outcome:
        """What became of it."""
        values = self.request.features
        features = (values.temperature, values.humidity, values.sound_volume)
        return Outcome(self.time, features, wanted, corrected, heard)


class LearningService:
    """Answers requests on a broker, and learns from overrides.

    Args:
        client: of the broker. place: where it learns, with versions and what people said before.
        kept: overrides as the backend kept them; what was sent meanwhile is taken from there.
        now: seconds since the Unix epoch.
    """

    def __init__(
        self,
        client: Line,
        place: Workplace,
        decider: WindowDecider,
        *,
        kept: OverrideRows | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._decider, self._now = client, decider, now
        self._kept = kept
        self.labels = place.labels
        decider.recall(self.labels)
        self._heard = Heard(self.labels.newest(now() - BEHIND - LATE))
        self.stats = ServiceStats()
        self._improver = Improver(place, decider, self.stats, now)
        self._curve = LearningCurve()
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._acceptance = Acceptance[_Sent]()
        for label in self.labels.newest(now() - HABIT_DAYS * DAY):
            self._acceptance.habits.heard(label.time)

    @property
    def model(self) -> Model:
        """What decides now."""
        return self._decider.model

    @property
    def drift(self) -> dict[str, float]:
        """How far the requests have shifted, by feature; empty while too few came."""
        return self._decider.drift.scores()

    @property
    def status(self) -> LearningStatus:
        """How learning stands."""
        metadata = self.model.metadata
        return LearningStatus(
            version=metadata.version,
            created=metadata.created,
            error=metadata.error,
            labels=len(self.labels),
            waiting=self.labels.waiting,
            stats=self.stats,
            shadow=self._improver.standing,
            reliability=self._improver.reliability,
            curve=self._curve.points(),
            drift=self.drift,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        self._client.want(SUBSCRIPTIONS, qos=1)
        try:
            async with following(self, self._kept, self._now):
                async for message in self._client.messages():
                    self._take(message)
                    self._improver.tend()
        finally:
            await self._improver.close()

    async def settled(self) -> None:
        """Wait until no learning is under way."""
        await self._improver.settled()

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
        now = self._now()
        self._note_accepted(device, now)
        control = self._decider.decide(request)
        self._client.post(topics.control_topic(device), climate.encode(control), qos=1)
        self.stats.decided += 1
        self.stats.decision_ms = 1000.0 * (time.perf_counter() - began)
        _log.debug(
            "window_decided",
            device=device,
            correlation_id=request.correlation_id,
            position=control.position,
            model=control.model_version,
        )
        self._remember(request, control, now)

    def _listen(self, device: str, override: climate.Override) -> None:
        """An override is a label for the situation in which the last decision was made."""
        now = self._now()
        self._decider.moved(device, override.position)
        sent = self._sent.get(device)
        far = sent is not None and abs(sent.control.position - override.position) > TOLERANCE
        self._acceptance.spoke(device, now, contradicted=far)
        if sent is None:
            raise ProtocolError(
                f"an override of {device}, for which nothing was decided yet",
                hint="it moves the window, and teaches nothing",
            )
        self._curve.corrected(now, abs(sent.control.position - override.position))
        again, sent.judged = sent.judged, True
        label = Label(now, device, sent.request.features, override.position, override.person)
        if self._learn(label) and not again:
            outcome = sent.outcome(override.position, corrected=True)
            self._improver.corrected(
                outcome, sent.said, sent.shadow, None if sent.held else sent.control.confidence
            )

    def missed(self, label: Label) -> None:
        """Somebody said that while this service was away, or before it could know what it means."""
        if self._heard.knows(label):
            return
        self._decider.moved(label.device, label.position, label.time)
        if not is_known(label.features):
            return
        self.stats.recovered += 1
        _log.info("override_recovered", device=label.device, position=label.position)
        try:
            self._learn(label)
        except StoreError as error:
            _log.warning("label_not_kept", device=label.device, error=str(error))

    def _learn(self, label: Label) -> bool:
        """Take a label in, once; False while it waits to be confirmed."""
        self._heard.note(label)
        taken = self.labels.add(label)
        self.stats.labels += taken
        self.stats.doubted += not taken
        return taken

    def _remember(
        self, request: climate.InferenceRequest, control: climate.WindowControl, now: float
    ) -> None:
        device = request.device_id
        before = self._sent.get(device)
        stays = (
            before is not None
            and not before.judged
            and abs(before.control.position - control.position) <= SAME
        )
        since = before.since if before is not None and stays else now
        said, shadow = self._decider.said, self._improver.decide(values_of(request.features))
        self._sent[device] = _Sent(request, control, now, since, said, shadow)
        self._sent.move_to_end(device)
        if len(self._sent) > MAX_DEVICES:
            self._sent.popitem(last=False)
        self._curve.decided(now, control.confidence, control.model_version)

    def _note_accepted(self, device: str, now: float) -> None:
        sent = self._sent.get(device)
        if sent is not None and not sent.judged and now - sent.since >= STOOD_SECONDS:
            sent.since = now
            self._acceptance.stood(device, sent, now)
        for each, heard in self._acceptance.consented(device, now):
            self._curve.accepted(now)
            if not each.held:
                left = each.control.position
                as_said = abs(each.said - left) <= LIMITED
                wanted = each.said if as_said else left
                outcome = each.outcome(wanted, corrected=False, heard=heard)
                shadow = each.shadow if as_said and heard else None
                self._improver.accepted(outcome, each.said, shadow, each.control.confidence)
