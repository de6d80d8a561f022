"""A week in a simulated home, lived through the service: it learns, is honest, never gets worse."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeflow.climate.learning.confidence import reliability
from edgeflow.climate.learning.labels import Label, Labels, values_of
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.practice import BEGIN, Lived, Practice
from edgeflow.climate.learning.shadow import Shadow
from edgeflow.climate.learning.versions import Model, Versions
from edgeflow.climate.simulate.household import Household, HouseholdOptions
from edgeflow.climate.simulate.people import Person

pytestmark = pytest.mark.timeout(900)  # ten days of a home take their time on a busy machine

HOUR, DAY = 3600.0, 86_400.0
PERSON = Person()
ROOMS = 3


def home(person: Person | None = None, seed: int = 1) -> Household:
    return Household(HouseholdOptions(rooms=ROOMS, people=(person or PERSON,), seed=seed))


def error(decisions: list[Lived]) -> float:
    """Mean points between what was decided and what the person wanted."""
    return float(np.mean([abs(one.position - one.wanted) for one in decisions if one.lived_in]))


def truth(model: Model, decisions: list[Lived], person: Person) -> float:
    """Mean points by which a model is off in situations that were lived through."""
    seen = [one.features for one in decisions if one.lived_in]
    positions, _ = model.decide(np.stack([values_of(each) for each in seen]))
    return float(np.abs(positions - np.array([person.wants(each) for each in seen])).mean())


@dataclass(slots=True)
class Lives:
    """A home after a week, and after three more days."""

    folder: Path
    practice: Practice
    week: list[Lived]
    later: list[Lived]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    folder = tmp_path_factory.mktemp("models")
    versions = Versions(folder, exported=False)
    practice = Practice(home(), versions, labels=Labels(folder / "labels.jsonl"))
    asyncio.run(practice.live(7 * DAY))
    week = list(practice.decisions)
    asyncio.run(practice.live(3 * DAY))
    return Lives(folder, practice, week, practice.decisions[len(week) :])


def test_a_week_of_overrides_halves_the_error_at_least(lives: Lives) -> None:
    beginning, person = first_model(0.0), PERSON
    started = truth(beginning, lives.later, person)
    assert error(lives.later) < started / 2
    assert truth(lives.practice.service.model, lives.later, person) < started / 2
    assert lives.practice.service.stats.promotions >= 1


def test_confidence_keeps_what_it_promises(lives: Lives) -> None:
    told = [one for one in lives.later if one.lived_in]
    confidence = np.array([one.confidence for one in told])
    errors = np.array([one.position - one.wanted for one in told])
    found = reliability(confidence, errors)
    assert found.error < 0.05, found
    assert sum(found.counts) > 500


def test_no_promotion_was_for_the_worse(lives: Lives) -> None:
    versions, person = Versions(lives.folder), PERSON
    models = [versions.load(name) for name in versions.names()]
    errors = [truth(model, lives.week, person) for model in models]
    assert len(errors) >= 2
    for before, after in itertools.pairwise(errors):
        assert after < before, errors


def test_what_is_told_is_what_happened(lives: Lives) -> None:
    status = lives.practice.service.status
    assert status.version == Versions(lives.folder).current
    assert sum(point.decisions for point in status.curve) == status.stats.decided
    assert sum(point.corrected for point in status.curve) == lives.practice.overrides
    first, last = status.curve[:24], status.curve[-24:]
    assert sum(p.points for p in last) < sum(p.points for p in first) / 2
    assert len(status.curve) == 10 * 24 + 1
    assert status.reliability.error < 0.1
    assert msgspec.json.decode(msgspec.json.encode(status))["labels"] == status.labels > 50


def test_confidence_and_what_it_rests_on_survive_a_restart(lives: Lives) -> None:
    service, versions = lives.practice.service, Versions(lives.folder)
    features = np.stack([values_of(one.features) for one in lives.later[:200]])
    model = versions.load()
    assert np.array_equal(model.decide(features)[1], service.model.decide(features)[1])
    written = versions.metadata(model.metadata.version)
    assert model.metadata.calibration != written.calibration, "it has followed what happened"
    again = Practice(home(), versions, labels=Labels(lives.folder / "labels.jsonl"))
    assert again.service.status.labels == service.status.labels
    assert versions.live(model.metadata.version).outcomes


def test_a_damaged_calibration_gives_way_to_the_first_one(lives: Lives, tmp_path: Path) -> None:
    versions = Versions(tmp_path, exported=False)
    versions.add(lives.practice.service.model)
    name = lives.practice.service.model.metadata.version
    (tmp_path / name / "live.json").write_bytes(b'{"calibration": [')
    assert versions.load(name).metadata.calibration == versions.metadata(name).calibration


def test_every_fifth_override_a_lie_spoils_nothing(tmp_path: Path) -> None:
    versions = Versions(tmp_path, exported=False)
    practice = Practice(home(Person(lies=5)), versions)
    asyncio.run(practice.live(3 * DAY))
    honest = Person()
    errors = [truth(versions.load(name), practice.decisions, honest) for name in versions.names()]
    assert errors[-1] < errors[0] / 2, errors
    for before, after in itertools.pairwise(errors):
        assert after < before, errors
    assert practice.service.stats.doubted > 0


def test_who_was_right_once_is_overruled_in_shadow(lives: Lives, tmp_path: Path) -> None:
    """Labels of somebody else make a candidate that held-out labels call better."""
    person = Person(tinkers=0.6)
    labels = Labels()
    for number, one in enumerate(lives.week[::6]):
        contrary = 100.0 - person.wants(one.features)
        labels.add(Label(BEGIN - 600.0 + number, one.room, one.features, contrary))
    versions = Versions(tmp_path, exported=False)
    versions.add(lives.practice.service.model)
    versions.use(lives.practice.service.model.metadata.version)
    practice = Practice(home(person), versions, labels=labels)
    asyncio.run(practice.live(1.2 * DAY))
    stats = practice.service.stats
    assert stats.candidates > 0
    assert stats.dropped > 0, "it was tried on live requests"
    assert stats.promotions == 0
    assert error(practice.decisions) < 12.0


def test_a_worse_candidate_is_dropped_and_a_better_one_promoted(lives: Lives) -> None:
    model = lives.practice.service.model
    rng = np.random.default_rng(1)
    worse, better = Shadow(model, 0.0), Shadow(model, 0.0)
    for number in range(10):
        wanted = float(rng.uniform(0, 100))
        worse.corrected(number * HOUR, wanted + 20.0, wanted + 12.0, wanted)
        better.corrected(number * HOUR, wanted + 3.0, wanted + 12.0, wanted)
    assert worse.verdict(1.0) == "dropped"
    assert better.verdict(1.0) == "better"


def test_what_is_said_within_the_hour_is_no_proof(lives: Lives) -> None:
    shadow = Shadow(lives.practice.service.model, 0.0)
    for number in range(200):
        shadow.corrected(number * 60.0, 3.0, 12.0, 0.0)
    assert shadow.verdict(1.0) == "open"


def test_a_gain_too_small_to_be_sure_of_is_none(lives: Lives) -> None:
    shadow = Shadow(lives.practice.service.model, 0.0)
    for number in range(60):
        shadow.corrected(number * HOUR, 11.0, 12.0, 0.0)
        for _ in range(2):
            shadow.accepted(number * HOUR, 40.0, 40.0)
    assert shadow.verdict(1.0) == "dropped"


def test_a_candidate_that_changes_what_was_accepted_is_not_better(lives: Lives) -> None:
    shadow = Shadow(lives.practice.service.model, 0.0)
    for number in range(10):
        shadow.corrected(number * HOUR, 50.0, 62.0, 50.0)
        for _ in range(9):
            shadow.accepted(number * HOUR, 70.0, 40.0)
    assert shadow.verdict(1.0) == "dropped"


def test_a_candidate_that_is_never_proved_is_dropped(lives: Lives) -> None:
    shadow = Shadow(lives.practice.service.model, 0.0)
    verdicts = []
    for number in range(60):
        better = number % 2 == 0
        shadow.corrected(number * HOUR, 10.0 if better else 14.2, 12.0, 0.0)
        verdicts.append(shadow.verdict(1.0))
    assert "better" not in verdicts
    assert "dropped" in verdicts
    assert Shadow(lives.practice.service.model, 0.0).verdict(15 * DAY) == "dropped"


def test_a_rollback_is_taken_over_while_it_runs(lives: Lives, tmp_path: Path) -> None:
    versions = Versions(tmp_path, exported=False)
    versions.add(first_model(0.0))
    second = lives.practice.service.model
    metadata = msgspec.structs.replace(second.metadata, version="v2", parent="v1")
    versions.add(Model(second.network, metadata))
    versions.use("v2")
    practice = Practice(home(Person(speaks=0.0, tinkers=0.0)), versions)
    asyncio.run(practice.live(1800.0))
    assert practice.service.model.metadata.version == "v2"
    assert versions.rollback() == "v1"
    asyncio.run(practice.live(1800.0))
    assert practice.service.model.metadata.version == "v1"
    assert practice.decisions[-1].version == "v1"


def test_a_version_that_cannot_be_read_leaves_the_old_one_in_use(
    lives: Lives, tmp_path: Path
) -> None:
    versions = Versions(tmp_path, exported=False)
    versions.add(first_model(0.0))
    metadata = msgspec.structs.replace(lives.practice.service.model.metadata, version="v2")
    versions.add(Model(lives.practice.service.model.network, metadata))
    versions.use("v1")
    practice = Practice(home(Person(speaks=0.0, tinkers=0.0)), versions)
    (tmp_path / "v2" / "window_regressor.pth").write_bytes(b"damaged")
    versions.use("v2")
    with contextlib.suppress(ExceptionGroup):
        asyncio.run(practice.live(1800.0))
    assert practice.decisions[-1].version == "v1"
