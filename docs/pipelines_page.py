"""The reference page of ``pipelines.yaml``, from the models that check it."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgeflow.pipelines.loading.plugins import PluginFolder
from edgeflow.pipelines.loading.resolve import Resolver
from edgeflow.pipelines.schema.document import (
    ActionEntry,
    AgentEntry,
    ConnectorEntry,
    DashboardOptions,
    Document,
)
from edgeflow.pipelines.schema.export import kinds_of
from edgeflow.pipelines.schema.gateway import BreakerOptions, GatewayOptions
from edgeflow.pipelines.schema.pipeline import PipelineOptions, ThrottleOptions
from edgeflow.pipelines.schema.stages import ModelUse

__all__ = ["pipelines_page"]

INTRODUCTION = """\
# pipelines.yaml

What each key means. How the parts work together: [how-to/pipelines.md](../how-to/pipelines.md).
`edgeflow schema` prints the same as JSON Schema. Unknown keys are errors.
"""

_FIXED: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("The file", "", Document),
    ("`gateway:` and each of `gateways:`", "", GatewayOptions),
    ("`breaker:` of a gateway", "", BreakerOptions),
    ("each of `pipelines:`", "", PipelineOptions),
    ("each of `models:`, and `downgrade:`", "A name alone will do.", ModelUse),
    ("`throttle:` of a pipeline", "`true` for the defaults.", ThrottleOptions),
    ("`dashboard:`", "", DashboardOptions),
)
_SECTIONS = (
    ("connectors", "each of `connectors:`", ConnectorEntry),
    ("agents", "each of `agents:`", AgentEntry),
    ("actions", "each of `actions:`", ActionEntry),
)


def pipelines_page(note: str) -> str:
    """Return the page."""
    lines = [note, INTRODUCTION]
    for title, remark, model in _FIXED:
        lines += [f"## {title}\n", *([remark + "\n"] if remark else []), *_table(model), ""]
    resolver = Resolver(PluginFolder(Path()))
    for section, title, entry in _SECTIONS:
        lines += [f"## {title}\n", *_table(entry), ""]
        for name, kind in kinds_of(section, resolver).items():
            lines += [*_kind(section, name, kind), ""]
    return "\n".join(lines).rstrip() + "\n"


def _kind(section: str, name: str, kind: type[Any]) -> Iterator[str]:
    yield f"### {section[:-1]} type `{name}`\n"
    yield _summary(kind) + "\n"
    yield from _table(kind.Options)
    if section == "connectors" and kind.uses_topics:
        yield ""
        yield "Each of its `topics:`\n"
        yield from _table(kind.Route)


def _table(model: type[BaseModel]) -> Iterator[str]:
    about = _attributes(model)
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        meaning = field.description or about.get(name, "")
        yield f"| `{key}` | {_type(model, key)} | {_default(field)} | {_cell(meaning)} |"


def _type(model: type[BaseModel], key: str) -> str:
    schema = model.model_json_schema(ref_template="{model}")
    return _cell(_words(schema["properties"][key], schema.get("$defs", {})))


def _words(schema: dict[str, Any], known: dict[str, Any]) -> str:
    if "$ref" in schema:
        meant = known.get(schema["$ref"], {})
        if "enum" in meant:
            return _words(meant, known)
        return re.sub(r"(Options|Keys|Entry|Use)$", "", str(schema["$ref"])).lower()
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(_words(option, known) for option in options))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = {"string": "text", "number": "number", "integer": "integer", "boolean": "yes or no"}
    text = kind.get(str(schema.get("type")), "")
    if schema.get("type") == "array":
        text = f"list of {_words(schema['items'], known)}" if schema.get("items") else "list"
    if schema.get("type") == "object":
        patterns = schema.get("patternProperties", {})
        inner = next(iter(patterns.values()), schema.get("additionalProperties"))
        text = (
            f"mapping to {_words(inner, known)}" if isinstance(inner, dict) and inner else "mapping"
        )
    return text + _limits(schema) or "anything"


def _limits(schema: dict[str, Any]) -> str:
    low = _number(schema.get("minimum", schema.get("exclusiveMinimum")))
    high = _number(schema.get("maximum", schema.get("exclusiveMaximum")))
    above = "above " if "exclusiveMinimum" in schema else ""
    if low and high:
        return f", {above}{low} to {high}"
    if low:
        return f", {above or 'from '}{low}"
    return f", up to {high}" if high else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else str(value)


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "" or isinstance(value, BaseModel):
        return ""
    if isinstance(value, list | dict | tuple) and not value:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return _cell(f"`{getattr(value, 'value', value)}`")


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return what docstrings of the model and its bases say of its keys."""
    found: dict[str, str] = {}
    for kind in model.__mro__:
        text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
        block = text.partition("Attributes:\n")[2]
        for names, about in re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8}.*)*)", block, re.M):
            for name in names.split(", "):
                found.setdefault(name, about)
    return found


def _summary(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()).replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")
