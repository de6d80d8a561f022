"""Which gateways there are, and which of them serves a model."""

import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["Affinity", "Gateway"]

_DEFAULT_PORT = 8008


@dataclass(frozen=True, slots=True)
class Gateway:
    """A tensor server.

    Attributes:
        name: how affinity rules call it; ``host:port`` if empty.
        pool_size: connections, at most.
        timeout_s: longest wait for one answer.
        protocol: 1 or 2; None asks the server, and takes 1 if it does not know 2.
    """

    host: str = "127.0.0.1"
    port: int = _DEFAULT_PORT
    name: str = ""
    pool_size: int = 4
    timeout_s: float = 3.0
    protocol: int | None = None
    tls: ssl.SSLContext | None = None

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name or f"{self.host}:{self.port}"


class Affinity:
    """Shards models over gateways.

    Args:
        gateways: all there are.
        rules: pattern of model names (``yolo*``) to the gateway that serves them, or several in
            the order in which they are tried; the first rule that matches counts. Models without
            a rule are spread evenly by their name, and each may move to another gateway.

    Raises:
        ConfigError: there is no gateway, two have one name, or a rule names one that is not there.
    """

    def __init__(
        self, gateways: Sequence[Gateway], rules: Mapping[str, str | Sequence[str]] | None = None
    ) -> None:
        self.gateways = {gateway.label: gateway for gateway in gateways}
        if not self.gateways or len(self.gateways) != len(gateways):
            raise ConfigError("gateways need names that differ, and there must be one")
        self._rules = {
            pattern: [names] if isinstance(names, str) else list(names)
            for pattern, names in (rules or {}).items()
        }
        for pattern, names in self._rules.items():
            for name in names:
                if name not in self.gateways:
                    raise ConfigError(
                        f"model_affinity of {pattern!r}: there is no gateway {name!r}",
                        hint=did_you_mean(name, list(self.gateways)),
                    )

    def order(self, model: str) -> list[str]:
        """Return the names of the gateways for a model, the one to ask first at the front."""
        if len(self.gateways) == 1:
            return list(self.gateways)
        for pattern, names in self._rules.items():
            if fnmatchcase(model, pattern):
                return names
        return sorted(self.gateways, key=lambda name: _weight(name, model), reverse=True)


def _weight(gateway: str, model: str) -> bytes:
    return hashlib.blake2b(f"{gateway}\0{model}".encode(), digest_size=8).digest()
