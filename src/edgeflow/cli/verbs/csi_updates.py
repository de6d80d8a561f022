"""Update servers for simulated nodes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from edgeflow.cli.terminal import narrate
from edgeflow.errors import ConfigError

__all__ = ["update_servers"]

MOST = 64


@contextmanager
def update_servers(
    count: int, first: int | None, key: str | None, public_key: str | None
) -> Iterator[None]:
    """Let nodes take updates while inside.

    Args:
        count: nodes; at most 64 have a server.
        first: port of the first one, the next ones follow; None: no servers.
        key: for uploads, as options give secrets.
        public_key: that firmware is signed with, as options give it.

    Raises:
        ConfigError: a key is none, or the ports do not suffice.
        CommsError: a port is taken.
    """
    if first is None:
        yield
        return
    from edgeflow import __version__
    from edgeflow.cli.verbs.ota_options import settings_of
    from edgeflow.devices.virtual.csi_image import make_firmware
    from edgeflow.devices.virtual.csi_update import UpdatableNode

    ports = range(first, first + min(count, MOST))
    if ports.stop > 65536:
        raise ConfigError(f"--ota-port {first}: there are not {len(ports)} ports from there on")
    given = settings_of({"ota-key": key, "ota-public-key": public_key})
    psk, public = str(given.get("ota-key", "")), given.get("ota-public-key")
    firmware = make_firmware(__version__)
    with ExitStack() as stack:
        for port in ports:
            node = UpdatableNode(
                firmware,
                psk=psk,
                public_key=public if isinstance(public, bytes) else None,
                port=port,
            )
            stack.enter_context(node)
        narrate(
            f"updates on 127.0.0.1:{first} to {ports[-1]}: edgeflow ota status 127.0.0.1:{first}"
        )
        yield
