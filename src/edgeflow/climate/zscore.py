"""Decisions when the last minutes differ from those of the last decision, by a week's spread."""

import math
from collections.abc import Sequence

from edgeflow.climate.triggers import FEATURES, Decision, Trigger
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features
from edgeflow.store.tables import TableStore

__all__ = ["ZscoreTrigger"]

MAX_DEVICES = 10_000
DAY = 86_400.0
_TABLES = (
    ("sensor_temperature", "value"),
    ("sensor_humidity", "value"),
    ("sensor_audio", "sound_volume"),
)
_NAMES = ("temperature_zscore", "humidity_zscore", "volume_zscore")


class ZscoreTrigger(Trigger):
    """Asks the store every so often, device by device.

    z is the mean of the last window less that of the window before the last decision, over the
    population's deviation of the baseline; without spread it is 0. A sensor without a reading in
    the window keeps its newest value of the baseline and counts as degraded; a device that has
    none at all for a feature is left alone.

    Args:
        store: holds the readings and ``inference_history``.
        every: seconds between two looks. window: seconds of a mean. baseline_days: of the spread.
        threshold: of any feature's absolute z.

    Raises:
        ConfigError: a number is not above 0.
    """

    def __init__(
        self,
        store: TableStore,
        *,
        every: float = 60.0,
        window: float = 120.0,
        baseline_days: float = 7.0,
        threshold: float = 1.5,
    ) -> None:
        if min(every, window, baseline_days, threshold) <= 0:
            raise ConfigError("trigger: a number is not above 0", hint="see the reference page")
        self._store = store
        self._every, self._window = every, window
        self._baseline, self._threshold = baseline_days * DAY, threshold
        self._devices: dict[str, None] = {}
        self._looked = -math.inf

    def take(self, device: str, feature: str, value: float, now: float) -> Decision | None:
        """Remember that there is such a device."""
        self._devices.pop(device, None)
        self._devices[device] = None
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return None

    def due(self, now: float) -> list[Decision]:
        """What the store shows to have changed, once per interval.

        Raises:
            StoreError: the store cannot be asked.
        """
        if now - self._looked < self._every:
            return []
        self._looked = now
        last = {
            row["device_id"]: float(row["timestamp"])
            for row in self._store.latest("inference_history", since=now - self._baseline)
        }
        found = [self._look(device, last.get(device), now) for device in self._devices]
        return [decision for decision in found if decision is not None]

    def _look(self, device: str, last: float | None, now: float) -> Decision | None:
        means, degraded = [], []
        for feature, (table, column) in zip(FEATURES, _TABLES, strict=True):
            mean = self._mean(device, table, column, now)
            if math.isnan(mean):
                mean = self._newest(device, table, column, now)
                degraded.append(feature)
            means.append(mean)
        if any(math.isnan(mean) for mean in means) or len(degraded) == len(FEATURES):
            return None
        reason, scores = self._compare(device, means, last, now)
        if not reason:
            return None
        return Decision(device, now, Features(*means), reason, scores, tuple(degraded))

    def _compare(
        self, device: str, means: Sequence[float], last: float | None, now: float
    ) -> tuple[str, tuple[float, float, float]]:
        none = (0.0, 0.0, 0.0)
        if last is None:
            return "first_inference", none
        before = [self._mean(device, table, column, last) for table, column in _TABLES]
        if all(math.isnan(mean) for mean in before):
            return "missing_last_data", none
        scores = [0.0, 0.0, 0.0]
        for index, (table, column) in enumerate(_TABLES):
            if math.isnan(before[index]):
                continue
            spread = self._store.aggregate(
                table, column, device=device, since=now - self._baseline, until=now
            ).deviation
            if spread > 0:
                scores[index] = (means[index] - before[index]) / spread
        reasons = [
            name
            for name, score in zip(_NAMES, scores, strict=True)
            if abs(score) >= self._threshold
        ]
        return ",".join(reasons), (scores[0], scores[1], scores[2])

    def _mean(self, device: str, table: str, column: str, until: float) -> float:
        return self._store.aggregate(
            table, column, device=device, since=until - self._window, until=until
        ).mean

    def _newest(self, device: str, table: str, column: str, now: float) -> float:
        rows = self._store.rows(
            table, device=device, since=now - self._baseline, until=now, limit=1
        )
        return float(rows[-1][column]) if rows else math.nan
