"""A private authority: what it signs is believed by who trusts it, and by nobody else."""

import asyncio
import json
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

import mqtt_brokers
from edgeflow.cli import main
from edgeflow.comms.mqtt import MqttClient, MqttOptions, TlsOptions
from edgeflow.errors import ConfigError
from edgeflow.security.authority import CERTIFICATE_DAYS, Authority

SECONDS = 30.0


def handshake(server: Path, name: str, ca: Path) -> None:
    """A whole TLS handshake in memory."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(server / "server.pem", server / "server.key")
    asking = ssl.create_default_context(cafile=ca)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(down, up, server_hostname=name)
    other = serving.wrap_bio(up, down, server_side=True)
    done = 0
    for _ in range(10):
        for side in (client, other):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
    assert done >= 2


def test_a_server_is_believed_under_its_names_by_who_trusts_the_authority(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    Authority(here).issue("server", ["broker.home", "192.168.1.5", "::1"])
    Authority(there).issue("server", ["broker.home"])
    for name in ("broker.home", "192.168.1.5", "::1"):
        handshake(here, name, here / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(here, "other.home", here / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(there, "broker.home", here / "ca.pem")


def test_the_authority_stays_and_certificates_are_renewed(tmp_path: Path) -> None:
    Authority(tmp_path).issue("server", ["a"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Authority(tmp_path).issue("server", ["a"])
    assert set(before) == {"ca.pem", "ca.key", "server.pem", "server.key"}
    assert (tmp_path / "ca.key").read_bytes() == before["ca.key"]
    assert (tmp_path / "server.key").read_bytes() != before["server.key"]
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_certificates_say_what_they_are_for_and_how_long(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    certificate, _ = Authority(tmp_path, now).issue("attic")
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert found.not_valid_after_utc == now + timedelta(days=CERTIFICATE_DAYS)
    use = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(use) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and not basic.value.ca


def test_an_authority_that_ran_out_or_is_not_whole_is_refused(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    Authority(tmp_path / "old", now)
    with pytest.raises(ConfigError, match="ran out on 2036-04-28"):
        Authority(tmp_path / "old", now + timedelta(days=3651))
    Authority(tmp_path / "other", now)
    key = (tmp_path / "other" / "ca.key").read_bytes()
    (tmp_path / "old" / "ca.key").write_bytes(key)
    with pytest.raises(ConfigError, match="is not the key"):
        Authority(tmp_path / "old", now)
    (tmp_path / "old" / "ca.key").write_bytes(b"nonsense")
    with pytest.raises(ConfigError):
        Authority(tmp_path / "old", now)
    (tmp_path / "old" / "ca.key").unlink()
    with pytest.raises(ConfigError, match="one is missing"):
        Authority(tmp_path / "old", now)


@pytest.mark.parametrize("host", ["", "a b", "http://x", "*.home", "bücher", "a" * 254])
def test_hosts_that_are_none_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        Authority(tmp_path).issue("server", ["ok", host])
    assert not (tmp_path / "server.pem").exists()


@pytest.mark.parametrize("name", ["", "ca", "../x", "a/b", "a" * 65])
def test_names_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no certificate can be called"):
        Authority(tmp_path).issue(name)


def test_a_broker_that_asks_for_certificates_lets_the_device_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = tmp_path / "tls"
    words = ["--host", "127.0.0.1", "--device", "attic", "--json"]
    assert main(["devices", "certificates", str(tls), *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ca"] == str(tls / "ca.pem")
    assert str(tls / "attic.key") in told["files"]
    broker = mqtt_brokers.Mosquitto(tmp_path / "broker", tls=tls, client_certs=True)

    async def enter(own: TlsOptions, seconds: float) -> bool:
        async with MqttClient(MqttOptions.from_url(broker.url, tls=own)) as client:
            try:
                await client.wait_connected(seconds)
            except Exception:
                return False
            return True

    with broker:
        ca, files = str(tls / "ca.pem"), (str(tls / "attic.pem"), str(tls / "attic.key"))
        assert asyncio.run(enter(TlsOptions(ca=ca, cert=files[0], key=files[1]), SECONDS))
        assert not asyncio.run(enter(TlsOptions(ca=ca), 1.0))
