"""Builds the image of a flow with docker or podman, and pushes it."""

import platform
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgeflow.deploy.contexts import write_context
from edgeflow.deploy.tools import ask, find_tool, run_aloud
from edgeflow.deploy.workloads import Image
from edgeflow.errors import ConfigError

__all__ = ["Recipe", "build_and_push", "reference_of", "tag_of", "usual_platform"]

_REGISTRY = re.compile(r"[a-z0-9]([a-z0-9._:-]*[a-z0-9])?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?(,[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?)*")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made.

    Attributes:
        image: what goes into it.
        source: where EdgeFlow comes from.
        base: image it is built upon.
        platform: what it is for, as in ``linux/amd64,linux/arm64``.
    """

    image: Image
    source: Path | str
    base: str
    platform: str


def usual_platform() -> str:
    """Return the platform of this machine."""
    machine = platform.machine()
    return f"linux/{_MACHINES.get(machine, machine)}"


def reference_of(image: Image, registry: str | None, tag: str) -> str:
    """Return the reference of an image, below ``registry`` if there is one.

    Raises:
        ConfigError: the registry cannot be called so.
    """
    if registry is None:
        return f"{image.name}:{tag}"
    if not _REGISTRY.fullmatch(registry):
        raise ConfigError(
            f"{registry!r} is no registry", hint="a host and a path, as in localhost:5000/team"
        )
    return f"{registry}/{image.name}:{tag}"


def tag_of(recipe: Recipe) -> str:
    """Return the tag that the image would get; nothing is built."""
    with tempfile.TemporaryDirectory(prefix="edgeflow-") as folder:
        return write_context(recipe.image, Path(folder), recipe.source, recipe.base)


def build_and_push(recipe: Recipe, registry: str) -> str:
    """Build an image, push it, and return its reference.

    Raises:
        ConfigError: there is no engine, or something cannot be called so.
        DeployError: building or pushing fails.
    """
    if not _PLATFORM.fullmatch(recipe.platform):
        raise ConfigError(f"{recipe.platform!r} is no platform", hint="as in linux/arm64")
    reference_of(recipe.image, registry, "latest")  # fail before the work
    engine = find_tool("docker", "podman", purpose="build and push the image")
    with tempfile.TemporaryDirectory(prefix="edgeflow-") as folder:
        tag = write_context(recipe.image, Path(folder), recipe.source, recipe.base)
        reference = reference_of(recipe.image, registry, tag)
        if Path(engine).name == "podman":
            _with_podman(engine, recipe.platform, reference, folder)
        else:
            _with_docker(engine, recipe.platform, reference, folder)
    return reference


def _with_docker(engine: str, wanted: str, reference: str, folder: str) -> None:
    if ask([engine, "buildx", "version"]).code != 0:
        raise ConfigError(
            "docker has no buildx, which the image is built with",
            hint="install the docker-buildx plugin",
        )
    run_aloud(
        [engine, "buildx", "build", "--platform", wanted, "--tag", reference, "--push", folder]
    )


def _with_podman(engine: str, wanted: str, reference: str, folder: str) -> None:
    """A manifest holds one image per platform; an earlier one of that name is replaced."""
    if "," not in wanted:
        run_aloud([engine, "build", "--platform", wanted, "--tag", reference, folder])
        run_aloud([engine, "push", reference])
        return
    ask([engine, "manifest", "rm", reference])
    run_aloud([engine, "build", "--platform", wanted, "--manifest", reference, folder])
    run_aloud([engine, "manifest", "push", "--all", reference, f"docker://{reference}"])
