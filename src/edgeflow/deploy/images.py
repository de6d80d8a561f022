"""What goes into the image of a flow, found by looking at the flow."""

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from edgeflow.core.graph import NodeSpec
from edgeflow.deploy.demands import Demands
from edgeflow.deploy.ignoring import NEVER, Ignored
from edgeflow.deploy.workloads import Image

__all__ = ["APP_FOLDER", "DATA_FOLDER", "extras_of_node", "image_of"]

APP_FOLDER = "/app"
"""Where the project is in the image; read-only."""
DATA_FOLDER = "/data"
"""Where a node with storage runs."""

REQUIREMENTS = "requirements.txt"
_MOST_BYTES = 1 << 20
_OWN_LINE = re.compile(r"^\s*edgeflow\s*\[([^\]]*)\]", re.IGNORECASE | re.MULTILINE)

_OF_MODULE = {
    "edgeflow.climate.learning": ("climate",),
    "edgeflow.comms.brokers.zenoh": ("zenoh",),
    "edgeflow.comms.mqtt": ("pipelines",),
    "edgeflow.comms.ros2": ("ros2",),
    "edgeflow.devices": ("mcu",),
    "edgeflow.inference.engines.litert": ("litert",),
    "edgeflow.inference.engines.onnx": ("onnx",),
    "edgeflow.inference.engines.torch": ("torch",),
    "edgeflow.nodes.gateway.interfaces.ros2": ("ros2",),
    "edgeflow.nodes.sinks.recording": ("record",),
    "edgeflow.nodes.sinks.video": ("video",),
    "edgeflow.nodes.sources.replay": ("record",),
    "edgeflow.nodes.sources.ros2": ("ros2",),
    "edgeflow.nodes.sources.video": ("video",),
    "edgeflow.nodes.vision": ("onnx",),
    "edgeflow.pipelines": ("pipelines",),
    "edgeflow.sensing": ("mcu",),
    "edgeflow.systems.smart_room": ("mcu",),
}
"""Extras that parts of EdgeFlow need, by module and what is below it."""
_MOST_FILES = 2000


def extras_of_node(node: NodeSpec) -> set[str]:
    """Return the extras that the built-in classes of a node need."""
    return _extras_of(base.__module__ for base in getattr(node.factory, "__mro__", ()))


def imported_extras(folder: Path) -> set[str]:
    """Return the extras of the parts of EdgeFlow that a project's own Python files import."""
    ignored = Ignored(NEVER)
    files = (file for file in folder.rglob("*.py"))
    wanted = (file for file in files if not ignored(file.relative_to(folder).as_posix()))
    return _extras_of(name for file in islice(wanted, _MOST_FILES) for name in _imports(file))


def _imports(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, and what it takes from them as if it were one."""
    try:
        tree = ast.parse(_text(file))
    except (SyntaxError, ValueError, RecursionError):  # then it runs nowhere
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _extras_of(modules: Iterable[str]) -> set[str]:
    found = set(modules)
    return {
        extra
        for prefix, extras in _OF_MODULE.items()
        if any(f"{module}.".startswith(f"{prefix}.") for module in found)
        for extra in extras
    }


def mentioned_extras(folder: Path) -> set[str]:
    """Return the extras that a project's requirements name, as in ``edgeflow[onnx]``."""
    found = _OWN_LINE.findall(_text(folder / REQUIREMENTS))
    return {word.strip().lower() for group in found for word in group.split(",") if word.strip()}


def image_of(name: str, file: Path, extras: Iterable[str], asked: Iterable[Demands]) -> Image:
    """Return the image of the flow that ``file`` declares; its folder is the project."""
    wanted = {*extras, *imported_extras(file.parent), *mentioned_extras(file.parent)}
    wanted.update(extra for one in asked for extra in one.extras)
    return Image(
        name=name,
        folder=file.parent,
        file=file.name,
        extras=tuple(sorted(wanted)),
        requirements=REQUIREMENTS if (file.parent / REQUIREMENTS).is_file() else "",
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
