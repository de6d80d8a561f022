"""``run``, ``check`` and ``graph``: what is done with a file that declares a flow."""

import runpy
import sys
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.failures import render as render_problem
from edgeflow.cli.failures import user_code
from edgeflow.cli.terminal import JsonOption, narrate, new_group, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeflow.app import EdgeApp
    from edgeflow.core.graph import Graph
    from edgeflow.errors import EdgeFlowError

group = new_group()

YAML_SUFFIXES = frozenset({".yaml", ".yml"})

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The Python file that declares the app.")
]
FlowArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A Python file that declares an app, or a YAML file.")
]


class Format(StrEnum):
    """Forms of a drawing."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


@group.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Example: edgeflow run main.py --processes",
)
def run(
    file: FileArgument,
    rest: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="Handed to the file as its command line."),
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Run this node here; the rest runs elsewhere."),
    ] = None,
    processes: Annotated[
        bool, typer.Option("--processes", help="Give every node a process of its own.")
    ] = False,
    replicas: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Instances of every node that can share its input."),
    ] = None,
) -> int:
    """Run the flow that a file declares.

    The same as `python FILE` with the same options, which may stand before or after the file.
    A file that declares an app without calling app.run() is run as well. The first Ctrl+C ends
    the flow in order and prints a summary, the second one kills it.
    """
    own = [f"--node={node}"] if node else []
    own += ["--processes"] if processes else []
    own += [f"--replicas={replicas}"] if replicas else []
    return run_file(file, [*own, *(rest or [])])


def run_file(file: Path, words: list[str]) -> int:
    """Run a file as a script; run the app it declares unless it has done so itself.

    Raises:
        ConfigError: no such file, or it declares no app.
        UserCodeError: its code raised something.
    """
    from edgeflow.app import EdgeApp
    from edgeflow.errors import ConfigError

    _require(file)
    if file.suffix in YAML_SUFFIXES:
        raise ConfigError(
            f"{file}: pipelines are run by another command", hint=f"edgeflow up {file}"
        )
    before = EdgeApp.runs_started
    sys.argv = [str(file), *words]
    sys.path.insert(0, str(file.resolve().parent))
    try:
        with user_code():
            names = runpy.run_path(str(file), run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        narrate(str(stop.code))
        return 1
    if EdgeApp.runs_started > before:
        return 0
    app = next((value for value in names.values() if isinstance(value, EdgeApp)), None)
    if app is None:
        raise ConfigError(f"{file}: no EdgeApp in it", hint='create one: app = EdgeApp("name")')
    if "--processes" in words:
        raise ConfigError(
            f"{file} never calls app.run(), which the processes of its nodes rely on",
            hint='end it with: if __name__ == "__main__": app.run()',
        )
    return app.run(words)


@group.command(epilog="Example: edgeflow check main.py")
def check(file: FlowArgument, json: JsonOption = False) -> int:
    """Find every mistake in a flow without running it.

    Prints a summary of the flow, or every problem with the line it was made in and what to do
    about it. Ends with 3 when there are problems.
    """
    from edgeflow.core.checks import find_problems
    from edgeflow.core.render import to_json
    from edgeflow.errors import EdgeFlowError, GraphError

    graph: Graph | None = None
    problems: Sequence[EdgeFlowError]
    warnings: Sequence[EdgeFlowError] = ()
    try:
        graph, warnings = declared(file)
        problems = find_problems(graph)
    except GraphError as error:
        problems = error.problems
    if json:
        write_json(
            {
                "ok": not problems,
                "problems": [_json_of(problem) for problem in problems],
                "warnings": [_json_of(warning) for warning in warnings],
                "graph": to_json(graph) if graph is not None else None,
            }
        )
        return GraphError.exit_code if problems else 0
    for warning in warnings:
        narrate(render_problem(warning, kind="warning"))
    if problems or graph is None:
        raise GraphError(problems)
    from edgeflow.cli.display.outline import outline

    write(outline(graph))
    return 0


def _json_of(problem: "EdgeFlowError") -> dict[str, str]:
    return {"code": problem.code, "message": problem.message, "hint": problem.hint}


@group.command(epilog="Example: edgeflow graph main.py --format mermaid")
def graph(
    file: FlowArgument,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What to draw it as.")
    ] = Format.TEXT,
    json: JsonOption = False,
) -> None:
    """Draw a flow.

    As text for the terminal, as Mermaid for Markdown pages, as DOT for Graphviz, or as JSON for
    programs. A flow with mistakes is drawn too; `edgeflow check` names them.
    """
    from edgeflow.cli.display.drawing import draw
    from edgeflow.cli.terminal import stdout
    from edgeflow.core import render

    drawn, _ = declared(file)
    if json or form is Format.JSON:
        write_json(render.to_json(drawn))
    elif form is Format.MERMAID:
        write(render.to_mermaid(drawn).rstrip("\n"))
    elif form is Format.DOT:
        write(render.to_dot(drawn).rstrip("\n"))
    else:
        write(draw(drawn, width=stdout().width))


def declared(file: Path) -> "tuple[Graph, Sequence[EdgeFlowError]]":
    """Return the graph of a Python or YAML file, and what may be a mistake in it.

    Raises:
        ConfigError: no such file, or it declares no app.
        GraphError: a YAML file has mistakes.
        UserCodeError: the code of a Python file raised something.
    """
    if file.suffix not in YAML_SUFFIXES:
        return load(file).graph(), ()
    from edgeflow.pipelines.loading.loader import load as load_yaml

    with redirect_stdout(sys.stderr):
        declaration = load_yaml(file)
    from edgeflow.pipelines.compile import compile_flow
    from edgeflow.pipelines.gateways import absent_models

    absent = absent_models(declaration)  # only warnings: they may be pulled later
    return compile_flow(declaration).graph, (*declaration.warnings, *absent)


def load(file: Path) -> "EdgeApp":
    """Return the app that a file declares; what the file prints goes to stderr.

    Raises:
        ConfigError: no such file, or it declares no app.
        UserCodeError: its code raised something.
    """
    from edgeflow.app import capture

    _require(file)
    with redirect_stdout(sys.stderr), user_code():
        return capture(file)


def _require(file: Path) -> None:
    from edgeflow.errors import ConfigError

    if not file.is_file():
        raise ConfigError(f"{file}: no such file", hint="give the file that declares your EdgeApp")
