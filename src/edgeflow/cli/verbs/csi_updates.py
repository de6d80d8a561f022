"""Update servers for simulated nodes."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from edgeflow.cli.terminal import narrate
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    from edgeflow.devices.virtual.csi_modules import VirtualModules
    from edgeflow.devices.virtual.csi_node import Packet
    from edgeflow.sensing.simulate import Scenario

__all__ = ["modules_of", "update_servers"]

MOST = 64


@contextmanager
def update_servers(
    count: int,
    first: int | None,
    key: str | None,
    public_key: str | None,
    modules: "Sequence[VirtualModules]" = (),
) -> Iterator[None]:
    """Let nodes take updates while inside.

    Args:
        count: nodes; at most 64 have a server.
        first: port of the first one, the next ones follow; None: no servers.
        key: for uploads, as options give secrets.
        public_key: that firmware is signed with, as options give it.
        modules: of the first nodes.

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
        for index, port in enumerate(ports):
            node = UpdatableNode(
                firmware,
                psk=psk,
                public_key=public if isinstance(public, bytes) else None,
                port=port,
                modules=modules[index] if index < len(modules) else None,
            )
            stack.enter_context(node)
        narrate(
            f"updates on 127.0.0.1:{first} to {ports[-1]}: edgeflow ota status 127.0.0.1:{first}"
        )
        yield


def modules_of(
    scenario: "Scenario", nodes: int, key: str | None, public_key: str, *, compress: bool
) -> "list[tuple[VirtualModules, Iterator[Packet]]]":
    """Return nodes that run sensing modules, each with what it sends.

    Raises:
        ConfigError: a key is none, or there are more nodes than rooms of their own.
        MissingExtraError: wasmtime is not installed.
    """
    from edgeflow.cli.verbs.ota_options import settings_of
    from edgeflow.devices.virtual.csi_modules import VirtualModules
    from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
    from edgeflow.sensing.simulate import Simulation, around

    if nodes > MOST:
        raise ConfigError(f"{nodes} nodes with modules", hint=f"at most {MOST}")
    given = settings_of({"ota-key": key, "wasm-pubkey": public_key})
    psk, public = str(given.get("ota-key", "")), given.get("wasm-pubkey")
    made = []
    for index, room in enumerate(around(scenario, nodes)):
        modules = VirtualModules(
            WasmtimeEngine(),
            number=index + 1,
            key=public if isinstance(public, bytes) else None,
            psk=psk,
        )
        made.append(
            (modules, modules.packets(Simulation(room, index), raw=True, compress=compress))
        )
    return made
