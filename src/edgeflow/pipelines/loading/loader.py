"""From a ``pipelines.yaml`` to a checked ``Declaration``, or to all that is wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError
from edgeflow.pipelines.declaration import Declaration
from edgeflow.pipelines.loading.parts import Parts
from edgeflow.pipelines.loading.plugins import PluginFolder
from edgeflow.pipelines.loading.problems import Problems
from edgeflow.pipelines.loading.references import check_references
from edgeflow.pipelines.loading.resolve import Resolver
from edgeflow.pipelines.loading.tree import MAX_BYTES, read_tree
from edgeflow.pipelines.loading.validation import validate
from edgeflow.pipelines.paths import relative_to
from edgeflow.pipelines.schema.document import Document

__all__ = ["PLUGINS", "load", "load_text"]

PLUGINS = "plugins"


def load(path: Path | str, environment: Mapping[str, str] | None = None) -> Declaration:
    """Read and check a file; ``plugins/`` beside it holds the user's modules.

    Args:
        path: the file.
        environment: what ``${NAME}`` is taken from; the process's own if not given.

    Raises:
        ConfigError: it cannot be read.
        GraphError: with every problem in it, each with ``file:line:column``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="give a pipelines.yaml") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    return load_text(text, path, environment)


def load_text(text: str, path: Path, environment: Mapping[str, str] | None = None) -> Declaration:
    """Check the text of a file that stands, or would stand, at ``path``.

    Raises:
        GraphError: with every problem in it.
    """
    problems = Problems(str(path))
    tree = read_tree(
        text,
        problems,
        folder=path.parent,
        environment=os.environ if environment is None else environment,
    )
    raw = tree.data
    if not isinstance(raw, dict):
        if not problems.errors:
            problems.add_at((1, 1), "EF-CONFIG-013", "the file holds no mapping",
                            "begin with 'version: 1'")  # fmt: skip
        problems.check()
    plugins = PluginFolder((path.parent / PLUGINS).resolve())
    try:
        with relative_to(path.parent):
            return _declare(raw, path, plugins, problems)
    except BaseException:
        plugins.close()
        raise


def _declare(
    raw: dict[str, Any], path: Path, plugins: PluginFolder, problems: Problems
) -> Declaration:
    document = validate(Document, raw, (), problems)
    parts = Parts(raw, Resolver(plugins), problems)
    connectors, agents, actions = parts.connectors(), parts.agents(), parts.actions()
    pipelines = parts.pipelines()
    check_references(raw, problems, agents)
    problems.check()
    assert document is not None  # noqa: S101 - otherwise there were problems
    return Declaration(
        file=path,
        document=document,
        connectors=tuple(connectors),
        pipelines=tuple(pipelines),
        agents=tuple(agents),
        actions=tuple(actions),
        warnings=tuple(problems.warnings),
        plugins=plugins,
        models_place=problems.where(("gateway", "models"), key=False),
    )
