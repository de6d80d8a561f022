"""Credentials of devices, checked by a real mosquitto."""

import asyncio
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mqtt_brokers
from edgeflow.cli import main
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.errors import ConfigError
from edgeflow.security.broker_users import (
    DEVICE_RULES,
    PasswordFile,
    hash_password,
    is_password,
    write_rules,
)

SECONDS = 30.0
WHERE = "/usr/sbin:/usr/bin:/usr/local/sbin"
INSTALL = "mosquitto is not installed: apt-get install --yes mosquitto"


class Guarded(mqtt_brokers.Broker):
    """A mosquitto with the files that the command writes, and one more user who hears all."""

    def command(self) -> list[str]:
        program = shutil.which("mosquitto", path=WHERE)
        if program is None:
            pytest.skip(INSTALL)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {self.folder}/passwords",
            f"acl_file {self.folder}/acl",
            "user root",
        ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        return [program, "-c", str(self.folder / "mosquitto.conf")]

    def client(self, user: str, password: str) -> MqttClient:
        return MqttClient(MqttOptions.from_url(self.url, username=user, password=password))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Guarded]:
    (tmp_path / "passwords").write_text(f"ears:{hash_password('all')}\n")
    (tmp_path / "acl").write_text("user ears\ntopic readwrite #\n")
    made = Guarded(tmp_path)
    yield made
    made.stop()


async def enters(broker: Guarded, user: str, password: str, seconds: float = 1.0) -> bool:
    async with broker.client(user, password) as own:
        try:
            await own.wait_connected(seconds)
        except Exception:
            return False
        return True


def test_a_device_enters_with_what_the_command_printed_and_speaks_for_itself_only(
    broker: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--passwords", f"{broker.folder}/passwords", "--acl", f"{broker.folder}/acl"]
    assert main(["devices", "credentials", "attic", "cellar", *files]) == 0
    said = capsys.readouterr()
    secrets = dict(line.split() for line in said.out.splitlines())
    assert set(secrets) == {"attic", "cellar"}
    assert not any(secret in said.err for secret in secrets.values())

    async def live() -> list[tuple[str, str]]:
        assert await enters(broker, "attic", secrets["attic"], SECONDS)
        assert not await enters(broker, "attic", secrets["cellar"])
        assert not await enters(broker, "porch", secrets["attic"])
        heard: list[tuple[str, str]] = []
        async with (
            broker.client("ears", "all") as ears,
            broker.client("attic", secrets["attic"]) as attic,
            broker.client("cellar", secrets["cellar"]) as cellar,
        ):
            await ears.subscribe("#", qos=1)
            for client in (ears, attic, cellar):
                await client.wait_connected(SECONDS)
            await cellar.subscribe("window/+/control", qos=1)
            for topic in (
                "sensor/cellar/temperature",
                "device/cellar/status",
                "window/attic/control",
                "device/attic/config",
                "sensor/attic/temperature",
            ):
                await attic.publish(topic, b"21", qos=1, timeout=SECONDS)
            async with asyncio.timeout(SECONDS):
                async for message in ears.messages():
                    heard.append((message.topic, message.payload.decode()))
                    if message.topic == "sensor/attic/temperature":
                        break
            await ears.publish("window/attic/control", b"1", qos=1, timeout=SECONDS)
            await ears.publish("window/cellar/control", b"2", qos=1, timeout=SECONDS)
            async with asyncio.timeout(SECONDS):
                async for message in cellar.messages():
                    heard.append((message.topic, message.payload.decode()))
                    break
        return heard

    with broker:
        assert asyncio.run(live()) == [
            ("sensor/attic/temperature", "21"),
            ("window/cellar/control", "2"),
        ]


def test_a_new_secret_ends_the_old_one_and_removal_ends_all(
    broker: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    file = PasswordFile(broker.folder / "passwords")
    first = file.issue(["attic"])["attic"]
    second = file.issue(["attic"])["attic"]
    assert first != second
    with broker:
        assert asyncio.run(enters(broker, "attic", second, SECONDS))
        assert not asyncio.run(enters(broker, "attic", first))
        assert asyncio.run(enters(broker, "ears", "all", SECONDS)), "others stay"
    words = ["--passwords", str(file.path), "--acl", f"{broker.folder}/acl", "--remove"]
    assert main(["devices", "credentials", "attic", *words]) == 0
    assert capsys.readouterr().out == ""
    assert set(file.users()) == {"ears"}
    assert main(["devices", "credentials", "attic", *words]) == 3


def test_hashes_are_those_of_mosquitto_passwd(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd", path=WHERE)
    if program is None:
        pytest.skip(INSTALL)
    path = tmp_path / "passwords"
    subprocess.run([program, "-c", "-b", path, "attic", "gréen"], check=True, timeout=SECONDS)
    hashed = PasswordFile(path).users()["attic"]
    assert is_password("gréen", hashed)
    assert not is_password("green", hashed)


def test_only_the_owner_may_read_the_file_and_no_secret_is_in_it(tmp_path: Path) -> None:
    file = PasswordFile(tmp_path / "new" / "passwords")
    secret = file.issue(["attic"])["attic"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert secret not in file.path.read_text()
    assert len(secret) >= 32
    assert is_password(secret, file.users()["attic"])


def test_programs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    threads = [
        threading.Thread(target=PasswordFile(path).issue, args=([f"d{number}"],))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert set(PasswordFile(path).users()) == {f"d{number}" for number in range(16)}


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "+", "#", "-a", "a" * 65, "backend"])
def test_names_that_are_none_of_a_device_are_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    file = PasswordFile(tmp_path / "passwords")
    with pytest.raises(ConfigError):
        file.issue(["attic", name])
    assert not file.path.exists()


@pytest.mark.parametrize("line", ["attic", "attic:plain", ":$7$1$x$y"])
def test_files_of_another_kind_are_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"ears:{hash_password('x')}\n{line}\n")
    before = path.read_text()
    with pytest.raises(ConfigError, match=r"passwords:2"):
        PasswordFile(path).issue(["attic"])
    assert path.read_text() == before


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=80), st.from_regex(r"\$7\$[0-9]{1,6}\$[\w+/=]*\$[\w+/=]*")))
def test_no_hash_makes_the_check_fail(hashed: str) -> None:
    assert is_password("x", hashed) is False


def test_rules_are_added_once_beside_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "acl"
    path.write_text("pattern  write sensor/%u/+\nuser ears\ntopic read #\n")
    assert write_rules(path)
    assert not write_rules(path)
    lines = path.read_text().splitlines()
    assert lines[-2:] == ["user ears", "topic read #"]
    for rule in DEVICE_RULES:
        assert [" ".join(line.split()) for line in lines].count(rule) == 1
