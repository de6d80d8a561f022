"""Checks raw values against pydantic models and says in our own words what is wrong, and where."""

import types
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from edgeflow.pipelines.loading.problems import Problems
from edgeflow.pipelines.loading.secrets import Interpolated
from edgeflow.pipelines.loading.tree import KeyPath

__all__ = ["check_value", "hint_for", "validate"]

Model = TypeVar("Model", bound=BaseModel)

_CODES = {"extra_forbidden": "EF-CONFIG-012", "missing": "EF-CONFIG-014"}


def validate(
    model: type[Model],
    raw: Any,
    path: KeyPath,
    problems: Problems,
    *,
    also_known: Sequence[str] = (),
) -> Model | None:
    """Return ``raw`` as a ``model``, or None when something is wrong (added to ``problems``).

    Args:
        model: what it should be.
        raw: plain data.
        path: where ``raw`` stands.
        problems: gets what is wrong.
        also_known: further keys that are allowed there, for hints.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for finding in error.errors(include_url=False, include_input=False, include_context=True):
            relative = _existing(raw, finding["loc"])
            known = _known_keys(model, relative[:-1])
            known += also_known if len(relative) == 1 else ()
            _report(finding, _value(raw, relative), (*path, *relative), known, problems)
        return None


def _report(
    finding: Any, value: Any, path: KeyPath, known: Sequence[str], problems: Problems
) -> None:
    kind, missing = finding["type"], finding["loc"][-1:]
    code = _CODES.get(kind, "EF-CONFIG-013")
    if kind == "extra_forbidden":
        problems.add(code, path, "unknown key", hint_for(str(path[-1]), known), key=True)
    elif kind == "missing":
        name = missing[0]
        text = f"the key {name!r} is missing" if isinstance(name, str) else "a value is missing"
        problems.add(code, path, text, f"add '{name}: ...'", key=True)
    else:
        problems.add(code, path, *_words(finding, value))


def hint_for(name: str, known: Sequence[str]) -> str:
    """Return ``did you mean``, or what is known."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(dict.fromkeys(known))}" if known else ""


def _existing(root: Any, location: Sequence[str | int]) -> KeyPath:
    """Leave out what pydantic adds to a location (tags of unions) and what is not there."""
    path: list[str | int] = []
    raw: Any = root
    for index, part in enumerate(location):
        if _leads_on(raw, part):
            raw = raw[part]
        elif isinstance(raw, dict | list) and index < len(location) - 1:
            continue
        else:
            break
        path.append(part)
    return tuple(path)


def _leads_on(raw: Any, part: str | int) -> bool:
    if isinstance(raw, dict):
        return part in raw
    return isinstance(raw, list) and isinstance(part, int) and part < len(raw)


def _value(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = raw[part]
    return raw


def _words(finding: Any, value: Any) -> tuple[str, str]:
    """Return message and hint for a value that does not fit."""
    kind, said = finding["type"], str(finding["msg"])
    context = finding.get("ctx", {})
    if isinstance(value, Interpolated):
        return f"{value.source} {said.removeprefix('Input ')}", ""
    if kind in ("enum", "literal_error"):
        return f"{value!r} is not {context['expected']}", _close_to(value, context["expected"])
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"{value!r} is no text", f'quote it: "{str(value).lower()}"'
    if kind == "string_pattern_mismatch":
        return f"{value!r} is no valid name", "use letters, digits, '_', '-' and '.', at most 64"
    text = said.removeprefix("Value error, ").removeprefix("Input ")
    if isinstance(value, dict | list) or kind == "value_error":
        return text, ""
    shown = repr(value)
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} {text}", ""


def _close_to(value: Any, expected: str) -> str:
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    close = get_close_matches(str(value).lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys allowed at ``path`` below ``model``."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for kind in found for inner in _inside(kind, part)]
    return [
        field.alias or name
        for kind in found
        for candidate in _models(kind)
        for name, field in candidate.model_fields.items()
    ]


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        if field is not None:
            yield field.annotation
        return
    for argument in get_args(kind):
        if get_origin(kind) in (Union, types.UnionType, Annotated):
            yield from _inside(argument, part)
        elif isinstance(argument, type) or get_args(argument):
            yield argument


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        return
    for argument in get_args(kind):
        yield from _models(argument)


def check_value(annotation: Any, value: Any) -> tuple[Any, str]:
    """Return ``value`` as ``annotation`` wants it and "", or anything and what is wrong."""
    try:
        return TypeAdapter(annotation).validate_python(value), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, " ".join(part for part in _words(first, value) if part)
