"""Learning from what people say, and never for the worse."""

from collections import deque
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edgeflow.climate.learning.confidence import TOLERANCE, Calibration, calibrate
from edgeflow.climate.learning.drift import Edges
from edgeflow.climate.learning.examples import Examples, Floats, joined, starting_examples
from edgeflow.climate.learning.labels import HELD_OUT_EVERY, Labels
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.versions import Metadata, Model

__all__ = ["Comparison", "Learner", "first_model"]

STARTING = 1000
FIRST_EPOCHS, MORE_EPOCHS = 300, 150
HELD_OUT_SHARE = 0.3
STARTING_WEIGHT = 0.25
"""What the rule to begin with weighs in all, in labels' terms, when there are as many of them."""
LEAST_HELD_OUT = 8
LEAST_LABELS = 20
LEAST_FRESH = 60
ACCEPTED = 500
DRAWS = 2000
SURE = 0.95


def first_model(now: float, *, seed: int = 1, count: int = STARTING) -> Model:
    """A model of the rule to begin with; its calibration is from examples that it did not see."""
    held, known = starting_examples(count, seed).split(HELD_OUT_SHARE, seed)
    network = WindowNetwork(known, seed=seed)
    network.learn(known, epochs=FIRST_EPOCHS, seed=seed)
    said = network.positions(held.features)
    errors = said.mean(axis=1) - held.positions
    return Model(
        network,
        Metadata(
            version="v1",
            created=now,
            error=float(np.abs(errors).mean()),
            calibration=calibrate(said.std(axis=1), network.outside(held.features), errors),
            deciles=Edges.of(known.features).deciles.tolist(),
            notes={"learnt_from": "the rule to begin with"},
        ),
    )


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
    """Makes candidates and compares them. Not thread-safe.

    A decision that nobody changed is no label, and nothing is learnt from it. But people speak up
    only where the model in use is wrong, so labels alone flatter any other one: in what was
    accepted, a candidate pays for what it would have changed beyond the tolerance. Of both, the
    same share counts.
    """

    def __init__(self, labels: Labels, *, seed: int = 1) -> None:
        self.labels = labels
        self._seed = seed
        self._accepted: deque[Floats] = deque(maxlen=ACCEPTED)

    def accept(self, features: Floats) -> None:
        """Note the features (3,) of a decision that nobody changed."""
        self._accepted.append(features)

    def candidate(self, parent: Model, now: float, version: str) -> Model | None:
        """Learn on from a model, with what was said since and a part of the rule to begin with.

        Returns None while there are too few labels.
        """
        known = self.labels.examples(now, held_out=False)
        if len(known) < LEAST_LABELS:
            return None
        network = parent.network.copy()
        network.learn(self._mixed(known), epochs=MORE_EPOCHS, seed=self._seed)
        return Model(network, self._describe(network, parent, known, now, version))

    def compare(self, candidate: Model, parent: Model, now: float) -> Comparison:
        """Judge a candidate by held-out labels and by what was accepted."""
        held = self.labels.examples(now, held_out=True)
        ours = _errors(candidate, held)
        theirs = _errors(parent, held)
        excess = self._excess(candidate, parent)
        gains = np.concatenate([theirs - ours, -excess])
        return Comparison(
            error=float(ours.mean()) if len(ours) else 0.0,
            parent_error=float(theirs.mean()) if len(theirs) else 0.0,
            certainty=_certainty(gains, self._seed),
            labels=len(held),
            accepted=len(excess),
        )

    def _mixed(self, known: Examples) -> Examples:
        start = starting_examples(STARTING, self._seed)
        total = STARTING_WEIGHT * float(known.weights.sum())
        weights = np.full(len(start), total / len(start))
        return joined(known, Examples(start.features, start.positions, weights))

    def promoted(self) -> None:
        """Forget what was accepted: it was about the model before."""
        self._accepted.clear()

    def recalibrated(self, model: Model, now: float) -> Model:
        """The same network, with a confidence that follows how it has done since it was made."""
        fresh = self.labels.since(model.metadata.created, now)
        accepted = np.stack(list(self._accepted)) if self._accepted else np.zeros((0, 3))
        if len(fresh) + len(accepted) < LEAST_FRESH:
            return model
        features = np.concatenate([fresh.features, accepted])
        wrong = model.decide(fresh.features)[0] - fresh.positions if len(fresh) else np.zeros(0)
        errors = np.concatenate([wrong, np.zeros(len(accepted))])
        calibration = _calibrated(model.network, features, errors)
        changed = msgspec.structs.replace(model.metadata, calibration=calibration)
        return replace(model, metadata=changed)

    def _describe(
        self, network: WindowNetwork, parent: Model, known: Examples, now: float, version: str
    ) -> Metadata:
        held = self.labels.examples(now, held_out=True)
        enough = len(held) >= LEAST_HELD_OUT
        errors = np.abs(network.positions(held.features).mean(axis=1) - held.positions)
        return Metadata(
            version=version,
            created=now,
            parent=parent.metadata.version,
            labels=len(known),
            error=float(errors.mean()) if enough else 0.0,
            parent_error=float(_errors(parent, held).mean()) if enough else 0.0,
            calibration=(
                self._calibration(network, parent, held) if enough else parent.metadata.calibration
            ),
            deciles=Edges.of(self._mixed(known).features).deciles.tolist(),
            notes={"held_out": len(held)},
        )

    def _calibration(self, network: WindowNetwork, parent: Model, held: Examples) -> Calibration:
        return _calibrated(network, *self._judged(network, parent, held))

    def _judged(
        self, network: WindowNetwork, parent: Model, held: Examples
    ) -> tuple[Floats, Floats]:
        """Features and errors by which to calibrate: held-out labels, and what was accepted.

        Labels alone are the hard cases. What was accepted was right as far as anybody cared, and
        so is what differs from it by less than the tolerance.
        """
        errors = network.positions(held.features).mean(axis=1) - held.positions
        accepted = self._sampled()
        if not len(accepted):
            return held.features, errors
        apart = network.positions(accepted).mean(axis=1) - parent.decide(accepted)[0]
        return np.concatenate([held.features, accepted]), np.concatenate([errors, apart])

    def _sampled(self) -> Floats:
        """Accepted features (n, 3), as many of all as labels are held out."""
        chosen = list(self._accepted)[::HELD_OUT_EVERY]
        return np.stack(chosen) if chosen else np.zeros((0, 3))

    def _excess(self, candidate: Model, parent: Model) -> Floats:
        """Points beyond the tolerance by which accepted decisions would have been others."""
        features = self._sampled()
        if not len(features):
            return np.zeros(0)
        ours, theirs = candidate.decide(features)[0], parent.decide(features)[0]
        return np.asarray(np.maximum(np.abs(ours - theirs) - TOLERANCE, 0.0), np.float64)


def _errors(model: Model, examples: Examples) -> Floats:
    if not len(examples):
        return np.zeros(0)
    return np.asarray(np.abs(model.decide(examples.features)[0] - examples.positions), np.float64)


def _calibrated(network: WindowNetwork, features: Floats, errors: Floats) -> Calibration:
    spread = network.positions(features).std(axis=1)
    return calibrate(spread, network.outside(features), errors)


def _certainty(gains: Floats, seed: int) -> float:
    """Share of bootstrap draws in which the mean gain is above 0."""
    if not len(gains):
        return 0.0
    rng = np.random.default_rng(seed)
    drawn = gains[rng.integers(0, len(gains), (DRAWS, len(gains)))].mean(axis=1)
    return float((drawn > 0).mean())
