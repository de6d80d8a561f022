"""A private authority: certificates for the broker and, where wanted, for devices."""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

__all__ = ["AUTHORITY_DAYS", "CERTIFICATE_DAYS", "Authority"]

AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 397
MAX_HOSTS = 100
BACK = timedelta(hours=1)
"""Clocks of devices may be behind ours."""


class Authority:
    """Signs certificates with a key that stays in a folder (``ca.pem``, ``ca.key``).

    Args:
        folder: where they are, or are made. now: the time.

    Raises:
        ConfigError: what is there is no authority, or has run out.
        MissingExtraError: cryptography is not installed.
    """

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        _require()
        self._folder, self._now = folder, now or datetime.now(UTC)
        self.certificate, key = folder / "ca.pem", folder / "ca.key"
        if self.certificate.exists() != key.exists():
            raise ConfigError(f"{folder}: ca.pem and ca.key belong together; one is missing")
        if not key.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._make(key)
        self._own, self._key = _load(self.certificate, key)
        if self._own.not_valid_after_utc <= self._now:
            raise ConfigError(
                f"{self.certificate} ran out on {self._own.not_valid_after_utc:%Y-%m-%d}",
                hint="move the folder away, make another, and give its ca.pem to all clients",
            )

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Make ``NAME.pem`` and ``NAME.key``: for a server at these hosts, else for a client.

        What was there under these names is replaced.

        Raises:
            ConfigError: a name or host that no certificate can have.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        if not name or name == "ca" or Path(name).name != name or len(name) > 64:
            raise ConfigError(f"no certificate can be called {name[:80]!r}")
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(name, key.public_key(), CERTIFICATE_DAYS)
            .issuer_name(self._own.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(_names(hosts)), critical=False
            )
        signed = builder.sign(self._key, hashes.SHA256())
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        _write(paths[1], _pem_of(key), 0o600)
        _write(paths[0], _pem_of(signed), 0o644)
        return paths

    def _make(self, path: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder("EdgeFlow private authority", key.public_key(), AUTHORITY_DAYS)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        signed = (
            builder.issuer_name(_name("EdgeFlow private authority"))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                    **usage,
                ),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )
        _write(path, _pem_of(key), 0o600)
        _write(self.certificate, _pem_of(signed), 0o644)

    def _builder(
        self, name: str, key: "CertificatePublicKeyTypes", days: int
    ) -> "x509.CertificateBuilder":
        from cryptography import x509

        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BACK)
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _require() -> None:
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError:
        raise MissingExtraError("cryptography", "tls") from None


def _load(certificate: Path, key: Path) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    try:
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError(f"{certificate} and {key}: {error}") from error
    if not isinstance(secret, EllipticCurvePrivateKey) or own.public_key() != secret.public_key():
        raise ConfigError(f"{key} is not the key of {certificate}")
    return own, secret


def _names(hosts: Sequence[str]) -> "list[x509.GeneralName]":
    from cryptography import x509

    if len(hosts) > MAX_HOSTS:
        raise ConfigError(f"{len(hosts)} hosts", hint=f"at most {MAX_HOSTS} in a certificate")
    found: list[x509.GeneralName] = []
    for host in hosts:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
            continue
        except ValueError:
            pass
        if not host.isascii() or not host or len(host) > 253 or any(c in host for c in " /:@*"):
            raise ConfigError(
                f"{host[:80]!r} is no host", hint="a name such as mosquitto, or an address"
            )
        found.append(x509.DNSName(host))
    return found


def _name(text: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem_of(thing: "x509.Certificate | EllipticCurvePrivateKey") -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file; what is secret is never readable by others, not for a moment."""
    fresh = path.with_name(f".{path.name}-new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    fresh.replace(path)
