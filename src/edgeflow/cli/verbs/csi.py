"""``csi``: sensing from WiFi channel state."""

import typer

from edgeflow.cli.terminal import new_group
from edgeflow.cli.verbs.csi_live import listen, record
from edgeflow.cli.verbs.csi_recordings import calibrate, plot, replay
from edgeflow.cli.verbs.csi_simulate import simulate
from edgeflow.cli.verbs.csi_wasm import verbs as wasm

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="csi")


@verbs.callback(epilog="Example: edgeflow csi listen")
def csi() -> None:
    """Sense presence, breathing and falls from WiFi channel state.

    Nodes send what they measure over UDP; recordings are treated alike.
    """


verbs.command(epilog="Example: edgeflow csi listen --host 0.0.0.0 --allow 192.168.4.0/24")(listen)
verbs.command(epilog="Example: edgeflow csi replay run.csv.xz --calibrate empty.csv.xz --json")(
    replay
)
verbs.command(epilog="Example: edgeflow csi record --out run.mcap --seconds 60")(record)
verbs.command(epilog="Example: edgeflow csi plot run.csv.xz --out run.png")(plot)
verbs.command(epilog="Example: edgeflow csi calibrate empty.csv.xz --out room.json")(calibrate)
verbs.command(epilog="Example: edgeflow csi simulate walking --nodes 3 --port 5005")(simulate)
verbs.add_typer(wasm, name="wasm")
