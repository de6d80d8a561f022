"""Writes the reference pages that come from the code: commands, settings, errors, HTTP API.

``python docs/generate.py`` writes them, ``--check`` fails when they are out of date.
"""

import asyncio
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec
import typer
from pipelines_page import pipelines_page
from tables_page import tables_page

from edgeflow import errors
from edgeflow.cli.table import SECTIONS, Verb
from edgeflow.config import Settings
from edgeflow.core import climate, status
from edgeflow.web.application import declare
from edgeflow.web.mjpeg import Encoder
from edgeflow.web.streams import Hub, StreamStatus

FOLDER = Path(__file__).parent / "reference"
_FLOW = (
    status.FlowStatus,
    status.NodeStatus,
    status.LinkStatus,
    StreamStatus,
    status.PathLatency,
    status.Segment,
    status.TraceRecord,
    status.LogLine,
)
_CLIMATE = tuple(getattr(climate, name) for name in climate.__all__)
_LIMITS = re.compile(r"Annotated\[([\w\[\]]+), Meta\([^()]*\)\]")
LITERAL = r'_(?:port|text|integer)\("\w+", ("[^"]*"|self\.\w+|[\d* ]+)[,)]'
NOTE = "<!-- written by docs/generate.py; change the code instead -->\n"


def settings_page() -> str:
    """Return the table of environment variables, from the properties of ``Settings``."""
    lines = [
        NOTE,
        "# Settings\n",
        "Read from the environment when asked for: `from edgeflow.config import settings`.\n",
        "| `settings.` | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, member in vars(Settings).items():
        if isinstance(member, property) and member.fget is not None:
            source = inspect.getsource(member.fget)
            variables = dict.fromkeys(re.findall(r'"([A-Z][A-Z_]{3,})"', source))
            default = re.search(LITERAL, source)
            lines.append(
                f"| `{name}` | {', '.join(f'`{v}`' for v in variables)} "
                f"| {_default(default.group(1)) if default else ''} "
                f"| {_first_line(member.fget)} |"
            )
    extra = [
        ("EDGEFLOW_LOG", "`json` for logs as JSON lines instead of text"),
        ("EDGEFLOW_LOG_LEVEL", "`debug`, `info` (default), `warning` or `error`"),
        ("NO_COLOR", "set: no colours"),
    ]
    lines += [f"| | `{variable}` | | {meaning} |" for variable, meaning in extra]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the tree of errors with codes and exit statuses."""
    lines = [
        NOTE,
        "# Errors\n",
        "All derive from `EdgeFlowError`; `code` is stable, `hint` says what to do.\n",
        "| error | code | exit status | meaning |",
        "|---|---|---|---|",
    ]
    for depth, kind in _tree(errors.EdgeFlowError, 0):
        indent = "&nbsp;" * 4 * depth
        about = f"`{kind.code}` | {kind.exit_code} | {_first_line(kind)}"
        lines.append(f"| {indent}`{kind.__name__}` | {about} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Return every command with its arguments and options."""
    lines = [
        NOTE,
        "# Commands\n",
        "`edgeflow COMMAND --help` says the same. `--debug` before any command shows tracebacks.",
    ]
    for section, verbs in SECTIONS:
        lines += ["", f"## {section}"]
        for verb in verbs:
            lines += ["", *_command(verb)]
    return "\n".join(lines) + "\n"


def _command(verb: Verb) -> Iterator[str]:
    group = import_module(f"edgeflow.cli.verbs.{verb.module}").group
    command: Any = typer.main.get_command(group)
    command = command.commands.get(verb.name, command)
    yield from _tree_of(f"edgeflow {verb.name}", command)


def _tree_of(usage: str, command: Any) -> Iterator[str]:
    yield from _about(usage, command)
    for name, child in getattr(command, "commands", {}).items():
        yield ""
        yield from _tree_of(f"{usage} {name}", child)


def _about(usage: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    words = [a.metavar or a.name.upper() for a in arguments]
    yield f"### `{' '.join([usage, *words])}`"
    yield ""
    yield inspect.cleandoc(command.help or "")
    rows = [(a.metavar or a.name.upper(), a.help) for a in arguments if a.help]
    rows += [(", ".join(o.opts) + _value(o), (o.help or "") + _preset(o)) for o in options]
    if rows:
        yield ""
        yield from ("| | |", "|---|---|")
        yield from (f"| `{names}` | {about or ''} |" for names, about in rows)


def _preset(option: Any) -> str:
    """Return what an option is without being given, as ``--help`` says it."""
    default = getattr(option.default, "value", option.default)
    said = option.is_flag or default in (None, "", (), []) or " default" in (option.help or "")
    return "" if said else f" Default: {default}."


def _value(option: Any) -> str:
    return "" if option.is_flag else f" {option.metavar or option.name.upper()}"


def http_page() -> str:
    """Return the page of the HTTP API with fresh tables between its marks."""
    text = (FOLDER / "http-api.md").read_text()
    shapes = {"shapes": _shapes(_FLOW), "climate": _shapes(_CLIMATE)}
    for mark, table in ({"routes": _routes()} | shapes).items():
        begin, end = f"<!-- {mark}: written by docs/generate.py -->\n", f"<!-- end of {mark} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}{table}{end}{rest.split(end, 1)[1]}"
    return text


def _routes() -> str:
    anything = cast("Any", None)  # nothing is asked of the flow
    app = declare(
        "docs",
        view=anything,
        frames=anything,
        hub=Hub(),
        encoder=Encoder(),
        closing=asyncio.Event(),
    )
    lines = ["| route | query | answer |", "|---|---|---|"]
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            parameters = [p for p in about.get("parameters", []) if p["in"] == "query"]
            query = ", ".join(_parameter(p["name"], p["schema"]) for p in parameters)
            lines.append(f"| `{method.upper()} {path}` | {query} | {about['summary']} |")
    return "\n".join(lines) + "\n"


def _parameter(name: str, schema: dict[str, Any]) -> str:
    kind = next((option for option in schema.get("anyOf", []) if option["type"] != "null"), schema)
    low = kind.get("minimum", kind.get("exclusiveMinimum"))
    limits = f" {low:g} to {kind['maximum']:g}" if "maximum" in kind else ""
    default = f", default {schema['default']}" if schema.get("default", "") != "" else ""
    return f"`{name}`{limits}{default}"


def _shapes(shapes: Sequence[type[msgspec.Struct]]) -> str:
    lines = []
    for shape in shapes:
        fields = msgspec.structs.fields(shape)
        shown = ", ".join(f"`{field.name}` {_kind(field.type)}" for field in fields)
        about = inspect.getdoc(shape) or ""
        attributes = re.findall(r"^    (\S.*(?:\n {8}.*)*)", about, re.M)
        lines.append(f"**{shape.__name__}**: {shown}.\n")
        lines += ["* " + " ".join(item.split()).replace("``", "`") for item in attributes]
        lines += [""] if attributes else []
    return "\n".join(lines) + "\n"


def _kind(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    text = re.sub(r"[\w.]+\.", "", str(annotation))
    while (plain := _LIMITS.sub(r"\1", text)) != text:
        text = plain
    return re.sub(r"Optional\[(.*)\]", r"\1 or null", text).replace(" | None", " or null")


def _tree(
    kind: type[errors.EdgeFlowError], depth: int
) -> Iterator[tuple[int, type[errors.EdgeFlowError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


def _default(code: str) -> str:
    value = code.strip().strip('"')
    own = re.fullmatch(r"self\.(\w+)", value)
    return f"that of `{own.group(1)}`" if own else f"`{value}`"


def main() -> int:
    """Write or check the pages."""
    stale = []
    pages = {
        "commands.md": commands_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "http-api.md": http_page(),
        "pipelines.md": pipelines_page(NOTE),
        "climate-tables.md": tables_page(NOTE),
    }
    for name, text in pages.items():
        path = FOLDER / name
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run make docs\n")
    return len(stale)


if __name__ == "__main__":
    sys.exit(main())
