"""What goes into the image of a flow, found by looking at the flow."""

import re
from collections.abc import Iterable
from pathlib import Path

from edgeflow.core.graph import NodeSpec
from edgeflow.deploy.demands import Demands
from edgeflow.deploy.workloads import Image

__all__ = ["APP_FOLDER", "DATA_FOLDER", "extras_of_node", "image_of", "mentioned_extras"]

APP_FOLDER = "/app"
"""Where the project is in the image; read-only."""
DATA_FOLDER = "/data"
"""Where a node with storage runs."""

REQUIREMENTS = "requirements.txt"
_MOST_BYTES = 1 << 20
_OWN_LINE = re.compile(r"^\s*edgeflow\s*\[([^\]]*)\]", re.IGNORECASE | re.MULTILINE)

_OF_MODULE = {
    "edgeflow.nodes.sinks.recording": ("record",),
    "edgeflow.nodes.sinks.video": ("video",),
    "edgeflow.nodes.sources.replay": ("record",),
    "edgeflow.nodes.sources.ros2": ("ros2",),
    "edgeflow.nodes.sources.video": ("video",),
    "edgeflow.nodes.vision": ("onnx",),
}


def extras_of_node(node: NodeSpec) -> set[str]:
    """Return the extras that the built-in classes of a node need."""
    bases = getattr(node.factory, "__mro__", ())
    modules = {base.__module__ for base in bases}
    return {
        extra
        for prefix, extras in _OF_MODULE.items()
        for module in modules
        if f"{module}.".startswith(f"{prefix}.")
        for extra in extras
    }


def mentioned_extras(folder: Path) -> set[str]:
    """Return the extras that a project's requirements name, as in ``edgeflow[onnx]``."""
    found = _OWN_LINE.findall(_text(folder / REQUIREMENTS))
    return {word.strip().lower() for group in found for word in group.split(",") if word.strip()}


def image_of(name: str, file: Path, extras: Iterable[str], asked: Iterable[Demands]) -> Image:
    """Return the image of the flow that ``file`` declares; its folder is the project."""
    wanted = {*extras, *mentioned_extras(file.parent)}
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
