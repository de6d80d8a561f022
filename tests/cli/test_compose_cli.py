"""``edgeflow compose``: what is written, what is kept, and what others read there."""

import subprocess
from pathlib import Path

import pytest
import yaml
from composed_files import assert_valid, read_by_others, secrets_in
from deployed_flows import HEAD, example, pipelines

from edgeflow.cli import main

FLOW = """
app = EdgeApp("flow", broker=RedisBroker())
app.add("source", Source, options={"deploy": {"environment": {"PRICE": "$(cat x) $HOME ${A}"}}})
app.add("drain", Drain, options={"deploy": {"secrets": ["API_KEY"]}})
app.link("source").to("drain", qos="durable")
"""
AWKWARD = ["1e3", "a b#c", "it's", "$HOME $$ $(x)", "a\\b", '"quoted" \\n', "two\nlines", "="]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return example(folder)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(*words: object) -> int:
    """Run the command; EdgeFlow's own sources are copied for no test but those of contexts."""
    return main(["compose", *map(str, words), "--edgeflow", "edgeflow==0.3.0"])


def test_a_folder_holds_everything_that_compose_needs(file, out, capfd):
    assert run(file, "--out", out) == 0
    said = capfd.readouterr()
    assert said.out == ""
    assert f"docker compose --file {out}/compose.yaml up" in said.err
    assert "http://localhost:30080/dashboard" in said.err
    made = yaml.safe_load((out / "compose.yaml").read_text())
    assert_valid(made)
    context = out / made["services"]["fake-camera"]["build"]["context"]
    text = (context / "Dockerfile").read_text()
    assert text.count("\nFROM ") == 2
    assert "USER 10001:10001" in text.rsplit("\nFROM ", 1)[1]
    assert (context / "project" / "main.py").read_text() == file.read_text()
    secrets = secrets_in(out / ".env")
    assert set(secrets) == {"REDIS_PASSWORD", "EDGEFLOW_TOKEN"}
    assert all(len(value) == 48 for value in secrets.values())
    assert not any(value in said.err for value in secrets.values())
    assert not list(context.rglob(".env"))


def test_the_secrets_are_the_readers_alone_and_git_leaves_them_out(file, out):
    assert run(file, "--out", out) == 0
    assert (out / ".env").stat().st_mode & 0o777 == 0o600
    subprocess.run(["git", "init", "-q", out], check=True, timeout=30)
    for name in (".env", "compose.yaml"):
        done = subprocess.run(["git", "-C", out, "check-ignore", "-q", name], check=False)
        assert (done.returncode == 0) == (name == ".env")


def test_running_it_again_changes_nothing_that_is_there(file, out, tmp_path):
    assert run(file, "--out", out) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "compose.override.yaml").write_text("services: {}\n")
    assert run(file, "--out", out) == 0
    after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert after.items() - before.items() == {(out / "compose.override.yaml", b"services: {}\n")}
    other = tmp_path / "other"
    assert run(file, "--out", other) == 0
    assert (other / "compose.yaml").read_bytes() == (out / "compose.yaml").read_bytes()
    assert (other / ".env").read_bytes() != (out / ".env").read_bytes()


def test_secrets_that_came_later_are_added_and_a_persons_own_lines_stay(file, out):
    out.mkdir()
    (out / ".env").write_text("# mine\nEDGEFLOW_TOKEN=chosen\nexport OTHER=1")
    (out / ".env").chmod(0o640)
    assert run(file, "--out", out) == 0
    lines = (out / ".env").read_text().splitlines()
    assert lines[:3] == ["# mine", "EDGEFLOW_TOKEN=chosen", "export OTHER=1"]
    assert [line.partition("=")[0] for line in lines[3:]] == ["REDIS_PASSWORD"]
    assert (out / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("value", AWKWARD)
def test_others_read_every_value_as_it_was_given(file, out, monkeypatch, value):
    file.write_text(HEAD + FLOW)
    monkeypatch.setenv("API_KEY", value)
    assert run(file, "--out", out, "--image", "me/app:1") == 0
    read = read_by_others(out / "compose.yaml")["services"]
    assert read["drain"]["environment"]["API_KEY"] == value
    assert read["source"]["environment"]["PRICE"] == "$(cat x) $HOME ${A}"
    assert "build" not in read["drain"]
    assert not (out / "image").exists()


@pytest.mark.parametrize("value", ["${X:-y}", "ends\\", "a\\\\b", "a\\'b", "a\rb"])
def test_values_that_readers_take_differently_are_refused(file, out, monkeypatch, capfd, value):
    file.write_text(HEAD + FLOW)
    monkeypatch.setenv("API_KEY", value)
    assert run(file, "--out", out, "--image", "me/app:1") == 3
    assert "API_KEY" in capfd.readouterr().err
    assert not (out / ".env").exists()


def test_secrets_that_nobody_supplied_are_asked_for(file, out, monkeypatch, capfd):
    file.write_text(HEAD + FLOW)
    monkeypatch.delenv("API_KEY", raising=False)
    for _ in range(2):
        assert run(file, "--out", out, "--image", "me/app:1") == 0
        assert "Fill in API_KEY" in capfd.readouterr().err
    assert (out / ".env").read_text().count("# API_KEY=\n") == 1
    with pytest.raises(subprocess.CalledProcessError):
        read_by_others(out / "compose.yaml")
    with (out / ".env").open("a") as env:
        env.write("API_KEY=open\n")
    read = read_by_others(out / "compose.yaml")["services"]
    assert read["drain"]["environment"]["API_KEY"] == "open"


def test_printing_writes_nothing(file, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(file, "--stdout", "--registry", "docker.io/me", "--public") == 0
    made = yaml.safe_load(capfd.readouterr().out)
    assert_valid(made)
    gateway = made["services"]["gateway"]
    assert gateway["image"].startswith("docker.io/me/test-distributed-system:")
    assert "host_ip" not in gateway["ports"][0]
    assert sorted(tmp_path.rglob("*")) == before


def test_pipelines_are_one_service(tmp_path, out, capfd):
    project = tmp_path / "project"
    project.mkdir()
    assert run(pipelines(project), "--out", out) == 0
    read = read_by_others(out / "compose.yaml")
    assert list(read["services"]) == ["machine-hall"]
    assert (
        read["services"]["machine-hall"]["environment"]["EDGEFLOW_TOKEN"]
        == (secrets_in(out / ".env")["EDGEFLOW_TOKEN"])
    )


def test_what_others_have_written_is_not_replaced(file, out, capfd):
    out.mkdir()
    (out / "compose.yaml").write_text("services: {}\n")
    assert run(file, "--out", out) == 3
    assert "was not written by edgeflow" in capfd.readouterr().err
    assert (out / "compose.yaml").read_text() == "services: {}\n"
    assert run(file, "--out", file.parent) == 3
    assert "the project itself" in capfd.readouterr().err
    assert sorted(file.parent.iterdir()) == [file]


def test_a_folder_within_the_project_is_no_part_of_the_image(file, capfd):
    out = file.parent / "compose"
    assert run(file, "--out", out) == 0
    first = (out / "compose.yaml").read_text()
    assert run(file, "--out", out) == 0
    assert (out / "compose.yaml").read_text() == first
    assert [p.name for p in (out / "image" / "project").iterdir()] == ["main.py"]


@pytest.mark.parametrize("registry", ["UPPER/x", "a b", "", "x/$(y)"])
def test_a_registry_that_is_none_is_refused_first(file, out, capfd, registry):
    assert run(file, "--out", out, "--registry", registry) == 3
    assert "is no registry" in capfd.readouterr().err
    assert not out.exists()
