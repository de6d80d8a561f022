"""How right decisions were, by what people did after them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgeflow.climate.dashboard.decisions import following, preceding
from edgeflow.climate.learning.confidence import TOLERANCE, reliability
from edgeflow.climate.learning.examples import Floats
from edgeflow.core.climate import NAN, Reliability

__all__ = ["Judged", "correlations", "judge", "kept_promises"]

Rows = Sequence[Mapping[str, Any]]
JUDGED_SECONDS = 600.0
"""How long after a decision a person's word is about it."""


class Judged(NamedTuple):
    """Overrides beside the decision before each.

    Attributes:
        times: of the overrides. errors: points between both.
    """

    times: list[float]
    errors: list[float]

    @property
    def mean(self) -> float:
        """Points, NaN without an override."""
        return float(np.mean(self.errors)) if self.errors else NAN

    @property
    def within(self) -> float:
        """The share within the tolerance, NaN without an override."""
        return float(np.mean(np.array(self.errors) <= TOLERANCE)) if self.errors else NAN


def judge(actions: Rows, overrides: Rows) -> Judged:
    """Compare each override with the newest decision of its device before it, if there is one."""
    found = preceding(actions, overrides)
    return Judged(
        [override["timestamp"] for _, override in found],
        [abs(override["position"] - actions[at]["position"]) for at, override in found],
    )


def kept_promises(actions: Rows, overrides: Rows, now: float) -> Reliability:
    """Confidence beside what came of it.

    An override within ten minutes judges the decision just before it; a decision with none in the
    ten minutes after it was right. Others are not judged: somebody objected to a later one, or a
    safety rule decided instead of the model.
    """
    objected = _objected(actions, overrides)
    wanted = {
        at: position for at, position in following(actions, overrides).items() if at in objected
    }
    confidences, errors = [], []
    for at, action in enumerate(actions):
        if action["rule"]:
            continue
        if at in wanted:
            errors.append(wanted[at] - action["position"])
        elif at not in objected and now - action["timestamp"] >= JUDGED_SECONDS:
            errors.append(0.0)
        else:
            continue
        confidences.append(action["confidence"])
    known = np.isfinite(confidences) & np.isfinite(errors)
    found = reliability(np.array(confidences)[known], np.array(errors)[known])
    return Reliability(
        promised=found.promised, kept=found.kept, counts=found.counts, error=found.error
    )


def _objected(actions: Rows, overrides: Rows) -> set[int]:
    """The places of actions within ten minutes after which somebody set the window."""
    coming: dict[str, float] = {}
    left = list(overrides)
    found = set()
    for at in range(len(actions) - 1, -1, -1):
        time, device = actions[at]["timestamp"], actions[at]["device_id"]
        while left and left[-1]["timestamp"] >= time:
            override = left.pop()
            coming[override["device_id"]] = override["timestamp"]
        if coming.get(device, float("inf")) - time < JUDGED_SECONDS:
            found.add(at)
    return found


def correlations(columns: Mapping[str, Floats], position: Floats) -> dict[str, float]:
    """Pearson's correlation of each column with the position; NaN where one does not vary."""
    return {name: _correlation(values, position) for name, values in columns.items()}


def _correlation(values: Floats, position: Floats) -> float:
    known = np.isfinite(values) & np.isfinite(position)
    one, other = values[known], position[known]
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return NAN
    return float(np.corrcoef(one, other)[0, 1])
