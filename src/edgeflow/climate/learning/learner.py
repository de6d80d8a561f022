"""Learning from what people say, and never for the worse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edgeflow.climate.learning.confidence import TOLERANCE, Calibration, calibrate
from edgeflow.climate.learning.drift import Edges
from edgeflow.climate.learning.examples import Examples, Floats, joined, starting_examples
from edgeflow.climate.learning.labels import HELD_OUT_EVERY, Labels
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.outcomes import Evidence, Outcome
from edgeflow.climate.learning.versions import Metadata, Model

__all__ = ["SURE", "Comparison", "Learner", "certainty", "first_model", "recalibrated"]

STARTING = 1000
FIRST_EPOCHS, MORE_EPOCHS = 300, 150
HELD_OUT_SHARE = 0.3
STARTING_WEIGHT = 0.25
"""What the rule to begin with weighs in all, in labels' terms, when there are as many of them."""
TRUST = 0.5
"""How likely somebody wants what the rule to begin with says, before anybody has said anything."""
LEAST_HELD_OUT = 8
LEAST_LABELS = 20
LEAST_OUTCOMES = 60
SITUATIONS = 300
DRAWS = 2000
SURE = 0.95


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
        error, parent_error: mean distance in points. certainty: that the candidate is better.
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


class Learner:
    """Makes candidates and compares them.

    A decision that nobody changed is no label, and nothing is learnt from it. But people speak up
    only where the model in use is wrong, so labels alone flatter any other one: in what was
    accepted, a candidate pays for what it would have changed beyond the tolerance. Of both, the
    same share counts.
    """

    def __init__(self, labels: Labels, *, seed: int = 1) -> None:
        self.labels = labels
        self._seed = seed

    def candidate(
        self, parent: Model, now: float, version: str, outcomes: Sequence[Outcome] = ()
    ) -> Model | None:
        """Learn on from a model, with what was said since and a part of the rule to begin with.

        Returns None while there are too few labels. Of ``outcomes``, the parent's, what was left
        alone is for the calibration.
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
            calibration=parent.metadata.calibration,
            deciles=Edges.of(mixed.features).deciles.tolist(),
            situations=_some(known.features, self._seed),
        )
        held = self.labels.examples(now, held_out=True)
        made = Model(network, metadata)
        if len(held) < LEAST_HELD_OUT:
            return made
        return _judged(made, parent, held, _accepted(outcomes))

    def compare(
        self, candidate: Model, parent: Model, now: float, outcomes: Sequence[Outcome] = ()
    ) -> Comparison:
        """Judge a candidate by held-out labels, and by what of the parent's was accepted."""
        held = self.labels.examples(now, held_out=True)
        ours, theirs = _errors(candidate, held), _errors(parent, held)
        left = _accepted(outcomes)
        excess = np.maximum(_distance(candidate, left) - TOLERANCE, 0.0)
        return Comparison(
            error=float(ours.mean()) if len(ours) else 0.0,
            parent_error=float(theirs.mean()) if len(theirs) else 0.0,
            certainty=certainty(np.concatenate([theirs - ours, -excess]), self._seed),
            labels=len(held),
            accepted=len(excess),
        )

    def _mixed(self, known: Examples) -> Examples:
        start = starting_examples(STARTING, self._seed)
        total = STARTING_WEIGHT * float(known.weights.sum())
        weights = np.full(len(start), total / len(start))
        return joined(known, Examples(start.features, start.positions, weights))


def recalibrated(model: Model, outcomes: Sequence[Outcome]) -> Model:
    """The same network, with a confidence that follows how decisions have turned out.

    Only outcomes from after it was made count; with fewer than 60 it stays as it is.
    """
    found = Evidence.of(one for one in outcomes if one.time > model.metadata.created)
    if len(found.wanted) < LEAST_OUTCOMES:
        return model
    positions, doubt = model.doubt(found.features)
    calibration = calibrate(doubt, positions - found.wanted)
    return replace(model, metadata=msgspec.structs.replace(model.metadata, calibration=calibration))


def certainty(gains: Floats, seed: int) -> float:
    """Share of bootstrap draws in which the mean gain is above 0; 0 without any."""
    if not len(gains):
        return 0.0
    rng = np.random.default_rng(seed)
    drawn = gains[rng.integers(0, len(gains), (DRAWS, len(gains)))].mean(axis=1)
    return float((drawn > 0).mean())


def _accepted(outcomes: Sequence[Outcome]) -> Evidence:
    """Of what was left alone, as large a share as of the labels is held out."""
    return Evidence.of([one for one in outcomes if not one.corrected][::HELD_OUT_EVERY])


def _judged(made: Model, parent: Model, held: Examples, left: Evidence) -> Model:
    """The model with its error, and a confidence by held-out labels and by what was left alone.

    The former are the hard cases; the latter was right as far as anybody cared, and so is what
    differs from it by less than the tolerance.
    """
    features = np.concatenate([held.features, left.features])
    positions, doubt = made.doubt(features)
    errors = positions - np.concatenate([held.positions, left.wanted])
    metadata = msgspec.structs.replace(
        made.metadata,
        error=float(np.abs(errors[: len(held)]).mean()),
        parent_error=float(_errors(parent, held).mean()),
        calibration=calibrate(doubt, errors),
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
