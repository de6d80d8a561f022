"""Writes a deployment into a folder instead of a cluster, for review or for another tool."""

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeflow.deploy.building import Recipe
from edgeflow.deploy.contexts import MARK, write_context
from edgeflow.deploy.dockerfile import FRAMEWORK, PROJECT
from edgeflow.deploy.kubernetes.manifests import KEDA_GROUP, secret, to_yaml
from edgeflow.deploy.kubernetes.naming import Target
from edgeflow.deploy.workloads import Stack
from edgeflow.errors import ConfigError

__all__ = ["write_image", "write_manifests"]

_FILES = {
    "Namespace": "00-namespace.yaml",
    "ServiceAccount": "20-network.yaml",
    "NetworkPolicy": "20-network.yaml",
    "Service": "20-network.yaml",
}
_SECRET, _WORKLOADS, _KEDA = "10-secret.yaml", "30-workloads.yaml", "40-autoscaling.yaml"


def write_manifests(
    folder: Path,
    stack: Stack,
    target: Target,
    objects: Sequence[Mapping[str, Any]],
    supplied: Mapping[str, str],
) -> list[Path]:
    """Write ``objects`` by topic, and a Secret unless there is one already; return the files.

    ``kubectl apply -f`` of the folder takes them in the right order. Git ignores the Secret.
    """
    _mark(folder)
    texts: dict[str, list[Mapping[str, Any]]] = {}
    for one in objects:
        texts.setdefault(_file_of(one), []).append(one)
    if _KEDA not in texts:
        (folder / _KEDA).unlink(missing_ok=True)
    for name, some in texts.items():
        (folder / name).write_text(to_yaml(some))
    written = [folder / name for name in texts]
    if not (folder / _SECRET).exists():
        written.append(_write_secret(folder, stack, target, supplied))
    (folder / ".gitignore").write_text(f"/{_SECRET}\n")
    return sorted(written)


def write_image(folder: Path, recipe: Recipe) -> str:
    """Write what the image is built from into ``folder/image``, and return its tag.

    Raises:
        ConfigError: something else is there, or the image cannot be made.
    """
    _mark(folder)
    context = folder / "image"
    ours = {"Dockerfile", PROJECT, FRAMEWORK}
    if context.exists():
        if not {path.name for path in context.iterdir()} <= ours:
            raise ConfigError(f"{context} holds something else", hint="name another --out folder")
        shutil.rmtree(context)
    context.mkdir(parents=True)
    return write_context(recipe.image, context, recipe.source, recipe.base)


def _mark(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def _file_of(one: Mapping[str, Any]) -> str:
    if one["apiVersion"].startswith(KEDA_GROUP):
        return _KEDA
    return _FILES.get(one["kind"], _WORKLOADS)


def _write_secret(folder: Path, stack: Stack, target: Target, supplied: Mapping[str, str]) -> Path:
    values = {key: secrets.token_urlsafe(24) for key in stack.secrets}
    values |= {key: supplied.get(key, "") for key in stack.wanted_secrets}
    path = folder / _SECRET
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(to_yaml([secret(stack, target, values)]))
    return path
