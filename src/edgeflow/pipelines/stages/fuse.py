"""Stages that make one message of what several sensors said: ``fuse.by_time``."""

import math
import threading
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from edgeflow.errors import PipelineError
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.base import Prepared

__all__ = ["by_time"]

MAX_SENSES = 32
BACK_SECONDS = 5.0
KEPT = 256
"""Samples of a sense that wait for their moment; the oldest go first."""


class Sense(BaseModel):
    """One of the things that are known of a moment.

    Attributes:
        pipeline: whose results these are; ``*`` and ``?`` match several.
        sensor: whose messages; likewise.
        keys: what is kept of a result; all of it if not given.
        max_age_s: a sample that is older at the moment of fusion counts as missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str = "*"
    sensor: str = "*"
    keys: list[str] | None = Field(default=None, max_length=256)
    max_age_s: float = Field(default=5.0, gt=0, le=86400)


class TimeFusion:
    """Samples of several senses, by the time at which they were taken. Not thread-safe.

    Args:
        senses: by name.
        kept: samples of each that are held.
    """

    def __init__(self, senses: Mapping[str, Sense], kept: int = KEPT) -> None:
        self._senses = dict(senses)
        self._kept = kept
        self._samples: dict[str, list[tuple[float, int, dict[str, Any]]]] = {
            name: [] for name in senses
        }
        self._count = 0

    @property
    def newest(self) -> float:
        """When the newest sample of all was taken; minus infinity before the first."""
        return max((each[-1][0] for each in self._samples.values() if each), default=-math.inf)

    def add(self, sense: str, at: float, values: Mapping[str, Any]) -> None:
        """Take a sample in; it may come late."""
        kept, keys = self._samples[sense], self._senses[sense].keys
        chosen = values if keys is None else {key: values[key] for key in keys if key in values}
        self._count += 1
        insort(kept, (at, self._count, dict(chosen)))
        del kept[: -self._kept]

    def at(self, moment: float) -> dict[str, Any]:
        """Return what was known at a moment: of each sense the newest sample until then.

        Returns:
            ``time``, the senses by name, ``ages`` in seconds by name, and ``missing``: those of
            which there is nothing that is young enough.
        """
        found: dict[str, Any] = {}
        ages: dict[str, float] = {}
        for name, kept in self._samples.items():
            index = bisect_right(kept, moment, key=lambda sample: sample[0]) - 1
            if index < 0 or moment - kept[index][0] > self._senses[name].max_age_s:
                continue
            ages[name] = round(moment - kept[index][0], 3)
            found[name] = kept[index][2]
        missing = [name for name in self._senses if name not in found]
        return {"time": moment, **found, "ages": ages, "missing": missing}

    def forget(self, moment: float) -> None:
        """Let go of what no question about this moment or a later one needs."""
        for kept in self._samples.values():
            index = bisect_right(kept, moment, key=lambda sample: sample[0]) - 1
            del kept[: max(0, index)]


class by_time:  # noqa: N801 - the YAML names it as a stage
    """Makes a message of what several senses said of the same moment.

    A preprocessor of a pipeline that others lead to with ``then``. Its messages come from sensor
    ``name``, at even steps of the sensors' own time, ``lateness_s`` after the moment they tell of:
    that long a slow sense is waited for. A time stamp in the future counts as now.

    Args:
        senses: by name: ``pipeline``, ``sensor``, ``keys``, ``max_age_s``.
        name: of the sensor that the messages seem to come from.
        every_s: seconds between two messages.
        lateness_s: how long slow senses are waited for.
    """

    needs_model: ClassVar = False

    def __init__(
        self,
        *,
        senses: Annotated[dict[str, Sense], Field(min_length=1, max_length=MAX_SENSES)],
        name: Annotated[str, Field(min_length=1, max_length=200)] = "fusion",
        every_s: Annotated[float, Field(gt=0, le=3600)] = 1.0,
        lateness_s: Annotated[float, Field(ge=0, le=60)] = 0.5,
    ) -> None:
        taken = {"time", "ages", "missing"} & {*senses}
        if taken:
            raise PipelineError(f"no sense is called {min(taken)!r}", hint="choose another name")
        self._senses, self._name = senses, name
        self._every, self._lateness = every_s, lateness_s
        self._fusion = TimeFusion(senses)
        self._told = -math.inf
        self._lock = threading.Lock()
        self._now: Callable[[], float] = time.time

    def __call__(self, message: EdgeMessage, payload: Any) -> Prepared | None:
        """Take a result in; return what is known when the next moment has come.

        Raises:
            PipelineError: the message is no result that consists of named values.
        """
        if not isinstance(payload, Mapping):
            raise PipelineError(
                f"{type(payload).__name__} has no named values",
                hint="let pipelines with a result lead here by 'then:'",
            )
        with self._lock:
            now = self._now()
            if now < self._told - BACK_SECONDS:  # the clock was set back: begin anew
                self._fusion, self._told = TimeFusion(self._senses), -math.inf
            at = min(message.timestamp, now)
            for name in self._matching(message):
                self._fusion.add(name, at, payload)
            moment = self._fusion.newest - self._lateness
            if not math.isfinite(moment) or moment < self._told + self._every:
                return None
            steps = math.floor(moment / self._every)
            self._told = moment = max(steps * self._every, self._told + self._every)
            known = self._fusion.at(moment)
            self._fusion.forget(moment)
        if len(known["missing"]) == len(self._senses):
            return None
        fused = EdgeMessage(
            sensor_id=self._name,
            payload=known,
            timestamp=moment,
            received=message.received,
        )
        return Prepared({}, message=fused)

    def _matching(self, message: EdgeMessage) -> list[str]:
        pipeline = str(message.metadata.get("pipeline", ""))
        return [
            name
            for name, sense in self._senses.items()
            if fnmatchcase(pipeline, sense.pipeline)
            and fnmatchcase(message.sensor_id, sense.sensor)
        ]
