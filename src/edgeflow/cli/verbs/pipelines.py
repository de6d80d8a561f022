"""``up`` and ``schema``: flows that a YAML file declares."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from edgeflow.cli.failures import render
from edgeflow.cli.terminal import narrate, new_group, write_json

group = new_group()


@group.command(epilog="Example: edgeflow up pipelines.yaml")
def up(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The pipelines.yaml.")],
    processes: Annotated[
        bool, typer.Option("--processes", help="Not possible: the parts share one process.")
    ] = False,
) -> int:
    """Run the pipelines that a YAML file declares.

    From connectors through models to agents and actions, with a dashboard and a metrics port.
    SIGHUP reads the file again: a wrong one is refused and the flow goes on as it was. The first
    Ctrl+C finishes what is under way, the second one kills.
    """
    from edgeflow.comms.mqtt.embedded import kept
    from edgeflow.errors import ConfigError
    from edgeflow.observe.logs import configure_logging
    from edgeflow.pipelines.loading.loader import load
    from edgeflow.pipelines.orchestrator import Orchestrator
    from edgeflow.runtime.allocation import Spared
    from edgeflow.runtime.launch import drive
    from edgeflow.runtime.signals import setting_on_hangup, stopping_on_signals

    if processes:
        raise ConfigError(
            "edgeflow up runs in one process: acknowledgements, models and the event loop of "
            "connectors and actions are shared",
            hint="for more cores raise max_parallel, or serve the models with edgeflow serve",
        )
    if file.suffix == ".py":
        raise ConfigError(f"{file}: a Python flow is run by another command",
                          hint=f"edgeflow run {file}")  # fmt: skip
    declaration = load(file)
    for warning in declaration.warnings:
        narrate(render(warning, kind="warning"))
    configure_logging()
    orchestrator = Orchestrator(declaration, lambda: load(file), spared=Spared())
    with (
        stopping_on_signals(orchestrator.stop_requested) as early,
        setting_on_hangup(orchestrator.reload_requested),
        kept(),
    ):
        for line in orchestrator.welcome():
            narrate(line)
        code = drive(orchestrator, declaration.name)
    return 130 if early and early[0] == signal.SIGINT and code == 0 else code


@group.command(epilog="Example: edgeflow schema > pipelines.schema.json")
def schema() -> None:
    """Print the JSON Schema of pipelines.yaml, for editors.

    It has the options of every built-in connector, agent and action whose packages are installed.
    """
    from edgeflow.pipelines.schema.export import json_schema

    write_json(json_schema())
