"""``doctor`` and ``version``: the machine that flows run on."""

import platform
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, show, write, write_json

if TYPE_CHECKING:
    from edgeflow.cli.probes import Finding

group = new_group()

_REPORTED = (
    "numpy",
    "opencv-python-headless",
    "msgspec",
    "fastapi",
    "uvicorn",
    "typer",
    "rich",
    "structlog",
    "prometheus-client",
    "av",
    "mcap",
    "onnxruntime",
)


WhatArgument = Annotated[
    Literal["csi"] | None, typer.Argument(metavar="[csi]", help="csi: nodes that sense by WiFi.")
]
NodeOption = Annotated[str | None, typer.Option(metavar="IP", help="Of csi: address of a node.")]
BoundOption = Annotated[
    str | None, typer.Option(metavar="IP", help="Of csi: to bind; wide only for a node elsewhere.")
]
UdpOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=65535, help="Of csi: the port that nodes send to.")
]
OtaOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=65535, help="Of csi: where the node takes updates.")
]
SecondsOption = Annotated[
    float, typer.Option(metavar="S", min=0.2, max=600, help="Of csi: how long to listen.")
]


@group.command(epilog="Example: edgeflow doctor csi --node 192.168.4.20")
def doctor(
    what: WhatArgument = None,
    *,
    node: NodeOption = None,
    host: BoundOption = None,
    port: UdpOption = 5005,
    ota_port: OtaOption = 8032,
    seconds: SecondsOption = 5.0,
    json: JsonOption = False,
) -> int:
    """Check this machine, and say what to do.

    Looks at Python, packages, cameras, Redis, ports, folders and shared memory. A warning is
    about something that only some flows need. With csi it looks whether nodes and this machine
    reach each other: networks, ports, packets, the way back. Ends with 1 when something fails.
    """
    from edgeflow.cli.probes import State, examine, guarded

    if what is None:
        if node is not None or host is not None:
            raise typer.BadParameter("--node and --host belong to: edgeflow doctor csi")
        findings = list(examine())
    else:
        from edgeflow.cli.probes.csi import Asked, csi

        asked = Asked(node, host, port, ota_port, seconds)
        narrate(f"Listening for {seconds:g} s on {asked.bound}, UDP port {port} and around")
        findings = list(guarded(lambda: csi(asked), "csi"))
    failed = any(finding.state is State.FAIL for finding in findings)
    if json:
        write_json({"ok": not failed, "findings": findings})
    else:
        _show(findings)
    return int(failed)


def _show(findings: "list[Finding]") -> None:
    from rich.table import Table
    from rich.text import Text

    from edgeflow.cli.probes import State

    styles = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        detail = Text(finding.detail)
        if finding.help:
            detail.append(f"\n{finding.help}", style="cyan")
        table.add_row(Text(finding.state.value, style=styles[finding.state]), finding.name, detail)
    show(table)


@group.command(epilog="Example: edgeflow version --json")
def version(json: JsonOption = False) -> None:
    """Show the versions of EdgeFlow and what it runs on."""
    import edgeflow
    from edgeflow.cli.probes import package_version

    if not json:
        write(f"edgeflow {edgeflow.__version__}")
        write(f"python {platform.python_version()} on {platform.platform()}")
        return
    write_json(
        {
            "edgeflow": edgeflow.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: package_version(name) for name in _REPORTED},
        }
    )
