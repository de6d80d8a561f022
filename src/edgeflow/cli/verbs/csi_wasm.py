"""``csi wasm``: sensing modules, built, signed, tried, and brought to nodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json, write_json_line
from edgeflow.cli.verbs.ota_options import (
    DEFAULT_KEY,
    KeyOption,
    PassphraseOption,
    passphrase_of,
    settings_of,
)

if TYPE_CHECKING:
    from edgeflow.protocols.rvf import Container
    from edgeflow.sensing.modules.node_client import NodeModules

__all__ = ["verbs"]

verbs = typer.Typer(rich_markup_mode=None)

MAX_FILE = 1 << 20
SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A .c or .wasm file, or a name of the catalogue.")
]
ImageArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A container (.rvf).")]
OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="Replaced if there.")]
SignOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Private key of edgeflow ota keygen.")
]
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="host or host:port.")]
SlotArgument = Annotated[int, typer.Argument(metavar="ID", min=0, max=999, help="As in list.")]


@verbs.callback(epilog="Example: edgeflow csi wasm catalogue")
def wasm() -> None:
    """Build, sign and run sensing modules, on nodes and here."""


@verbs.command(epilog="Example: edgeflow csi wasm build hvac_presence --key my.pem --out hvac.rvf")
def build(
    source: SourceArgument,
    *,
    out: OutOption,
    key: SignOption = None,
    passphrase: PassphraseOption = None,
) -> None:
    """Compile a module into a container, signed where a key is given.

    The manifest is the .toml beside the source. A .wasm, of whatever language, is taken as it is.
    """
    container = _built(source)
    if key is not None:
        container = _signed(container, key, passphrase)
    data = container.encode()
    _write(out, data)
    narrate(f"wrote {out}: {len(data)} bytes, {'signed' if key else 'not signed'}")


@verbs.command(epilog="Example: edgeflow csi wasm sign hvac.rvf --key my.pem --out signed.rvf")
def sign(
    file: ImageArgument,
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="Private key of edgeflow ota keygen.")],
    out: OutOption,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=0xFFFFFFFF, help="Nodes refuse an older one."),
    ] = None,
    passphrase: PassphraseOption = None,
) -> None:
    """Sign a container, whoever signed it before, with the version that it has or is given."""
    from dataclasses import replace

    container = _opened(file)
    if version is not None:
        container = replace(container, version=version)
    _write(out, _signed(container, key, passphrase).encode())
    narrate(f"wrote {out}: version {container.version}")


@verbs.command(epilog="Example: edgeflow csi wasm info hvac.rvf --key my.pem.pub")
def info(
    file: ImageArgument,
    *,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="That should have signed it: a .pub.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Show what a container holds, and whether a node could run it and KEY signed it.

    Ends with 1 when it did not.
    """
    from edgeflow._native.modules import check_container, prepare_module
    from edgeflow.protocols.rvf import capability_names
    from edgeflow.sensing.modules.keys import read_public_key

    data = _read(file)
    container = _opened(file)
    manifest, prepared = container.manifest, prepare_module(container.wasm)
    known = None
    if key is not None:
        known = check_container(data, read_public_key(key)) is None
    facts = {
        "name": manifest.name,
        "version": container.version,
        "bytes": len(data),
        "wasm": len(container.wasm),
        "capabilities": capability_names(manifest.capabilities),
        "max_frame_us": manifest.max_frame_us,
        "max_events_per_second": manifest.max_events_per_second,
        "memory_kb": manifest.memory_limit_kb,
        "subcarriers": [manifest.min_subcarriers, manifest.max_subcarriers],
        "pending": prepared.pending,
        "signature": "ed25519" if container.has_signature else "none",
        "signed_by_key": known,
    }
    if json:
        write_json(facts)
    else:
        for name, value in facts.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            text = "-" if shown is None else str(shown)
            write(f"{name:<22} {text if text.isprintable() else ascii(text)}")
    return 1 if known is False else 0


@verbs.command(epilog="Example: edgeflow csi wasm run intrusion_detect --simulate walking --json")
def run(
    source: Annotated[
        str, typer.Argument(metavar="MODULE", help="A .rvf, .wasm or .c file, or a catalogue name.")
    ],
    *,
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A recording; see edgeflow csi replay.")
    ] = None,
    simulate: Annotated[
        str, typer.Option(metavar="NAME", help="A simulated room; see edgeflow csi simulate.")
    ] = "walking",
    seconds: Annotated[
        float, typer.Option(metavar="S", min=1, max=86400, help="Of the simulation.")
    ] = 30.0,
    json: JsonOption = False,
) -> int:
    """Run a module over a recording or a simulated room, and print what it tells.

    As on a node: its capabilities, its limits, and its instructions are counted.
    """
    from edgeflow.sensing.modules.trying import Trial

    trial = Trial(_any(source))
    if recording is not None:
        from edgeflow.sensing.recordings import Recording

        events = trial.over_recording(Recording(recording))
    else:
        events = trial.over_room(simulate, seconds)
    for said in events:
        if json:
            write_json_line({"t": said.seconds, "type": said.type, "value": said.value})
        else:
            write(f"{said.seconds:10.2f} s {said.type:>6} {said.value:12.4g}")
    module = trial.module
    narrate(
        f"{module['name']}: {module['frame_count']} frames, {module['event_count']} events, "
        f"{module['error_count']} errors, {module['mean_us']} us a call here, {module['state']}"
    )
    return 1 if module["state"] == "error" else 0


@verbs.command(epilog="Example: edgeflow csi wasm catalogue")
def catalogue(*, json: JsonOption = False) -> None:
    """List the modules whose sources come with EdgeFlow."""
    from edgeflow.sensing.modules.catalogue import catalogue as known

    for each in known():
        events = {event.id: event.name for event in each.events}
        if json:
            row = {"name": each.manifest.name, "status": each.status, "reason": each.reason}
            write_json_line({**row, "summary": each.summary, "events": events})
        else:
            write(f"{each.manifest.name:<30} {each.status:<13} {each.summary}")


@verbs.command(epilog="Example: edgeflow csi wasm upload 192.168.4.7 hvac.rvf")
def upload(node: NodeArgument, file: ImageArgument, *, ota_key: KeyOption = DEFAULT_KEY) -> None:
    """Bring a signed container to a node, which starts it."""
    said = _node(node, ota_key).upload(_read(file))
    narrate(f"{node}: {said.get('name')} runs as {said.get('module_id')}")


@verbs.command("list", epilog="Example: edgeflow csi wasm list 192.168.4.7")
def list_modules(
    node: NodeArgument, *, ota_key: KeyOption = DEFAULT_KEY, json: JsonOption = False
) -> None:
    """Show the modules of a node."""
    said = _node(node, ota_key).list()
    if json:
        write_json(said)
        return
    write(f"{'ID':>3} {'STATE':<8} {'FRAMES':>8} {'EVENTS':>7} {'ERRORS':>6} {'US':>6}  NAME")
    for each in said.get("modules", []):
        row = {name: str(each.get(name, ""))[:32] for name in _SHOWN}
        write(
            f"{row['id']:>3} {row['state']:<8} {row['frame_count']:>8} {row['event_count']:>7} "
            f"{row['error_count']:>6} {row['mean_us']:>6}  {row['name']}"
        )


_SHOWN = ("id", "state", "frame_count", "event_count", "error_count", "mean_us", "name")


@verbs.command(epilog="Example: edgeflow csi wasm start 192.168.4.7 0")
def start(node: NodeArgument, number: SlotArgument, *, ota_key: KeyOption = DEFAULT_KEY) -> None:
    """Let a module of a node run again."""
    narrate(f"{node}: {_node(node, ota_key).start(number).get('action')}")


@verbs.command(epilog="Example: edgeflow csi wasm stop 192.168.4.7 0")
def stop(node: NodeArgument, number: SlotArgument, *, ota_key: KeyOption = DEFAULT_KEY) -> None:
    """Stop a module of a node; it stays loaded."""
    narrate(f"{node}: {_node(node, ota_key).stop(number).get('action')}")


@verbs.command(epilog="Example: edgeflow csi wasm delete 192.168.4.7 0")
def delete(node: NodeArgument, number: SlotArgument, *, ota_key: KeyOption = DEFAULT_KEY) -> None:
    """Remove a module from a node."""
    narrate(f"{node}: {_node(node, ota_key).delete(number).get('action')}")


def _read(file: Path) -> bytes:
    from edgeflow.devices.updates.signing import read_file

    return read_file(file, MAX_FILE)


def _write(file: Path, data: bytes) -> None:
    from edgeflow.devices.updates.signing import write_file

    write_file(file, data)


def _opened(file: Path) -> "Container":
    from edgeflow.protocols.rvf import Container

    return Container.decode(_read(file))


def _built(source: str) -> "Container":
    from edgeflow.sensing.modules.catalogue import find_module, read_source

    path = Path(source)
    if path.suffix == ".wasm":
        from edgeflow._native.modules import prepare_module
        from edgeflow.protocols.rvf import Container

        container = Container(read_source(path).manifest, _read(path))
        prepare_module(container.wasm)  # what no node could run is told now
        return container
    return (read_source(path) if path.suffix == ".c" else find_module(source)).build()


def _any(source: str) -> "Container":
    from edgeflow.protocols.rvf import CAPABILITIES, Container, Manifest

    path = Path(source)
    if path.suffix == ".wasm":
        name = path.stem.encode("ascii", "replace").decode()[:31]
        return Container(Manifest(name, (1 << len(CAPABILITIES)) - 1), _read(path))
    return _opened(path) if path.suffix == ".rvf" else _built(source)


def _key(path: Path, passphrase: str | None) -> Any:
    from edgeflow.devices.updates.signing import load_key

    return load_key(path, passphrase_of(passphrase))


def _signed(container: "Container", key: Path, passphrase: str | None) -> "Container":
    return container.sign(_key(key, passphrase).private.sign)


def _node(text: str, secret: str) -> "NodeModules":
    from edgeflow.devices.updates.client import NodeAddress
    from edgeflow.sensing.modules.node_client import NodeModules

    address = NodeAddress.parse(text)
    psk = str(settings_of({"ota-key": secret})["ota-key"])
    return NodeModules(address.host, address.port, psk)
