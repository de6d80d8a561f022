"""TLS with certificates of our own: only who is known gets in, on both sides."""

import asyncio
import datetime
import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgeflow.comms.mqtt import MqttClient, MqttOptions, TlsOptions
from edgeflow.errors import ConfigError
from mqtt_brokers import Broker


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(folder: Path, name: str, signer: tuple | None) -> tuple:
    """Write NAME.pem and NAME.key; sign by ``signer``, or by itself as a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    issuer, issuer_key = signer or (_name(name), key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if signer is not None:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate.subject, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    folder.chmod(0o755)
    ca = _certificate(folder, "ca", None)
    for name in ("server", "client"):
        _certificate(folder, name, ca)
    _certificate(folder, "stranger", None)
    return folder


async def _connects(broker: Broker, tls: TlsOptions) -> str:
    """Return ``yes`` or why not."""
    options = MqttOptions(port=broker.port, tls=tls, backoff=0.1, backoff_cap=0.1)
    async with MqttClient(options) as one:
        async with asyncio.timeout(30):
            while not one.is_connected and not one.last_error:
                await asyncio.sleep(0.01)
        if one.last_error:
            return one.last_error
        await one.publish("a", "b", qos=1)
    return "yes"


def test_only_a_broker_that_is_trusted_is_spoken_to(
    start_broker: Callable[..., Broker], certificates: Path
) -> None:
    broker = start_broker(tls=certificates)

    async def main() -> None:
        ca = str(certificates / "ca.pem")
        assert await _connects(broker, TlsOptions(ca=ca)) == "yes"
        assert "CERTIFICATE_VERIFY_FAILED" in await _connects(broker, TlsOptions())
        stranger = str(certificates / "stranger.pem")
        assert "CERTIFICATE_VERIFY_FAILED" in await _connects(broker, TlsOptions(ca=stranger))
        assert await _connects(broker, TlsOptions(insecure=True)) == "yes"

    asyncio.run(main())


def test_a_broker_that_wants_a_certificate_gets_it(
    start_broker: Callable[..., Broker], certificates: Path
) -> None:
    broker = start_broker(tls=certificates, client_certs=True)

    async def main() -> None:
        ca = str(certificates / "ca.pem")
        own = {"cert": str(certificates / "client.pem"), "key": str(certificates / "client.key")}
        assert await _connects(broker, TlsOptions(ca=ca, **own)) == "yes"
        assert await _connects(broker, TlsOptions(ca=ca)) != "yes"

    asyncio.run(main())


def test_wrong_files_are_told_at_the_start(certificates: Path) -> None:
    async def start(**files: str) -> None:
        await MqttClient(MqttOptions(tls=TlsOptions(**files))).start()

    with pytest.raises(ConfigError, match="does not exist"):
        asyncio.run(start(ca="/nowhere.pem"))
    with pytest.raises(ConfigError, match="cannot be read"):
        asyncio.run(start(ca=str(certificates / "ca.key")))
    with pytest.raises(ConfigError, match="cannot be read"):
        asyncio.run(
            start(cert=str(certificates / "client.pem"), key=str(certificates / "server.key"))
        )
    with pytest.raises(ConfigError, match="without a certificate"):
        asyncio.run(start(key=str(certificates / "server.key")))
