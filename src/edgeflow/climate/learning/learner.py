"""Learning from what people say, and never for the worse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edgeflow.climate.learning.confidence import Calibration, calibrate
from edgeflow.climate.learning.drift import Edges
from edgeflow.climate.learning.examples import Examples, Floats, joined, starting_examples
from edgeflow.climate.learning.gains import SURE, certainty, cost_of_change
from edgeflow.climate.learning.labels import HELD_OUT_EVERY, Labels
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.outcomes import Evidence, Outcome
from edgeflow.climate.learning.versions import Metadata, Model

__all__ = ["Comparison", "Learner", "first_model", "recalibrated"]

STARTING, REMEMBERED = 1000, 300
"""Examples of the rule to begin with: for a first model, and among labels."""
FIRST_EPOCHS, MORE_EPOCHS = 300, 150
HELD_OUT_SHARE = 0.3
STARTING_WEIGHT = 0.25
"""What the rule to begin with weighs in all, in labels' terms, when there are as many of them."""
TRUST = 0.5
"""How likely somebody wants what the rule to begin with says, before anybody has said anything."""
USUAL = Calibration([1.0, 5.0, 8.0, 12.0, 20.0], [0.95, 0.9, 0.8, 0.6, 0.3])
"""What is believed of a model that learnt from people, before its own decisions tell more."""
LEAST_HELD_OUT = 8
LEAST_LABELS = 20
PROMISING = 0.9
SITUATIONS = 300


def first_model(now: float, *, seed: int = 1, count: int = STARTING) -> Model:
    """A model of the rule to begin with; its calibration is from examples that it did not see."""
    held, known = starting_examples(count, seed).split(HELD_OUT_SHARE, seed)
    network = WindowNetwork(known, seed=seed)
    network.learn(known, epochs=FIRST_EPOCHS, seed=seed)
    metadata = Metadata(
        version="v1",
        created=now,
        deciles=Edges.of(known.features).deciles.tolist(),
        situations=_some(known.features, seed),
        notes={"learnt_from": "the rule to begin with"},
    )
    positions, doubt = Model(network, metadata).doubt(held.features)
    errors = positions - held.positions
    found = calibrate(doubt, errors)
    trusted = Calibration(found.doubts, [TRUST * share for share in found.shares])
    error = float(np.abs(errors).mean())
    return Model(network, msgspec.structs.replace(metadata, calibration=trusted, error=error))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the model in use, on labels that neither learnt from.

    Attributes:
        error, parent_error: mean distance in points. certainty: that the candidate is better by
            ``LEAST_GAIN`` points.
        labels, accepted: how many labels, and decisions that nobody changed, it rests on.
    """

    error: float
    parent_error: float
    certainty: float
    labels: int
    accepted: int

    @property
    def better(self) -> bool:
        """Better for certain, as far as certain goes."""
        return self.labels >= LEAST_HELD_OUT and self.certainty >= SURE

    @property
    def promising(self) -> bool:
        """Worth a trial on live requests, which prove it or not."""
        return self.labels >= LEAST_HELD_OUT and self.certainty >= PROMISING


class Learner:
    """Makes candidates and compares them.

    A decision that nobody changed is no label, and nothing is learnt from it. But people speak up
    only where the model in use is wrong, so labels alone flatter any other one: in what was
    accepted, a candidate pays for what it would have changed. Of both, the same share counts.
    """

    def __init__(self, labels: Labels, *, seed: int = 1) -> None:
        self.labels = labels
        self._seed = seed

    def candidate(self, parent: Model, now: float, version: str) -> Model | None:
        """Learn on from a model, with what was said since and a part of the rule to begin with.

        Returns None while there are too few labels.
        """
        known = self.labels.examples(now, held_out=False)
        if len(known) < LEAST_LABELS:
            return None
        network = parent.network.copy()
        mixed = self._mixed(known)
        network.learn(mixed, epochs=MORE_EPOCHS, seed=self._seed)
        metadata = Metadata(
            version=version,
            created=now,
            parent=parent.metadata.version,
            labels=len(known),
            calibration=USUAL,
            deciles=Edges.of(mixed.features).deciles.tolist(),
            situations=_some(known.features, self._seed),
        )
        held = self.labels.examples(now, held_out=True)
        made = Model(network, metadata)
        if len(held) < LEAST_HELD_OUT:
            return made
        return _judged(made, parent, held)

    def compare(
        self, candidate: Model, parent: Model, now: float, outcomes: Sequence[Outcome] = ()
    ) -> Comparison:
        """Judge a candidate by held-out labels, and by what of the parent's was accepted."""
        held, said_at = self.labels.held_out(now)
        ours, theirs = _errors(candidate, held), _errors(parent, held)
        left = _accepted(outcomes)
        costs = cost_of_change(_distance(candidate, left))
        gains = np.concatenate([theirs - ours, -costs])
        times = np.concatenate([said_at, left.times])
        return Comparison(
            error=float(ours.mean()) if len(ours) else 0.0,
            parent_error=float(theirs.mean()) if len(theirs) else 0.0,
            certainty=certainty(gains, times, self._seed),
            labels=len(held),
            accepted=len(costs),
        )

    def _mixed(self, known: Examples) -> Examples:
        start = starting_examples(REMEMBERED, self._seed)
        total = STARTING_WEIGHT * float(known.weights.sum())
        weights = np.full(len(start), total / len(start))
        return joined(known, Examples(start.features, start.positions, weights))


def recalibrated(model: Model, outcomes: Sequence[Outcome]) -> Model:
    """The same network, with a confidence that follows how decisions have turned out.

    Only outcomes from after it was made count, and the less the fewer they are.
    """
    found = Evidence.of(one for one in outcomes if one.time > model.metadata.created)
    if not len(found.wanted):
        return model
    prior = model.metadata.prior or model.metadata.calibration
    positions, doubt = model.doubt(found.features)
    calibration = calibrate(doubt, positions - found.wanted).mixed(prior, len(doubt))
    metadata = msgspec.structs.replace(model.metadata, calibration=calibration, prior=prior)
    return replace(model, metadata=metadata)


def _accepted(outcomes: Sequence[Outcome]) -> Evidence:
    """Of what was left alone, as large a share as of the labels is held out."""
    left = [one for one in outcomes if one.heard and not one.corrected]
    return Evidence.of(left[::HELD_OUT_EVERY])


def _judged(made: Model, parent: Model, held: Examples) -> Model:
    """The model with its error on held-out labels.

    They say little about confidence: people speak up about the hard cases.
    """
    metadata = msgspec.structs.replace(
        made.metadata,
        error=float(_errors(made, held).mean()),
        parent_error=float(_errors(parent, held).mean()),
        notes={"held_out": len(held)},
    )
    return replace(made, metadata=metadata)


def _some(features: Floats, seed: int) -> list[list[float]]:
    chosen = np.random.default_rng(seed).permutation(len(features))[:SITUATIONS]
    kept: list[list[float]] = np.round(features[np.sort(chosen)], 2).tolist()
    return kept


def _distance(model: Model, found: Evidence) -> Floats:
    """Points between what a model says and what was wanted: (n,)."""
    if not len(found.wanted):
        return np.zeros(0)
    return np.asarray(np.abs(model.decide(found.features)[0] - found.wanted), np.float64)


def _errors(model: Model, examples: Examples) -> Floats:
    if not len(examples):
        return np.zeros(0)
    return np.asarray(np.abs(model.decide(examples.features)[0] - examples.positions), np.float64)
