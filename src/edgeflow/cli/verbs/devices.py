"""``devices``: boards, real ones and those that are only software."""

import typer

from edgeflow.cli.terminal import new_group
from edgeflow.cli.verbs.boards import bench, info, list_ports, monitor
from edgeflow.cli.verbs.virtual import virtual

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="devices")


@verbs.callback(epilog="Example: edgeflow devices info /dev/ttyACM0")
def devices() -> None:
    """Look at boards, or run boards that are only software."""


verbs.command("list", epilog="Example: edgeflow devices list --ask")(list_ports)
verbs.command(epilog="Example: edgeflow devices info /dev/ttyACM0 --json")(info)
verbs.command(epilog="Example: edgeflow devices monitor /dev/ttyACM0")(monitor)
verbs.command(epilog="Example: edgeflow devices bench /dev/ttyACM0 --in-flight 1")(bench)


verbs.command(epilog="Example: edgeflow devices virtual --model model_fp32.bin --baud 921600")(
    virtual
)
