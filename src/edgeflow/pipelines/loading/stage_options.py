"""Checks the options of a stage in the YAML against the function's signature."""

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgeflow.pipelines.loading.validation import check_value, hint_for

__all__ = ["Finding", "check_options", "option_names"]

Finding = tuple[str | None, str, str]
"""The option (None for the function itself), what is wrong with it, and what to do."""


def check_options(
    function: Callable[..., Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Finding]]:
    """Return the options as the function's annotations want them, and what is wrong.

    A stage takes two positional arguments; its options are its keyword-only parameters, and the
    keys of a ``TypedDict`` that ``**name: Unpack[...]`` stands for; or those of its constructor
    where it is a class.
    """
    called = _call_of(function) if isinstance(function, type) else function
    try:
        signature = inspect.signature(function)
        findings = list(_positional(called, inspect.signature(called)))
    except (TypeError, ValueError):
        return dict(options), []
    hints = _hints(vars(function).get("__init__", function))
    known, takes_any = _keywords(signature, hints)
    checked: dict[str, Any] = {}
    for name, value in options.items():
        if name in known and name in hints:
            checked[name], problem = check_value(hints[name], value)
            if problem:
                findings.append((name, problem, ""))
        elif name in known or takes_any:
            checked[name] = value
        else:
            findings.append((name, "the stage has no such option", _options_hint(name, known)))
    for name, is_required in known.items():
        if is_required and name not in options:
            findings.append((None, f"the option {name!r} is missing", f"add '{name}: ...'"))
    return checked, findings


def option_names(function: Callable[..., Any]) -> list[str]:
    """Return the options of a stage."""
    hints = _hints(vars(function).get("__init__", function))
    return [*_keywords(inspect.signature(function), hints)[0]]


def _keywords(signature: inspect.Signature, hints: dict[str, Any]) -> tuple[dict[str, bool], bool]:
    """Return which options there are and whether they are required, and whether any will do.

    Annotations of an unpacked ``TypedDict`` are added to ``hints``.
    """
    found: dict[str, bool] = {}
    takes_any = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            found[name] = parameter.default is parameter.empty
        elif parameter.kind is parameter.VAR_KEYWORD:
            hint = hints.get(name)
            takes_any = typing.get_origin(hint) is not typing.Unpack
            if not takes_any:
                (shape,) = typing.get_args(hint)
                hints |= _hints(shape)
                found |= {key: key in shape.__required_keys__ for key in _hints(shape)}
    return found, takes_any


def _call_of(kind: type[Any]) -> Callable[..., Any]:
    """Return ``__call__`` as the objects of ``kind`` have it, without ``self``."""
    return functools.partial(kind.__call__, None)


def _positional(function: Callable[..., Any], signature: inspect.Signature) -> Iterator[Finding]:
    plain = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    required = [parameter for parameter in plain if parameter.default is parameter.empty]
    takes_more = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    if len(required) > 2 or (len(plain) < 2 and not takes_more):
        name = getattr(function, "__name__", "the function")
        yield (
            None,
            f"{name}{signature} does not take two arguments",
            "preprocess(message, payload, *, options...) or "
            "postprocess(response, message, *, options...)",
        )


def _options_hint(name: str, known: Mapping[str, bool]) -> str:
    return hint_for(name, sorted(known)) if known else "it has no options"


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations may name anything
        return {}
