"""TLS of servers, from a certificate and its key."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["TlsFiles"]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a server shows its clients: PEM files of the certificate (with its chain) and key."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what Python's servers take.

        Raises:
            ConfigError: a file cannot be read, or the two do not belong together.
        """
        found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            found.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"TLS with {self.certificate} and {self.key}: {error}",
                hint="give a certificate and its key, without a password, as PEM files",
            ) from error
        return found
