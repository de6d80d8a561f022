"""Keys of the YAML that say which MQTT broker: the same for connectors and actions."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from edgeflow.comms.mqtt.options import MqttOptions, TlsOptions
from edgeflow.errors import ConfigError
from edgeflow.pipelines.paths import LocalPath

__all__ = ["BrokerKeys", "TlsKeys"]

_AS_THEY_ARE = {"keepalive", "username", "version"}


class TlsKeys(BaseModel):
    """Under ``tls:``.

    Attributes:
        ca: PEM file of certificates to trust; the system's own if not given.
        cert: PEM file of this client's certificate.
        key: PEM file of its private key; in ``cert`` if not given.
        insecure: accept any certificate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: LocalPath | None = None
    cert: LocalPath | None = None
    key: LocalPath | None = None
    insecure: bool = False


class BrokerKeys(BaseModel):
    """Which broker, and as whom.

    Attributes:
        url: ``mqtt://HOST:PORT``, ``mqtts://...`` or ``mqtt://embedded``, instead of ``host``.
        host: its name or address.
        port: 1883, or 8883 with TLS, if not given.
        username, password: credentials.
        tls: true, or the files to use.
        version: of MQTT.
        keepalive: seconds of silence after which both sides ask whether the other lives.
        reconnect_interval: longest pause in seconds before another attempt to connect; the first
            ones are shorter.
    """

    url: str | None = None
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    tls: bool | TlsKeys = False
    version: Literal["3.1.1", "5"] = "3.1.1"
    keepalive: float = Field(default=30.0, ge=1, le=65535)
    reconnect_interval: float = Field(default=5.0, ge=0.05, le=3600)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.host is None):
            raise ValueError("name the broker by either 'host' or 'url'")
        if self.url is not None and self.port is not None:
            raise ValueError("the port belongs into the 'url'")
        if self.url is not None:
            try:
                MqttOptions.from_url(self.url)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return self

    def mqtt_options(self, **more: Any) -> MqttOptions:
        """Return these keys as options of a client; ``more`` are further options.

        Raises:
            ConfigError: they cannot work together.
        """
        given = self.model_fields_set
        found: dict[str, Any] = {key: getattr(self, key) for key in _AS_THEY_ARE & given}
        if "reconnect_interval" in given:
            found["backoff_cap"] = self.reconnect_interval
            found["backoff"] = min(0.25, self.reconnect_interval)
        if self.password is not None:
            found["password"] = self.password.get_secret_value()
        if self.tls:
            keys = self.tls if isinstance(self.tls, TlsKeys) else TlsKeys()
            files = {name: file and str(file) for name, file in keys if name != "insecure"}
            found["tls"] = TlsOptions(**files, insecure=keys.insecure)
        found |= more
        if self.url is not None:
            return MqttOptions.from_url(self.url, **found)
        port = self.port or (8883 if self.tls else 1883)
        return MqttOptions(host=str(self.host), port=port, **found)
