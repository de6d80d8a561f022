"""The Dockerfile of a flow's image: built in one stage, run in another, as nobody in particular."""

import re

from edgeflow.deploy.images import APP_FOLDER, DATA_FOLDER
from edgeflow.deploy.workloads import IMAGE_USER, Image
from edgeflow.errors import ConfigError

__all__ = ["BASE", "FRAMEWORK", "PROJECT", "dockerfile"]

BASE = "python:3.12-slim"
PROJECT, FRAMEWORK = "project", "edgeflow"
"""Folders of the context: the user's, and EdgeFlow's own."""

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_EXTRA = re.compile(r"[a-z0-9][a-z0-9._-]*")

_TEXT = """\
# syntax=docker/dockerfile:1
FROM {base} AS build
RUN apt-get update \\
 && apt-get install -y --no-install-recommends gcc git libc6-dev \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY {framework} .
{requirements}RUN pip wheel --no-cache-dir --wheel-dir /wheels {requirement}

FROM {base}
RUN groupadd --gid {user} edgeflow \\
 && useradd --uid {user} --gid {user} --no-create-home --home-dir /tmp edgeflow \\
 && install -d -o {user} -g {user} {data}
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \\
    pip install --no-cache-dir --no-index /wheels/*.whl
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY {project} {app}
WORKDIR {app}
USER {user}:{user}
"""


def dockerfile(image: Image, requirement: str, base: str = BASE) -> str:
    """Return the Dockerfile of an image.

    Args:
        image: what is built.
        requirement: what pip installs EdgeFlow from: ``.``, a wheel, or a requirement.
        base: image of Python that it is built upon.

    Raises:
        ConfigError: a name could be taken for something else.
    """
    if not _REFERENCE.fullmatch(base):
        raise ConfigError(f"{base!r} is no name of an image", hint=f"as in {BASE}")
    for extra in image.extras:
        if not _EXTRA.fullmatch(extra):
            raise ConfigError(f"{extra!r} is no name of an extra")
    extras = f"[{','.join(image.extras)}]" if image.extras else ""
    wanted, copied = _quoted(_with_extras(requirement, extras)), ""
    if image.requirements:
        copied = f"COPY {PROJECT}/{image.requirements} /requirements.txt\n"
        wanted += " --requirement /requirements.txt"
    return _TEXT.format(
        base=base,
        framework=FRAMEWORK,
        requirement=wanted,
        requirements=copied,
        user=IMAGE_USER,
        data=DATA_FOLDER,
        project=PROJECT,
        app=APP_FOLDER,
    )


def _with_extras(requirement: str, extras: str) -> str:
    name = re.match(r"edgeflow(?=\s*[@=<>!~]|$)", requirement)
    if name:
        return f"edgeflow{extras}{requirement[name.end() :]}"
    return f"{requirement}{extras}"


def _quoted(text: str) -> str:
    if any(character in text for character in "'\"\\`$\n"):
        raise ConfigError(f"{text!r} cannot be a requirement in a Dockerfile")
    return f'"{text}"'
