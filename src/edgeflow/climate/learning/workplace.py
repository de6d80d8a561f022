"""Where models learn: beside what asks them, in a thread of its process."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar

from edgeflow.climate.learning.labels import Labels
from edgeflow.climate.learning.learner import Comparison, Learner
from edgeflow.climate.learning.outcomes import Outcome
from edgeflow.climate.learning.versions import Model, Versions

__all__ = ["Attempt", "Workplace", "attempt"]

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Attempt(NamedTuple):
    """A candidate, and how it does on what neither it nor its parent learnt from."""

    candidate: Model
    comparison: Comparison


def attempt(
    labels: Labels, parent: Model, now: float, version: str, outcomes: Sequence[Outcome]
) -> Attempt | None:
    """Make a candidate and compare it; None while there are too few labels."""
    learner = Learner(labels)
    made = learner.candidate(parent, now, version)
    return Attempt(made, learner.compare(made, parent, now, outcomes)) if made else None


class Workplace:
    """Does in one thread what would hold a service up.

    Args:
        versions: where models are kept. labels: what people said.
    """

    def __init__(self, versions: Versions, labels: Labels) -> None:
        self.versions, self.labels = versions, labels
        # Always the same: what learns keeps memory of its own in each thread that it ever ran in.
        self._thread: ThreadPoolExecutor | None = None

    async def do(
        self, work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
    ) -> Found:
        """Call something that takes a moment."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="climate-learning")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *given, **named))

    async def attempt(
        self, parent: Model, now: float, version: str, outcomes: Sequence[Outcome]
    ) -> Attempt | None:
        """Learn on from a model, as ``attempt``.

        Raises:
            EdgeFlowError: it failed; nothing has changed.
        """
        return await self.do(attempt, self.labels, parent, now, version, outcomes)

    async def keep(self, model: Model) -> None:
        """Make a version of the last candidate; its metadata may have changed since.

        Raises:
            StoreError: it cannot be written, or exists.
        """
        await self.do(self.versions.add, model)

    def close(self) -> None:
        """Begin nothing any more. Idempotent."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None
