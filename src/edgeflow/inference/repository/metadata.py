"""Read small YAML and JSON files into settings, within bounds, naming every mistake's place."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edgeflow.errors import ConfigError, MissingExtraError, did_you_mean

__all__ = ["MAX_METADATA_BYTES", "read_mapping", "read_settings", "validate"]

MAX_METADATA_BYTES = 256 * 1024

M = TypeVar("M", bound=BaseModel)


def read_settings(path: Path, kind: type[M], defaults: Mapping[str, Any] | None = None) -> M:
    """Return the settings of a file, over ``defaults``.

    Raises:
        ConfigError: it cannot be read, or has mistakes; the message has all of them.
    """
    values, places = read_mapping(path)
    return validate(kind, {**(defaults or {}), **values}, path, places)


def read_mapping(path: Path) -> tuple[dict[str, Any], dict[tuple[Any, ...], str]]:
    """Return what a YAML or JSON file holds, and ``line:column`` of each of its keys and entries.

    Raises:
        ConfigError: it is missing, too large, nested too deep, or not a mapping.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError("yaml", "pipelines") from None
    try:
        root, value = _compose(_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{place}: {problem}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{path}: not a mapping of names to values")
    return value, dict(_places(root, ()))


def validate(
    kind: type[M], values: Mapping[str, Any], path: Path, places: Mapping[tuple[Any, ...], str]
) -> M:
    """Return ``values`` as settings.

    Raises:
        ConfigError: there are mistakes; the message has all of them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_problem(each, kind, path, places) for each in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_METADATA_BYTES + 1)
        if len(data) > MAX_METADATA_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_METADATA_BYTES} bytes")
        return data.decode("utf-8")
    except OSError as error:
        hint = "name a folder of models, or a models.yaml" if not path.exists() else ""
        raise ConfigError(f"{path}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8") from None


def _compose(text: str) -> tuple[Any, Any]:
    """Return the tree of nodes of a YAML text, and its value."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = _without_aliases(loader).get_single_node()
        return root, {} if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _without_aliases(loader: Any) -> Any:
    """Refuse aliases, with which a small file can describe an enormous one."""
    import yaml

    compose = loader.compose_node

    def compose_node(parent: Any, index: Any) -> Any:
        if loader.check_event(yaml.AliasEvent):
            mark = loader.peek_event().start_mark
            raise yaml.YAMLError(f"line {mark.line + 1}: aliases are not supported")
        return compose(parent, index)

    loader.compose_node = compose_node
    return loader


def _places(node: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, getattr(key, "value", None))
            yield here, _of(key.start_mark)
            yield from _places(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), _of(value.start_mark)
            yield from _places(value, (*place, index))


def _of(mark: Any) -> str:
    return f"{mark.line + 1}:{mark.column + 1}"


def _problem(
    error: Any, kind: type[BaseModel], path: Path, places: Mapping[tuple[Any, ...], str]
) -> str:
    place: Sequence[Any] = tuple(error["loc"])
    while place and tuple(place) not in places:
        place = place[:-1]
    where = f"{path}:{places[tuple(place)]}" if place else str(path)
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _fields(kind, error["loc"][:-1])
        return f"{where}: unknown key {name!r}; {did_you_mean(str(error['loc'][-1]), known)}"
    return f"{where}: {name}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _fields(kind: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """Return the keys that are known at a place inside a model."""
    for part in place:
        field = kind.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is None:
            continue
        found = list(_models_in(field.annotation))
        if not found:
            return []
        kind = found[0]
    return [field.alias or name for name, field in kind.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
