"""The JSON Schema of ``pipelines.yaml``, with the options of every built-in type."""

from typing import Any

from edgeflow.errors import EdgeFlowError
from edgeflow.pipelines.loading.plugins import PluginFolder
from edgeflow.pipelines.loading.resolve import KINDS, Resolver
from edgeflow.pipelines.schema.document import Document

__all__ = ["json_schema", "kinds_of"]

_ENTRIES = {"connectors": "ConnectorEntry", "agents": "AgentEntry", "actions": "ActionEntry"}
_DEFS = "#/$defs/{model}"


def kinds_of(section: str, resolver: Resolver) -> dict[str, type[Any]]:
    """Return the classes of the built-in types of a section that can be imported here, by name."""
    found = {}
    for name in sorted(KINDS[section][0]):
        try:
            found[name] = resolver.kind(section, name)
        except EdgeFlowError:
            continue  # it needs a package that is not installed
    return found


def json_schema(resolver: Resolver | None = None) -> dict[str, Any]:
    """Return the schema of a whole file (draft 2020-12).

    An entry of another type (a dotted path, an entry point) may have any keys.
    """
    from pathlib import Path

    resolver = resolver or Resolver(PluginFolder(Path()))
    schema = Document.model_json_schema(ref_template=_DEFS)
    definitions = schema.setdefault("$defs", {})
    for section, entry in _ENTRIES.items():
        base = definitions[entry]
        known = kinds_of(section, resolver)
        variants = [
            _variant(section, name, kind, base, definitions) for name, kind in known.items()
        ]
        other = {**base, "properties": {**base["properties"], "type": _other([*known])}}
        definitions[entry] = {"anyOf": [*variants, {**other, "additionalProperties": True}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "EdgeFlow pipelines.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _other(known: list[str]) -> dict[str, Any]:
    return {
        "type": "string",
        "not": {"enum": known},
        "description": "Dotted path of a class, or an entry point.",
    }


def _variant(
    section: str, name: str, kind: type[Any], base: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    options = kind.Options.model_json_schema(ref_template=_DEFS)
    definitions.update(options.pop("$defs", {}))
    properties = {**base["properties"], **options.get("properties", {})}
    properties["type"] = {"const": name}
    required = [*base.get("required", []), *options.get("required", [])]
    if section == "connectors" and kind.uses_topics:
        route = kind.Route.model_json_schema(ref_template=_DEFS)
        definitions.update(route.pop("$defs", {}))
        properties["topics"] = {"type": "array", "minItems": 1, "items": route}
    if section != "connectors":
        required = [*dict.fromkeys([*required, "type"])]
    return {
        "type": "object",
        "title": f"{section[:-1]} {name}",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
