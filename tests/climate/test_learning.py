"""What a model learns from, how it is compared, kept and refused."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeflow.climate.learning.confidence import Calibration, calibrate, doubt_of, reliability
from edgeflow.climate.learning.deciding import WindowDecider
from edgeflow.climate.learning.examples import Examples, starting_examples
from edgeflow.climate.learning.labels import Label, Labels, values_of
from edgeflow.climate.learning.learner import Learner, first_model
from edgeflow.climate.learning.network import WindowNetwork
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.simulate.people import Person
from edgeflow.climate.simulate.weather import situation
from edgeflow.errors import ConfigError, EngineError, StoreError
from edgeflow.protocols.climate import Features, InferenceRequest, iso_time

DAY = 86_400.0


@dataclass(slots=True)
class Home:
    """A model that somebody has taught."""

    model: Model
    person: Person
    labels: Labels


def truth(model: Model, person: Person) -> float:
    """Mean distance from what the person wants."""
    rng = np.random.default_rng(77)
    seen = [situation(hour * 3600.0, rng) for hour in range(24 * 30)]
    positions, _ = model.decide(np.stack([values_of(each) for each in seen]))
    return float(np.abs(positions - np.array([person.wants(each) for each in seen])).mean())


@pytest.fixture(scope="module")
def beginning() -> Model:
    """A model that knows only the rule to begin with."""
    return first_model(0.0, count=600)


@pytest.fixture(scope="module")
def home(beginning: Model) -> Home:
    """After four days of what is said once an hour."""
    rng, person, labels = np.random.default_rng(5), Person(), Labels()
    for number in range(400):
        features = situation(number * 900.0, rng)
        labels.add(Label(number * 900.0, f"room-{number % 4}", features, person.wants(features)))
    made = Learner(labels).candidate(beginning, 7 * DAY, "v2")
    assert made is not None
    return Home(made, person, labels)


def test_a_candidate_that_learnt_nonsense_is_not_promoted(home: Home) -> None:
    rng = np.random.default_rng(3)
    known = home.labels.examples(7 * DAY, held_out=False)
    spoilt = home.model.network.copy()
    shuffled = Examples(known.features, rng.permutation(known.positions), known.weights)
    spoilt.learn(shuffled, epochs=60, seed=1)
    found = Learner(home.labels).compare(Model(spoilt, home.model.metadata), home.model, 7 * DAY)
    assert found.error > found.parent_error
    assert not found.better


def test_the_same_model_is_not_better_than_itself(home: Home) -> None:
    assert not Learner(home.labels).compare(home.model, home.model, 7 * DAY).better


def test_nothing_is_learnt_from_a_few_labels(beginning: Model) -> None:
    labels = Labels()
    for number in range(10):
        features = situation(number * 60.0, np.random.default_rng(number))
        labels.add(Label(number * 60.0, "a", features, 50.0))
    assert Learner(labels).candidate(beginning, 600.0, "v2") is None


def test_a_poisoned_label_waits_for_a_second_one(home: Home) -> None:
    features = situation(3 * DAY, np.random.default_rng(8))
    wanted = home.person.wants(features)
    lie = 100.0 if wanted < 50.0 else 0.0
    known = len(home.labels)
    assert not home.labels.add(Label(8 * DAY, "a", features, lie))
    assert len(home.labels) == known
    assert home.labels.add(Label(8 * DAY + 1, "a", features, wanted)), "the truth is believed"
    assert home.labels.add(Label(8 * DAY + 2, "a", features, lie)), "and so is a change of mind"
    assert len(home.labels) == known + 3


def test_labels_survive_a_restart_and_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    first = Labels(path)
    for number in range(5):
        features = situation(number * 3600.0, np.random.default_rng(number))
        first.add(Label(float(number), "a", features, 10.0 * number, "ann"))
    path.write_bytes(path.read_bytes()[:-7])
    again = Labels(path)
    assert len(again) == 4
    known = again.since(-1.0, 5.0)
    assert known.positions.tolist() == [0.0, 10.0, 20.0, 30.0]


def test_a_window_that_a_person_set_is_held_over_a_restart(
    tmp_path: Path, beginning: Model
) -> None:
    path, now = tmp_path / "labels.jsonl", 10_000.0
    mild = Features(22.0, 50.0, -50.0)
    Labels(path).add(Label(now - 1000.0, "attic", mild, 90.0))
    Labels(path).add(Label(now - 2000.0, "cellar", mild, 90.0))
    decider = WindowDecider(beginning, now=lambda: now)
    decider.recall(Labels(path))
    told = {
        device: decider.decide(
            InferenceRequest(
                device_id=device,
                timestamp=iso_time(now),
                temperature=22.0,
                humidity=50.0,
                sound_volume=-50.0,
            )
        )
        for device in ("attic", "cellar")
    }
    assert (told["attic"].position, told["attic"].rule) == (90.0, "held")
    assert told["cellar"].rule == ""


def test_lies_told_once_do_not_move_the_model(home: Home) -> None:
    """One lie in twenty labels, each about another situation."""
    rng, labels = np.random.default_rng(4), Labels()
    for number in range(800):
        features = situation(number * 900.0, rng)
        wanted = home.person.wants(features)
        lies = number % 20 == 10
        position = (100.0 if wanted < 50.0 else 0.0) if lies else wanted
        labels.add(Label(number * 900.0, "a", features, position))
    made = Learner(labels).candidate(home.model, 9 * DAY, "v99")
    assert made is not None
    assert truth(made, home.person) < 2 * truth(home.model, home.person)


def test_the_same_seed_makes_the_same_model(beginning: Model) -> None:
    features = starting_examples(5, seed=4).features
    again = first_model(0.0, count=600)
    assert np.array_equal(again.network.positions(features), beginning.network.positions(features))


def test_examples_must_fit_and_be_finite() -> None:
    with pytest.raises(ConfigError, match="three features"):
        Examples(np.zeros((2, 2)), np.zeros(2), np.ones(2))
    with pytest.raises(ConfigError, match="finite"):
        Examples(np.full((2, 3), np.nan), np.zeros(2), np.ones(2))


def test_confidence_falls_with_doubt_and_far_from_what_is_known() -> None:
    rng = np.random.default_rng(1)
    spread, near = rng.uniform(0, 20, 2000), np.array([[20.0, 50.0, -50.0]] * 5)
    errors = rng.normal(0, 1, 2000) * (2 + spread)
    found = calibrate(spread, errors)
    sure = found.confidence(np.array([1.0, 10.0, 18.0]))
    assert sure[0] > sure[1] > sure[2]
    places = np.array([[20.0, 50.0, -50.0], [40.0, 50.0, -50.0]])
    here, there = found.confidence(doubt_of(np.array([1.0, 1.0]), places, near))
    assert here == sure[0]
    assert there < sure[2]


def test_a_few_answers_do_not_upset_what_is_usual() -> None:
    usual = Calibration([1.0, 10.0], [0.9, 0.5])
    wrong = calibrate(np.linspace(1.0, 10.0, 5), np.full(5, 50.0)).mixed(usual, 5)
    many = calibrate(np.linspace(1.0, 10.0, 500), np.full(500, 50.0)).mixed(usual, 500)
    at = np.array([1.0, 10.0])
    assert (wrong.confidence(at) > [0.7, 0.4]).all()
    assert (many.confidence(at) < 0.05).all()


def test_reliability_compares_promises_with_what_was_kept() -> None:
    confidence = np.array([0.95] * 10 + [0.15] * 10)
    errors = np.array([0.0] * 9 + [30.0] + [0.0] * 5 + [30.0] * 5)
    found = reliability(confidence, errors)
    assert found.counts == [10, 10]
    assert found.kept == [0.5, 0.9]
    assert found.error == pytest.approx(0.2)


def test_versions_are_written_once_and_roll_back(tmp_path: Path, beginning: Model) -> None:
    versions = Versions(tmp_path / "models")
    assert versions.current is None
    versions.add(beginning)
    versions.use("v1")
    second = Model(
        beginning.network.copy(),
        msgspec.structs.replace(beginning.metadata, version="v2", parent="v1"),
    )
    versions.add(second)
    versions.use("v2")
    features = starting_examples(5).features
    assert np.array_equal(versions.load().decide(features)[1], beginning.decide(features)[1])
    assert versions.rollback() == "v1"
    with pytest.raises(StoreError, match="nothing is before"):
        versions.rollback()
    with pytest.raises(StoreError, match="written once"):
        versions.add(second)
    with pytest.raises(StoreError, match="v9"):
        versions.use("v9")


def test_there_is_nothing_before_the_first_version(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no versions yet"):
        Versions(tmp_path / "models").rollback()


def test_a_damaged_model_is_refused(tmp_path: Path, beginning: Model) -> None:
    versions = Versions(tmp_path)
    versions.add(beginning)
    weights = tmp_path / "v1" / "window_regressor.pth"
    whole = weights.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + bytes(100)):
        weights.write_bytes(damaged)
        with pytest.raises(EngineError, match="window_regressor"):
            versions.load("v1")
    (tmp_path / "v1" / "metadata.json").write_bytes(b"{")
    weights.write_bytes(whole)
    with pytest.raises(EngineError, match="metadata"):
        versions.load("v1")


def test_the_exported_program_says_the_same(tmp_path: Path, beginning: Model) -> None:
    from edgeflow.inference.engines.open import open_engine

    beginning.network.save(tmp_path / "w.pth", tmp_path / "m.pt2")
    features = starting_examples(3).features
    engine = open_engine(tmp_path / "m.pt2")
    try:
        (answer,) = engine.infer({"features": features.astype(np.float32)}).values()
    finally:
        engine.close()
    assert np.allclose(answer, beginning.network.positions(features), atol=1e-3)


def test_a_network_of_other_weights_is_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(EngineError, match="train the model anew"):
        WindowNetwork.load(tmp_path / "w.pth")
