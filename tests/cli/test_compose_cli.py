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
    assert (out / ".gitignore").read_text() == "/.env\n"


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


# --- servers beside a flow ---------------------------------------------------------------------

BROKER = "mqtt://edgeflow:${MQTT_EDGEFLOW_PASSWORD}@mosquitto:1883"
ROOMS = f"""\
version: 1
name: rooms
dashboard: {{port: 3000}}
connectors:
  - id: rooms
    type: mqtt
    url: {BROKER}
    topics: [{{filter: sensor/+/temperature, pipeline: heat}}]
pipelines:
  - {{id: heat, agents: [hot]}}
agents:
  hot: {{type: threshold, metric: celsius, threshold: 30, dispatcher: book}}
actions:
  book: {{type: log}}
"""


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    file = folder / "pipelines.yaml"
    file.write_text(ROOMS)
    return file


def test_servers_beside_a_flow_share_its_secrets_and_its_network(rooms, out):
    assert main(["compose", str(rooms), "--out", str(out), "--image", "x:1",
                 "--with", "mosquitto, grafana,prometheus"]) == 0  # fmt: skip
    written = yaml.safe_load((out / "compose.yaml").read_text())
    assert_valid(written)
    secrets = secrets_in(out / ".env")
    services = read_by_others(out / "compose.yaml")["services"]
    assert set(services) == {"rooms", "mosquitto", "grafana", "clickhouse", "prometheus"}
    password = secrets["MQTT_EDGEFLOW_PASSWORD"]
    assert services["rooms"]["environment"]["MQTT_EDGEFLOW_PASSWORD"] == password
    assert services["mosquitto"]["environment"]["MQTT_EDGEFLOW_PASSWORD"] == password
    (port,) = services["rooms"]["ports"]
    assert port["published"] == "3001", "Grafana has 3000"
    for name, one in services.items():
        assert "inside" in one["networks"], name
        assert all(str(p).startswith("127.0.0.1:") for p in one.get("ports", []) if p != port)
        for mount in [m for m in one.get("volumes", []) if isinstance(m, str)]:
            place = mount.split(":")[0]
            found = (out / place).exists() if place.startswith(".") else place in written["volumes"]
            assert found, mount
    assert set(services["clickhouse"]["networks"]) == {"inside"}
    assert (out / "stack/mosquitto/start.sh").stat().st_mode & 0o111
    assert not (out / "stack/mosquitto/tls").exists()


def test_prometheus_asks_every_node_with_the_token(file, out):
    assert main(["compose", str(file), "--out", str(out), "--image", "x:1",
                 "--with", "prometheus"]) == 0  # fmt: skip
    made = yaml.safe_load((out / "compose.yaml").read_text())
    (job,) = yaml.safe_load((out / "stack/prometheus/prometheus.yml").read_text())["scrape_configs"]
    kept = out / "token"
    assert job["authorization"] == {"credentials_file": "/tmp/token"}
    own = read_by_others(out / "compose.yaml")["services"]["prometheus"]
    words = [
        word.replace("/tmp/token", str(kept)).replace("/bin/prometheus", "echo")
        for word in [*own["entrypoint"], *own["command"]]
    ]
    said = subprocess.run(
        words, env=own["environment"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert said.split() == own["command"]
    assert kept.read_text() == secrets_in(out / ".env")["EDGEFLOW_TOKEN"]
    assert kept.stat().st_mode & 0o777 == 0o600
    (names,) = job["dns_sd_configs"]
    assert names["names"] == ["fake-camera", "gpu-processor", "gateway"]
    assert names["port"] == int(made["services"]["gateway"]["environment"]["EDGEFLOW_PROBE_PORT"])


def test_settings_that_a_person_changed_stay(rooms, out):
    words = ["compose", str(rooms), "--out", str(out), "--image", "x:1", "--with", "mosquitto"]
    assert main(words) == 0
    (out / "stack/mosquitto/acl").write_text("user edgeflow\ntopic read #\n")
    (out / "stack/mosquitto/devices").write_text("attic word\n")
    before = (out / ".env").read_bytes()
    assert main(words) == 0
    assert (out / "stack/mosquitto/acl").read_text() == "user edgeflow\ntopic read #\n"
    assert (out / "stack/mosquitto/devices").exists()
    assert (out / ".env").read_bytes() == before


def test_servers_that_there_are_not_are_refused(file, out, capfd):
    assert main(["compose", str(file), "--out", str(out), "--with", "mosquito"]) == 3
    assert "mosquitto" in capfd.readouterr().err
    assert run(file, "--out", out, "--with", "grafana") == 3
    assert "sources" in capfd.readouterr().err
    text = file.read_text().replace('name="gateway"', 'name="mosquitto"')
    file.write_text(text.replace('.to("gateway")', '.to("mosquitto")'))
    assert main(["compose", str(file), "--out", str(out), "--image", "x:1",
                 "--with", "mosquitto"]) == 3  # fmt: skip
    assert "both called 'mosquitto'" in capfd.readouterr().err
    assert not out.exists()
