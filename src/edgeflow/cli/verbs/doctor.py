"""``doctor`` and ``version``: the machine that flows run on."""

import platform

from edgeflow.cli.terminal import JsonOption, new_group, show, write, write_json

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


@group.command(epilog="Example: edgeflow doctor")
def doctor(json: JsonOption = False) -> int:
    """Check this machine, and say what to do.

    Looks at Python, packages, cameras, Redis, ports, folders and shared memory. A warning is
    about something that only some flows need. Ends with 1 when something fails.
    """
    from edgeflow.cli.probes import State, examine

    findings = list(examine())
    failed = any(finding.state is State.FAIL for finding in findings)
    if json:
        write_json({"ok": not failed, "findings": findings})
        return int(failed)
    from rich.table import Table
    from rich.text import Text

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
    return int(failed)


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
