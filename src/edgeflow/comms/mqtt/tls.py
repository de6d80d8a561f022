"""TLS contexts for MQTT."""

import ssl
from pathlib import Path

from edgeflow.comms.mqtt.options import TlsOptions
from edgeflow.errors import ConfigError

__all__ = ["client_context"]


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """Return a context that verifies the broker, unless it was said aloud not to.

    Raises:
        ConfigError: a file is missing or is not what it should be.
    """
    for name in ("ca", "cert", "key"):
        path = getattr(options, name)
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"MQTT TLS: {name} file {path} does not exist")
    if options.key and not options.cert:
        raise ConfigError("MQTT TLS: a key without a certificate", hint="name the cert file, too")
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"MQTT TLS: a certificate or key cannot be read: {error}",
            hint="files hold PEM; the key belongs to the certificate and has no password",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
