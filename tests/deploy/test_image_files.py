"""The Dockerfiles of this repository, as far as they go without an image engine."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from composed_files import assert_valid

from edgeflow.deploy.ignoring import Ignored

ROOT = Path(__file__).parents[2]
SOURCES = {".py", ".c", ".h", ".html", ".css", ".js", ".sql", ".json", ".yaml"}
DOCKERFILES = ["docker/Dockerfile", "stack/Dockerfile"]


def ignored() -> Ignored:
    """Return the rules as Docker reads them: names without ``**`` are those at the top."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return Ignored([line if line.startswith("**") else f"/{line}" for line in lines])


def copied(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("COPY ")]
    return [word for line in lines if "--from" not in line for word in line.split()[1:-1]]


@pytest.fixture(params=DOCKERFILES)
def text(request: pytest.FixtureRequest) -> str:
    return (ROOT / request.param).read_text()


def test_these_are_all_there_are():
    found = [*ROOT.glob("Dockerfile*"), *ROOT.glob("[a-z]*/Dockerfile*")]
    assert sorted(path.relative_to(ROOT).as_posix() for path in found) == DOCKERFILES


def test_what_runs_is_nobody_in_particular_and_compiles_nothing(text):
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert len(stages) == 2
    assert " AS build" in stages[0]
    last = stages[1].splitlines()
    (user,) = [number for number, line in enumerate(last) if line.startswith("USER ")]
    (entry,) = [number for number, line in enumerate(last) if line.startswith("ENTRYPOINT ")]
    assert last[user].split()[1] not in ("root", "0")
    assert user < entry
    assert not any(word in stages[1] for word in ("gcc", "apt-get", "pip download"))
    assert "--no-index" in stages[1], "the last stage installs what the first has built"


def test_everything_copied_is_there_and_not_left_out(text):
    rules = ignored()
    for name in copied(text):
        assert (ROOT / name).exists(), name
        found = [path for path in (ROOT / name).rglob("*") if path.suffix in SOURCES]
        assert found or (ROOT / name).is_file(), name
        for path in [ROOT / name, *found]:
            assert not rules(path.relative_to(ROOT).as_posix()), path


def test_what_edgeflow_is_built_from_is_copied(text):
    wanted = set(re.findall(r'root / "([^"]+)"', (ROOT / "hatch_build.py").read_text()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted |= {"pyproject.toml", "hatch_build.py", project["readme"], "src"}
    names = copied(text)
    assert all(any(f"{one}/".startswith(f"{name}/") for name in names) for one in wanted), names


def test_there_are_the_extras_it_is_built_with(text):
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        frozenset(found.split(",")) for found in re.findall(r'"(?:\.|edgeflow)\[(.*?)\]"', text)
    }
    (extras,) = named
    assert extras <= set(known)


@pytest.mark.parametrize(
    "name",
    [
        ".env", "stack/.env", "examples/x/.env.local", ".git/config", ".venv/bin/python",
        "compose/.env", "compose/image/project/main.py", "deployment/10-secret.yaml",
        "stack/mosquitto/passwords", "stack/mosquitto/devices", "stack/mosquitto/tls/ca.pem",
        "config/signing.key", "src/edgeflow/_native/core.abi3.so", "frontend/node_modules/x/y.js",
        "src/edgeflow/__pycache__/a.pyc", "firmware/core/build/x.o",
    ],
)  # fmt: skip
def test_secrets_and_rubbish_are_not_sent_to_the_engine(name):
    assert ignored()(name)


@pytest.mark.parametrize("name", ["stack/compose.yaml", "docker/docker-compose.yml"])
def test_the_schema_of_compose_files_accepts_those_that_are_not_generated(name):
    assert_valid(yaml.safe_load((ROOT / name).read_text()))
