"""What a client must know of its broker: values, and how they are read from a URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from edgeflow.comms.mqtt.topics import check_topic
from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["MqttOptions", "TlsOptions", "Will"]

VERSIONS = ("3.1.1", "5")
EMBEDDED = "embedded"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How a connection is encrypted.

    Attributes:
        ca: file of certificates to trust; the system's own if None.
        cert: file of the client's certificate (chain), if the broker asks for one.
        key: file of its private key; in ``cert`` if None.
        insecure: accept any certificate: anyone in between can read and write.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes when this client vanishes."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """One broker, and how to behave towards it. Times are seconds, sizes are bytes.

    Attributes:
        host, port: of the broker. Host ``embedded`` is the managed broker of this process, with
            ``embedded`` as its settings (``port``, ``store``, ``max_payload``, ``ack_wait``,
            ``unconfirmed``, ``durable``).
        username, password: credentials.
        client_id: fixed name of this client; the empty one is replaced by a random one.
        version: ``3.1.1`` or ``5``.
        tls: None for a connection without encryption.
        clean_session: the broker forgets this client when it leaves. False needs a ``client_id``:
            subscriptions and messages at QoS 1 and 2 wait for its return.
        session_expiry: how long a broker of version 5 keeps what waits.
        keepalive: silence after which both sides ask whether the other lives.
        will: published by the broker when the connection breaks.
        connect_timeout: for name, connection, encryption and the broker's answer together.
        backoff, backoff_cap: first and longest pause before another attempt.
        max_packet: longer packets from the broker end the connection.
        inbox, inbox_bytes: messages held for the reader; more are left in the socket.
        outbox, outbox_bytes: messages at QoS 1 and 2 held until the broker confirms them.
        inflight: messages sent and not confirmed yet.
        manual_ack: QoS 1 and 2 are confirmed by ``MqttClient.acknowledge`` only, not by being read.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str = ""
    version: str = "3.1.1"
    tls: TlsOptions | None = None
    clean_session: bool = True
    session_expiry: int = 86400
    keepalive: float = 30.0
    will: Will | None = None
    connect_timeout: float = 5.0
    backoff: float = 0.25
    backoff_cap: float = 5.0
    max_packet: int = 16 << 20
    inbox: int = 1000
    inbox_bytes: int = 64 << 20
    outbox: int = 1000
    outbox_bytes: int = 64 << 20
    inflight: int = 20
    manual_ack: bool = False
    embedded: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def is_embedded(self) -> bool:
        """True when the broker is the managed one of this process."""
        return self.host == EMBEDDED

    @property
    def address(self) -> str:
        """The broker in one word, without secrets."""
        if self.is_embedded:
            return "mqtt://embedded"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    @classmethod
    def from_url(cls, url: str, **options: Any) -> "MqttOptions":
        """Read ``mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][?KEY=VALUE&...]``.

        Keys are the fields that hold one value (``client_id``, ``version``, ``keepalive``...) and,
        with ``mqtts``, ``ca``, ``cert``, ``key`` and ``insecure``. ``options`` win over the URL.

        Raises:
            ConfigError: the URL or a value is wrong.
        """
        values = _from_url(url)
        tls = options.get("tls")
        if "tls" in options and tls is None and values.get("tls"):
            options = {key: value for key, value in options.items() if key != "tls"}
        return cls(**{**values, **options})

    def with_address(self, host: str, port: int) -> "MqttOptions":
        """Return the same options for another address."""
        return replace(self, host=host, port=port)


def _from_url(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ConfigError(f"the MQTT URL {_hidden(url)} is wrong: {error}") from error
    if parts.scheme not in _PORTS:
        raise ConfigError(
            f"the MQTT URL {_hidden(url)} has the scheme {parts.scheme!r}",
            hint="write mqtt://HOST, mqtts://HOST or mqtt://embedded",
        )
    if not host:
        raise ConfigError(f"the MQTT URL {_hidden(url)} names no host", hint="write mqtt://HOST")
    if parts.path not in ("", "/") or parts.fragment:
        raise ConfigError(
            f"the MQTT URL {_hidden(url)} has a path", hint="topics are options of their own"
        )
    found: dict[str, Any] = {"host": host}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password is not None:
        found["password"] = unquote(parts.password)
    if host == EMBEDDED:
        return found | _embedded(parts.scheme, port, query, url)
    found["port"] = port or _PORTS[parts.scheme]
    if parts.scheme == "mqtts":
        found["tls"] = TlsOptions(**_take(query, TlsOptions, url))
    return found | _fields(query, url)


def _embedded(scheme: str, port: int | None, query: dict[str, str], url: str) -> dict[str, Any]:
    if scheme != "mqtt":
        raise ConfigError(
            f"{_hidden(url)}: the embedded broker has no TLS; it listens on loopback only",
            hint="write mqtt://embedded",
        )
    if port is not None:
        query = {"port": str(port)} | query
    keys = ("port", "store", "max_payload", "ack_wait", "unconfirmed", "durable")
    own = {key: query.pop(key) for key in keys if key in query}
    return {"embedded": own} | _fields(query, url)


def _take(query: dict[str, str], kind: Any, url: str) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    return {
        name: _converted(name, query.pop(name), name == "insecure" and bool, url)
        for name in names
        if name in query
    }


_KINDS: dict[str, Any] = {
    "client_id": str,
    "version": str,
    "clean_session": bool,
    "manual_ack": bool,
    "keepalive": float,
    "connect_timeout": float,
    "backoff": float,
    "backoff_cap": float,
    "session_expiry": int,
    "max_packet": int,
    "inbox": int,
    "inbox_bytes": int,
    "outbox": int,
    "outbox_bytes": int,
    "inflight": int,
}


def _fields(query: dict[str, str], url: str) -> dict[str, Any]:
    found = {}
    for key, text in query.items():
        if key not in _KINDS:
            raise ConfigError(
                f"the MQTT URL {_hidden(url)} has an unknown key {key!r}",
                hint=did_you_mean(key, list(_KINDS)),
            )
        found[key] = _converted(key, text, _KINDS[key], url)
    return found


def _converted(key: str, text: str, kind: Any, url: str) -> Any:
    if kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
    elif kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    else:
        return text
    raise ConfigError(f"the MQTT URL {_hidden(url)}: {key}={text!r} is not a {kind.__name__}")


def _hidden(url: str) -> str:
    """Return the URL for messages, without what may be a secret."""
    head, at, tail = url.rpartition("@")
    if not at:
        return repr(url)
    scheme = head.partition("://")[0]
    return repr(f"{scheme}://...@{tail}")


def _check(options: MqttOptions) -> None:
    """Refuse values that cannot work."""
    bounds: dict[str, tuple[float, float]] = {
        "port": (1, 65535),
        "session_expiry": (0, 0xFFFFFFFF),
        "keepalive": (1, 65535),
        "connect_timeout": (0.05, 300),
        "backoff": (0.01, 3600),
        "backoff_cap": (0.01, 3600),
        "max_packet": (1024, 256 << 20),
        "inbox": (1, 1_000_000),
        "inbox_bytes": (1024, 1 << 40),
        "outbox": (1, 1_000_000),
        "outbox_bytes": (1024, 1 << 40),
        "inflight": (1, 65535),
    }
    for name, (low, high) in bounds.items():
        if not low <= getattr(options, name) <= high:
            raise ConfigError(
                f"MQTT option {name}={getattr(options, name)!r} is not from {low:g} to {high:g}"
            )
    if options.version not in VERSIONS:
        raise ConfigError(
            f"MQTT version {options.version!r} is unknown", hint="3.1.1 or 5, in quotes in YAML"
        )
    if not options.clean_session and not options.client_id:
        raise ConfigError(
            "an MQTT session that outlives the connection (clean_session: false) needs a client_id",
            hint="give this client a fixed name that no other client of the broker has",
        )
    if options.password is not None and options.username is None:
        raise ConfigError("an MQTT password without a username", hint="name the user, too")
    if options.will:
        check_topic(options.will.topic)
        if options.will.qos not in (0, 1, 2):
            raise ConfigError(f"the MQTT will has QoS {options.will.qos}", hint="0, 1 or 2")
