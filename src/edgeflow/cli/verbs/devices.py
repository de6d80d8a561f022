"""``devices``: boards, real ones and those that are only software."""

import typer

from edgeflow.cli.terminal import new_group
from edgeflow.cli.verbs.virtual import virtual

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="devices")


@verbs.callback(epilog="Example: edgeflow devices virtual --model model_fp32.bin")
def devices() -> None:
    """Run boards that are only software."""


verbs.command(epilog="Example: edgeflow devices virtual --model model_fp32.bin --baud 921600")(
    virtual
)
