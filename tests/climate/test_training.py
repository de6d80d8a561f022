"""``edgeflow train climate``: a version is written, in use only if it is better, and told about."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

import pulled
from edgeflow.cli import main
from edgeflow.climate.learning.labels import Label, Labels
from edgeflow.climate.learning.practice import Practice
from edgeflow.climate.learning.training import TrainingOptions, train
from edgeflow.climate.learning.versions import Versions
from edgeflow.climate.simulate.household import Household, HouseholdOptions
from edgeflow.climate.simulate.office import ASSET, Office
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

pytestmark = pytest.mark.timeout(600)

NOW = 1_800_000_000.0
SHORT = TrainingOptions(days=2.0, test_days=0.5, rooms=2)


def test_a_trained_version_is_in_use_and_its_report_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "climate", "--folder", str(tmp_path), "--days", "2", "--test-days", "0.5"]
    assert main([*command, "--rooms", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    versions = Versions(tmp_path / "models")
    assert versions.names() == ["v1", "v2"]
    assert told["version"] == versions.current == "v2"
    assert told["promoted"] is True
    assert told["error"] < told["error_before"] / 2
    assert [room["room"] for room in told["rooms"]] == ["room-1", "room-2"]
    assert sum(room["decisions"] for room in told["rooms"]) == sum(told["reliability"]["counts"])
    assert versions.metadata("v2").notes["learnt_from"] == "home"
    assert versions.rollback() == "v1"


def test_what_people_said_outranks_the_synthetic_home(tmp_path: Path) -> None:
    """Somebody in the real home likes what the beginning does: training may not take it away."""
    versions = Versions(tmp_path)
    model = versions.load_or_begin()
    labels, rng = Labels(tmp_path / "labels.jsonl"), np.random.default_rng(3)
    for number in range(120):
        values = np.array([rng.uniform(18, 27), rng.uniform(35, 75), rng.uniform(-65, -30)])
        liked = float(model.decide(values[None])[0][0])
        labels.add(Label(NOW - 1000.0 + number, "real", Features(*values.tolist()), liked))
    report = train(tmp_path, SHORT, lambda: NOW)
    assert report.judged_on == "people"
    assert not report.promoted
    assert report.comparison.error > report.comparison.parent_error
    assert versions.current == "v1"
    assert versions.names() == ["v1", "v2"], "it is there to look at"


def test_the_same_seed_is_the_same_life() -> None:
    def live(seed: int) -> list[Features]:
        home = Household(HouseholdOptions(rooms=2, seed=seed))
        felt = []
        for _ in range(20):
            home.advance(900.0)
            felt += [home.sensed(name) for name in home.names]
        return felt

    assert live(4) == live(4)
    assert live(4) != live(5)


def test_the_office_is_what_was_measured() -> None:
    office = Office(pulled.pulled(ASSET))
    first = office.sensed("office")
    assert (first.temperature, first.humidity) == (23.18, 27.272)
    assert office.seconds / 86_400 == pytest.approx(5.644, abs=0.001)
    office.advance(7 * 3600.0)
    assert not office.is_lived_in("office"), "one o'clock at night"
    assert office.said("office") is None
    assert office.sensed("office").sound_volume < -50


def test_the_office_teaches_through_the_service(tmp_path: Path) -> None:
    practice = Practice(Office(pulled.pulled(ASSET)), Versions(tmp_path))
    asyncio.run(practice.live(2.0 * 86_400))
    assert practice.overrides > 20
    assert practice.service.stats.labels == practice.overrides - practice.service.stats.doubted


@pytest.mark.parametrize(
    "text", ["", "time,a\n", "time,a,b,c\nx,1,2,3\n", "t,a,b,c\n2015-02-04,1,2,nan\n" * 2]
)
def test_what_is_no_series_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "series.csv"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"series\.csv"):
        Office(file)
