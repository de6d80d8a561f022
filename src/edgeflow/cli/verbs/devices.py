"""``devices``: the registry of all kinds, boards, and boards that are only software."""

import typer

from edgeflow.cli.terminal import new_group
from edgeflow.cli.verbs.boards import bench, info, list_ports, monitor
from edgeflow.cli.verbs.device_discovery import discover
from edgeflow.cli.verbs.device_registry import configure, group_devices, name, show, tag
from edgeflow.cli.verbs.device_removal import remove
from edgeflow.cli.verbs.device_secrets import certificates, credentials
from edgeflow.cli.verbs.virtual import virtual

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="devices")


@verbs.callback(epilog="Example: edgeflow devices info /dev/ttyACM0")
def devices() -> None:
    """Name and configure devices; look at boards, or run some."""


verbs.command("list", epilog="Example: edgeflow devices list --ask")(list_ports)
verbs.command(epilog="Example: edgeflow devices info /dev/ttyACM0 --json")(info)
verbs.command(epilog="Example: edgeflow devices monitor /dev/ttyACM0")(monitor)
verbs.command(epilog="Example: edgeflow devices bench /dev/ttyACM0 --in-flight 1")(bench)


verbs.command(epilog="Example: edgeflow devices virtual --model model_fp32.bin --baud 921600")(
    virtual
)


verbs.command(epilog="Example: edgeflow devices show attic --store sqlite:///home.db")(show)
verbs.command(epilog="Example: edgeflow devices name attic 'Under the roof' --location North")(name)
verbs.command("group", epilog="Example: edgeflow devices group north attic bedroom")(group_devices)
verbs.command(epilog="Example: edgeflow devices tag battery attic")(tag)
verbs.command("set", epilog="Example: edgeflow devices set attic read_seconds=5 --wait 10")(
    configure
)
verbs.command(epilog="Example: edgeflow devices remove probe-1a2b3c4d --forget-data")(remove)
verbs.command(epilog="Example: edgeflow devices credentials attic bedroom")(credentials)
verbs.command(epilog="Example: edgeflow devices certificates --host broker.home")(certificates)
verbs.command(epilog="Example: edgeflow devices discover --seconds 3 --json")(discover)
