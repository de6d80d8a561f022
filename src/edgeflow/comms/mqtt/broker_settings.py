"""How the embedded broker runs: what its URL says, and what nats-server is told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["BrokerSettings"]

_STORE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """How the embedded broker runs.

    Attributes:
        port: on loopback; 0 for a free one.
        store: folder of sessions, retained and waiting messages; None for one that is deleted at
            the end.
        max_payload: longest message in bytes, up to 64 MiB.
        ack_wait: seconds after which what a client has not confirmed is delivered again, to the
            one that came back after a crash and to one that is slow.
        unconfirmed: messages on their way to one subscription; of a client 65,535 in all.
        username, password: demanded from clients, if given.
        durable: sessions outlive a crash of the server; if not, none is written to disk, and who
            connects after a crash begins anew.
    """

    port: int = 0
    store: Path | None = None
    max_payload: int = 8 << 20
    ack_wait: int = 5
    unconfirmed: int = 1024
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    durable: bool = True

    @classmethod
    def read(
        cls, texts: Mapping[str, str], username: str | None = None, password: str | None = None
    ) -> "BrokerSettings":
        """Return the settings that a URL holds.

        Raises:
            ConfigError: a value is wrong.
        """
        store, durable = texts.get("store"), texts.get("durable", "yes")
        if durable not in ("yes", "no") or (store and durable == "no"):
            raise ConfigError(
                f"mqtt://embedded: durable={durable!r}", hint="yes, or no without a store"
            )
        return cls(
            port=_integer(texts, "port", 0, 0, 65535),
            store=Path(store).expanduser().absolute() if store else None,
            max_payload=_integer(texts, "max_payload", 8 << 20, 1024, 64 << 20),
            ack_wait=_integer(texts, "ack_wait", 5, 1, 3600),
            unconfirmed=_integer(texts, "unconfirmed", 1024, 1, 65535),
            username=username,
            password=password,
            durable=durable == "yes",
        )

    def config(self, host: str, port: int, store: Path) -> str:
        """The configuration of nats-server, which lies in ``store``; port 0 is a free one."""
        authorization = ""
        if self.username is not None:
            user, password = json.dumps(self.username), json.dumps(self.password or "")
            authorization = f"authorization {{ user: {user}, password: {password} }}\n"
        memory = "" if self.durable else ", consumer_memory_storage: true"
        return (
            f'{authorization}host: "{host}"\nport: -1\nserver_name: "edgeflow"\n'
            f"max_payload: {self.max_payload}\nmax_pending: {max(64 << 20, self.max_payload)}\n"
            f"jetstream {{ store_dir: {json.dumps(str(store))}, max_file_store: {_STORE_BYTES} }}\n"
            f'mqtt {{ host: "{host}", port: {port or -1}, ack_wait: "{self.ack_wait}s", '
            f"max_ack_pending: {self.unconfirmed}{memory} }}\n"
        )


def _integer(texts: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = texts.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ConfigError(f"mqtt://embedded: {name}={text!r} is not from {low} to {high}")
    return int(text)
