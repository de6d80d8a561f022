"""YAML text to plain data that remembers where everything stands; safe for hostile files.

YAML 1.2's core schema decides what is a number or a truth value, so ``on``, ``no`` and
``12:30:00`` stay text. ``${...}`` is replaced (see ``secrets``). Bounds: size, depth, aliases, and
nodes after aliases are followed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from edgeflow.pipelines.loading.problems import Problems
from edgeflow.pipelines.loading.secrets import MissingValueError, interpolate

__all__ = ["MAX_BYTES", "KeyPath", "Tree", "read_tree"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ALIASES = 1000
MAX_NODES = 50_000

KeyPath: TypeAlias = tuple[str | int, ...]

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX = "tag:yaml.org,2002:"


class _Loader(_Base):  # type: ignore[misc]  # chosen by what is installed
    """A SafeLoader of which only ``compose`` is used, with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _kind, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_PREFIX + _kind, re.compile(_pattern), _first)


@dataclass(slots=True)
class Tree:
    """The data of a file and its places.

    Attributes:
        data: dicts with text keys, lists, text, numbers, truth values, None.
        values: (line, column) of each value, from 1.
        keys: (line, column) of the key that leads to it, where there is one.
    """

    data: Any = None
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: KeyPath, *, key: bool = False) -> tuple[int, int]:
        """Return where ``path`` stands, or the nearest thing around it."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        while True:
            found = first.get(path) or second.get(path)
            if found is not None or not path:
                return found or (1, 1)
            path = path[:-1]


def read_tree(
    text: str, problems: Problems, *, folder: Path, environment: Mapping[str, str]
) -> Tree:
    """Read a document; what is wrong with it is added to ``problems``.

    Args:
        text: the file.
        problems: gets every finding, and the tree's places.
        folder: what relative paths of file secrets start from.
        environment: what ``${NAME}`` is taken from.
    """
    tree = problems.tree = Tree()
    try:
        if _is_within_bounds(text, problems):
            root = yaml.compose(text, Loader=_Loader)
            if root is not None:
                _Builder(tree, problems, folder, environment).build(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.add_at(at, "EF-CONFIG-010", f"not valid YAML: {what}", _yaml_hint(what))
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        problems.add_at((1, 1), "EF-CONFIG-010", f"not valid YAML: {said}")
    return tree


def _yaml_hint(what: str) -> str:
    if "found character '\\t'" in what or "that cannot start any token" in what:
        return "indent with spaces, and quote text that begins with a special character"
    if "flow mapping" in what or "flow sequence" in what:
        return "inside { } and [ ], quote text such as '${NAME}'"
    if "mapping values are not allowed" in what:
        return "quote text that contains ': '"
    return "check indentation, colons and quotes just before this place"


def _is_within_bounds(text: str, problems: Problems) -> bool:
    """Read the events, which needs no stack, before anything is built from them."""
    if len(text) > MAX_BYTES:
        problems.add_at((1, 1), "EF-CONFIG-018", f"the file has more than {MAX_BYTES} characters")
        return False
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            what = f"nests deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else "has too many aliases"
            problems.add_at(_mark(event), "EF-CONFIG-018", f"the file {what}")
            return False
    return True


class _TooMuchError(Exception):
    pass


class _Builder:
    """Turns composed nodes into data."""

    def __init__(
        self, tree: Tree, problems: Problems, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._tree = tree
        self._problems = problems
        self._folder = folder
        self._environment = environment
        self._count = 0
        self._open: set[int] = set()

    def build(self, root: yaml.Node) -> None:
        try:
            self._tree.data = self._value(root, ())
        except _TooMuchError as error:
            self._tree.data = None
            self._problems.add_at(_mark(root), "EF-CONFIG-018", str(error))

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooMuchError(f"the file grows beyond {MAX_NODES} values")
        if id(node) in self._open or len(path) > MAX_DEPTH:
            raise _TooMuchError("an alias contains itself")
        self._tree.values[path] = _mark(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add_at(_mark(key_node), "EF-CONFIG-013", "a key must be plain text")
            elif key_node.tag == _PREFIX + "merge":
                merged += (
                    value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                )
            else:
                self._entry(found, key_node, value_node, path)
        for other in merged:
            self._merge(found, other, path)
        return found

    def _entry(
        self, found: dict[str, Any], key: yaml.ScalarNode, value: yaml.Node, path: KeyPath
    ) -> None:
        here = (*path, key.value)
        if key.value in found:
            line, column = self._tree.keys[here]
            self._problems.add_at(
                _mark(key),
                "EF-CONFIG-011",
                f"{self._problems.name(here)}: the key is there twice",
                f"the first is at line {line}, column {column}; keep one",
            )
            return
        self._tree.keys[here] = _mark(key)
        found[key.value] = self._value(value, here)

    def _merge(self, found: dict[str, Any], other: yaml.Node, path: KeyPath) -> None:
        if not isinstance(other, yaml.MappingNode):
            self._problems.add_at(
                _mark(other), "EF-CONFIG-013", "'<<' merges mappings only", "name an anchor of one"
            )
            return
        for key, value in other.value:
            if isinstance(key, yaml.ScalarNode) and key.value not in found:
                self._tree.keys[(*path, key.value)] = _mark(key)
                found[key.value] = self._value(value, (*path, key.value))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = node.value
        if "${" in text:
            try:
                return interpolate(text, folder=self._folder, environment=self._environment)
            except MissingValueError as error:
                self._problems.add(error.code, path, error.message, error.hint)
                return text
        kind = node.tag.removeprefix(_PREFIX)
        convert = _SCALARS.get(kind)
        if convert is None:
            self._problems.add(
                "EF-CONFIG-010", path, f"the tag {node.tag!r} is not allowed", "write plain values"
            )
            return None
        try:
            return convert(text)
        except ValueError:
            self._problems.add("EF-CONFIG-013", path, f"{text!r} is not a YAML {kind}")
            return None


def _mark(node: Any) -> tuple[int, int]:
    """Return where a node or event begins."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def _integer(text: str) -> int:
    if len(text) > 40:
        raise ValueError(text)
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)


def _float(text: str) -> float:
    special = text.lower().lstrip("+-")
    if special in (".inf", ".nan"):
        text = text.replace(".", "")
    return float(text)


_SCALARS: dict[str, Any] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
}
