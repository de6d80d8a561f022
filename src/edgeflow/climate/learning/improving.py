"""A model's life: evidence comes in, a candidate is made, is tried in shadow, takes over or not."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import structlog

from edgeflow.climate.learning.confidence import TOLERANCE, Reliability, reliability
from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.examples import Floats
from edgeflow.climate.learning.learner import recalibrated
from edgeflow.climate.learning.outcomes import Outcome, Outcomes
from edgeflow.climate.learning.shadow import Shadow, Standing
from edgeflow.climate.learning.status import ServiceStats
from edgeflow.climate.learning.versions import Live, Model
from edgeflow.climate.learning.workplace import Workplace
from edgeflow.errors import EdgeFlowError

__all__ = ["Improver"]

_log = structlog.get_logger(__name__)

LEARN_EVERY = 20
"""New labels after which the model may learn."""
LEARN_SECONDS = 3600.0
LEAST_NEW = 8
WATCH_SECONDS = 5.0
MAX_PROMISES = 2000


class Improver:
    """Improves the model of a decider. Everything is called on one event loop.

    A candidate that is better on held-out labels decides live requests in shadow; it takes over
    when it is better there, too. Confidence follows the outcomes and is kept beside the version.

    Args:
        place: where it learns, with the versions; one that somebody else put in use is taken over.
        now: seconds since the Unix epoch.
    """

    def __init__(
        self,
        place: Workplace,
        decider: WindowDecider,
        stats: ServiceStats,
        now: Callable[[], float],
    ) -> None:
        self._place, self._versions, self._now = place, place.versions, now
        self._decider, self._stats = decider, stats
        self._shadow: Shadow | None = None
        self._promises: deque[tuple[float, bool]] = deque(maxlen=MAX_PROMISES)
        self._outcomes = Outcomes(place.versions.live(decider.model.metadata.version).outcomes)
        self._in_use_since = float("-inf")
        self._labels = len(place.labels.since(decider.model.metadata.created, now()))
        self._news = 0
        self._learnt = self._watched = now()
        self._work: asyncio.Task[None] | None = None

    @property
    def standing(self) -> Standing | None:
        """How the candidate in shadow does, if there is one."""
        return self._shadow.standing() if self._shadow is not None else None

    @property
    def reliability(self) -> Reliability:
        """What was promised and what was kept, of the last decisions whose outcome is known."""
        kept = list(self._promises)
        confidence = np.array([promised for promised, _ in kept], np.float64)
        errors = np.where([right for _, right in kept], 0.0, 2 * TOLERANCE)
        return reliability(confidence, errors)

    def decide(self, values: Floats) -> float | None:
        """What the candidate in shadow would have done with features (3,)."""
        if self._shadow is None:
            return None
        return float(self._shadow.candidate.decide(values[None])[0][0])

    def corrected(
        self, outcome: Outcome, said: float, shadow: float | None, confidence: float | None
    ) -> None:
        """Somebody wanted another position than was said; the label is believed.

        ``confidence`` is None if a rule had decided: that is not what confidence is about.
        """
        if confidence is not None:
            self._keep(outcome, confidence, abs(said - outcome.wanted) <= TOLERANCE)
        self._labels += 1
        if self._shadow is not None and shadow is not None:
            self._shadow.corrected(outcome.time, shadow, said, outcome.wanted)

    def accepted(
        self, outcome: Outcome, said: float, shadow: float | None, confidence: float
    ) -> None:
        """Nobody changed where the window was left."""
        self._keep(outcome, confidence, abs(said - outcome.wanted) <= TOLERANCE)
        if self._shadow is not None and shadow is not None:
            self._shadow.accepted(outcome.time, shadow, outcome.wanted)

    def _keep(self, outcome: Outcome, confidence: float, right: bool) -> None:
        self._promises.append((confidence, right))
        if outcome.time < self._in_use_since:
            return  # people answered another model: what it had right says little about this one
        self._outcomes.add(outcome)
        self._news += 1

    def tend(self) -> None:
        """Do what is due; the work itself is done beside the service."""
        if self._work is None or self._work.done():
            work = self._due(self._now())
            if work is not None:
                self._work = asyncio.create_task(_guarded(work), name="climate-learning")

    def _due(self, now: float) -> Coroutine[Any, Any, None] | None:
        if self._is_replaced(now):
            return self._take_over()
        shadow = self._shadow
        verdict = shadow.verdict(now) if shadow is not None else "open"
        if shadow is not None and verdict != "open":
            self._shadow = None
            if verdict == "better":
                return self._promote(shadow)
            self._stats.dropped += 1
            _log.info("candidate_dropped", **_told(shadow.standing()))
        enough = self._labels >= LEARN_EVERY and self._shadow is None
        if enough or (self._news > 0 and now - self._learnt >= LEARN_SECONDS):
            self._learnt, self._news = now, 0
            return self._learn(now)
        return None

    def _is_replaced(self, now: float) -> bool:
        if now - self._watched < WATCH_SECONDS:
            return False
        self._watched = now
        return self._versions.current not in (None, self._decider.model.metadata.version)

    async def settled(self) -> None:
        """Wait for the work under way."""
        if self._work is not None:
            await asyncio.wait([self._work])

    async def close(self) -> None:
        """End the work under way, and keep what is known of the model in use."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
            self._work = None
        self._place.close()
        if self._versions.current == self._decider.model.metadata.version:
            with contextlib.suppress(EdgeFlowError):
                self._save(self._decider.model)

    async def _learn(self, now: float) -> None:
        """Follow with the confidence, and make a candidate if there are labels for one."""
        parent, outcomes = self._decider.model, self._outcomes.all()
        again = await self._place.do(recalibrated, parent, outcomes)
        self._decider.use(again)
        if self._labels >= LEAST_NEW and self._shadow is None:
            self._labels = 0
            await self._try(again, now, outcomes)
        await self._place.do(self._save, again)

    async def _try(self, parent: Model, now: float, outcomes: list[Outcome]) -> None:
        name = self._versions.next_name()
        tried = await self._place.attempt(parent, now, name, outcomes)
        if tried is None:
            return
        made, found = tried
        self._stats.candidates += 1
        self._stats.last_comparison = found
        if found.promising:
            self._shadow = Shadow(made, now)

    async def _promote(self, shadow: Shadow) -> None:
        made = shadow.candidate
        await self._place.keep(made)
        self._versions.use(made.metadata.version)
        self._begin(made, [])
        self._stats.promotions += 1
        _log.info("model_promoted", **_told(shadow.standing()))

    async def _take_over(self) -> None:
        """Another version was put in use: somebody rolled back, or trained."""
        model = await self._place.do(self._versions.load)
        self._shadow, self._labels = None, 0
        self._begin(model, self._versions.live(model.metadata.version).outcomes)
        _log.info("model_taken_over", version=model.metadata.version)

    def _begin(self, model: Model, outcomes: Sequence[Outcome]) -> None:
        """Decide with another model, of which so much is known."""
        self._outcomes, self._in_use_since = Outcomes(outcomes), self._now()
        self._decider.use(model)

    def _save(self, model: Model) -> None:
        live = Live(calibration=model.metadata.calibration, outcomes=self._outcomes.all())
        self._versions.keep_live(model.metadata.version, live)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except EdgeFlowError as error:
        _log.error("learning_failed", error=str(error))


def _told(standing: Standing) -> dict[str, object]:
    return {
        "version": standing.version,
        "error": round(standing.error, 2),
        "parent_error": round(standing.parent_error, 2),
        "corrections": standing.corrections,
        "certainty": round(standing.certainty, 3),
    }
