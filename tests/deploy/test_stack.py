"""The stack's files, as far as they go without Docker: Compose, the broker's rules, the image."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mqtt_brokers
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.comms.mqtt.options import MqttOptions as Options
from edgeflow.comms.mqtt.options import TlsOptions
from edgeflow.security.authority import Authority
from edgeflow.security.broker_users import PasswordFile
from edgeflow.store.clickhouse_client import ClickHousePlace

STACK = Path(__file__).parents[2] / "stack"
SECONDS = 30.0
USERS = ("backend", "ml", "edgeflow", "operator")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((STACK / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def example() -> dict[str, str]:
    lines = (STACK / ".env.example").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def filled(text: str) -> str:
    """What Compose makes of a text, with ``s3cret`` for each password."""
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*)|:\?)?\}", lambda found: example()[found[1]] or "s3cret", text
    )


def test_every_variable_is_in_the_example_and_every_secret_is_asked_for() -> None:
    text = (STACK / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used == set(example())
    secrets = {name for name in used if name.endswith("PASSWORD")}
    assert len(secrets) == 7
    for name in secrets:
        assert example()[name] == "", "an example must not be a password"
        assert set(re.findall(rf"\$\{{{name}([^}}]*)\}}", text)) == {":?"}


def test_services_are_in_profiles_healthy_and_on_this_machine_only(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for profile, wanted in (
        ("dev", {"mosquitto", "edgeflow"}),
        ("prod", {"mosquitto-tls", "backend", "ml"}),
    ):
        found = {name for name, each in services.items() if profile in each["profiles"]}
        assert found == {"clickhouse", "prometheus", "grafana"} | wanted
    for name, each in services.items():
        assert each.get("healthcheck") or each.get("build"), name
        assert all(filled(port).startswith("127.0.0.1:") for port in each.get("ports", [])), name
        assert not str(each["image"]).endswith(":latest"), name
        for other in each.get("depends_on", {}):
            assert "healthcheck" in services[other]
            assert set(each["profiles"]) <= set(services[other]["profiles"])
    assert "ports" not in services["clickhouse"]
    assert compose["networks"]["data"]["internal"] is True
    assert "field" not in services["clickhouse"]["networks"]


def test_what_is_mounted_exists(compose: dict[str, Any]) -> None:
    volumes = [
        volume for each in compose["services"].values() for volume in each.get("volumes", [])
    ]
    made = [volume for volume in volumes if not isinstance(volume, str)]
    for volume in made:
        assert volume["source"] == "./mosquitto/tls/ca.pem", "made by edgeflow devices certificates"
        assert volume["bind"] == {"create_host_path": False}
    mounts = [volume.split(":") for volume in volumes if isinstance(volume, str)]
    for source, *_ in mounts:
        if source.startswith("."):
            assert (STACK / source).exists(), source
        else:
            assert source in compose["volumes"], source


@pytest.mark.parametrize("role", ["edgeflow", "backend", "ml"])
def test_roles_are_started_with_options_that_there_are(compose: dict[str, Any], role: str) -> None:
    own = compose["services"][role]
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", (STACK / "Dockerfile").read_text(), re.M)
    assert entry is not None
    words = json.loads(entry[1]) + own["command"]
    program = str(Path(sys.executable).with_name("edgeflow"))
    said = subprocess.run(
        [program, *(filled(word) for word in words[1:]), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        env={"COLUMNS": "200", "TERM": "dumb"},
    ).stdout
    for word in words:
        assert not word.startswith("--") or word in said, word
    for name in own["environment"]:
        assert not name.startswith("EDGEFLOW_CLIMATE") or name in said, name
    broker = Options.from_url(filled(own["environment"]["EDGEFLOW_CLIMATE_BROKER"]))
    assert (broker.host, broker.username, broker.password) == ("mosquitto", role, "s3cret")
    if role == "edgeflow":
        assert (broker.port, broker.tls) == (1883, None)
    else:
        assert (broker.port, broker.tls) == (8883, TlsOptions(ca="/tls/ca.pem"))
        assert compose["x-authority"] in own["volumes"]
    place = ClickHousePlace.from_url(filled(own["environment"]["EDGEFLOW_CLIMATE_STORE"]))
    assert (place.host, place.port, place.database) == ("clickhouse", 8123, "iot")
    assert (place.user, place.keep_days) == ("edgeflow", 400)


def test_prometheus_asks_where_roles_answer(compose: dict[str, Any]) -> None:
    jobs = yaml.safe_load((STACK / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    (names,) = jobs[0]["dns_sd_configs"]
    assert set(names["names"]) <= set(compose["services"])
    assert compose["services"]["edgeflow"]["networks"]["data"]["aliases"] == ["backend"]
    assert f'"--metrics-port", "{names["port"]}"' in (STACK / "Dockerfile").read_text()


class Stack(mqtt_brokers.Broker):
    """The stack's own script, configuration and rules, on a free port of this machine."""

    @property
    def config(self) -> Path:
        """Where its configuration is."""
        return self.folder / "config"

    def command(self) -> list[str]:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: apt-get install --yes mosquitto")
        config, run = self.config, self.folder / "run"
        shutil.copytree(STACK / "mosquitto", config, dirs_exist_ok=True)
        (config / "devices").write_text("# rooms\nattic one-word\nbedroom two-words\n\n")
        text = (config / "mosquitto.conf").read_text()
        text = text.replace("listener 1883", f"listener {self.port} 127.0.0.1\nuser root")
        for known, own in (("config", config), ("run", run), ("data", self.folder)):
            text = text.replace(f"/mosquitto/{known}/", f"{own}/")
        assert "/mosquitto/" not in text.replace(str(self.folder), "")
        (config / "mosquitto.conf").write_text(text)
        passwords = [f"MQTT_{name.upper()}_PASSWORD={name}-secret" for name in USERS]
        places = [f"MOSQUITTO_CONFIG={config}", f"MOSQUITTO_RUN={run}"]
        path = "PATH=/usr/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"
        if self.tls:
            shutil.copytree(self.tls, config / "tls", dirs_exist_ok=True)
            places += ["MQTT_TLS=1", f"MQTT_TLS_PORT={self.port} 127.0.0.1"]
        return ["env", path, *places, *passwords, str(config / "start.sh")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


DEVICES = {"attic": "one-word", "bedroom": "two-words"}


def client(broker: Stack, user: str, password: str = "") -> MqttClient:
    given = password or DEVICES.get(user, f"{user}-secret")
    return MqttClient(MqttOptions.from_url(broker.url, username=user, password=given))


async def heard(
    broker: Stack, listener: str, pattern: str, said: list[tuple[str, str]]
) -> set[tuple[str, str]]:
    """What a user hears of what others say, by who said it and where; the last is heard."""
    found = set()
    async with client(broker, listener) as own:
        await own.wait_connected(SECONDS)
        await own.subscribe(pattern, qos=1)
        for user, topic in said:
            async with client(broker, user) as speaker:
                await speaker.wait_connected(SECONDS)
                await speaker.publish(topic, user.encode(), qos=1)
        async with asyncio.timeout(SECONDS):
            async for message in own.messages():
                found.add((message.payload.decode(), message.topic))
                if said[-1] in found:
                    break
    return found


@pytest.mark.parametrize(
    ("listener", "pattern", "said"),
    [
        (
            "backend",
            "sensor/+/+",
            [
                ("attic", "sensor/bedroom/temperature"),
                ("operator", "sensor/attic/temperature"),
                ("attic", "sensor/attic/humidity"),
            ],
        ),
        (
            "bedroom",
            "window/bedroom/control",
            [
                ("attic", "window/bedroom/control"),
                ("operator", "window/bedroom/control"),
                ("backend", "window/bedroom/control"),
                ("ml", "window/bedroom/control"),
            ],
        ),
        (
            "ml",
            "ml/inference/request/#",
            [
                ("attic", "ml/inference/request/attic"),
                ("backend", "ml/inference/request/bedroom"),
            ],
        ),
        (
            "operator",
            "device/+/alert",
            [
                ("attic", "device/attic/alert"),
                ("operator", "device/attic/alert"),
                ("backend", "device/attic/alert"),
            ],
        ),
        (
            "edgeflow",
            "window/+/override",
            [
                ("ml", "window/attic/override"),
                ("bedroom", "window/bedroom/override"),
                ("operator", "window/hall/override"),
            ],
        ),
    ],
)
def test_only_the_last_may_say_it(
    broker: Stack, listener: str, pattern: str, said: list[tuple[str, str]]
) -> None:
    assert asyncio.run(heard(broker, listener, pattern, said)) == {said[-1]}


def test_nobody_comes_in_without_the_right_password(broker: Stack) -> None:
    async def enter(user: str, password: str, seconds: float = 1.0) -> bool:
        async with client(broker, user, password) as own:
            try:
                await own.wait_connected(seconds)
            except Exception:
                return False
            return True

    assert asyncio.run(enter("attic", "one-word", SECONDS))
    assert not asyncio.run(enter("attic", "two-words"))
    assert not asyncio.run(enter("cellar", "one-word"))
    kept = (broker.folder / "run" / "passwords").read_text()
    assert "one-word" not in kept, "only hashes are kept"
    assert not (broker.folder / "run" / "plain").exists()


def test_production_speaks_tls_only_and_knows_issued_credentials(tmp_path: Path) -> None:
    Authority(tmp_path / "tls").issue("server", ["127.0.0.1"])
    secured = Stack(tmp_path / "stack", tls=tmp_path / "tls")
    secret = PasswordFile(secured.config / "passwords").issue(["cellar"])["cellar"]
    ca = TlsOptions(ca=str(tmp_path / "tls" / "ca.pem"))

    async def enter(user: str, password: str, tls: TlsOptions | None, seconds: float) -> bool:
        options = MqttOptions(
            host="127.0.0.1", port=secured.port, username=user, password=password, tls=tls
        )
        async with MqttClient(options) as own:
            try:
                await own.wait_connected(seconds)
            except Exception:
                return False
            await own.publish(f"sensor/{user}/temperature", b"20", qos=1, timeout=SECONDS)
            return True

    with secured:
        assert asyncio.run(enter("cellar", secret, ca, SECONDS))
        assert asyncio.run(enter("attic", "one-word", ca, SECONDS))
        assert not asyncio.run(enter("cellar", "other", ca, 1.0))
        assert not asyncio.run(enter("cellar", secret, None, 1.0))
        assert not asyncio.run(enter("cellar", secret, TlsOptions(), 1.0)), "of whom nobody knows"


@pytest.mark.parametrize("line", ["backend x", "a/b x", "attic", "attic one two", "+ x"])
def test_lists_of_devices_with_mistakes_are_refused(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "devices").write_text(line + "\n")
    environment = {f"MQTT_{name.upper()}_PASSWORD": "x" for name in USERS}
    places = {"MOSQUITTO_CONFIG": str(config), "MOSQUITTO_RUN": str(tmp_path / "run")}
    done = subprocess.run(
        [STACK / "mosquitto" / "start.sh"],
        env={"PATH": "/usr/bin:/bin"} | places | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("devices: ")


def test_no_password_no_broker(tmp_path: Path) -> None:
    done = subprocess.run(
        [STACK / "mosquitto" / "start.sh"],
        env={"PATH": "/usr/bin:/bin", "MOSQUITTO_RUN": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert "MQTT_BACKEND_PASSWORD" in done.stderr
