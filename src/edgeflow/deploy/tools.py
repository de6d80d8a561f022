"""Programs of others that a deployment relies on: found on the PATH, run, believed only if 0."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgeflow.errors import ConfigError, DeployError

__all__ = ["Done", "ask", "find_tool", "require", "run_aloud"]

ASK_SECONDS = 120.0
_SHOWN_LINES = 12


class Done(NamedTuple):
    """A program that has ended."""

    code: int
    out: str
    err: str


def find_tool(*names: str, purpose: str) -> str:
    """Return the first of some programs that is on the ``PATH``.

    Raises:
        ConfigError: none is.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise ConfigError(
        f"{' or '.join(names)} is needed to {purpose}, and not on the PATH",
        hint="install it, or see what would be done with --dry-run or --out DIR",
    )


def ask(words: Sequence[str], given: str = "") -> Done:
    """Run a program whose answer matters, with ``given`` as its input.

    Raises:
        DeployError: it does not end within two minutes.
    """
    try:
        done = subprocess.run(
            list(words), input=given, capture_output=True, text=True, errors="replace",
            timeout=ASK_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DeployError(
            f"{_shown(words)} was not done after {ASK_SECONDS:.0f} s",
            hint="is the cluster reachable? try: kubectl cluster-info",
        ) from None
    return Done(done.returncode, done.stdout, done.stderr)


def require(words: Sequence[str], given: str = "") -> str:
    """Run a program and return its output.

    Raises:
        DeployError: it fails, or does not end within two minutes.
    """
    done = ask(words, given)
    if done.code != 0:
        said = "\n".join((done.err or done.out).strip().splitlines()[-_SHOWN_LINES:])
        raise DeployError(f"{_shown(words)} failed with status {done.code}:\n{said}")
    return done.out


def run_aloud(words: Sequence[str]) -> None:
    """Run a program that may take long; its output goes to stderr as it comes.

    Raises:
        DeployError: it fails.
    """
    process = subprocess.Popen(list(words), stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
    try:
        code = process.wait()
    except BaseException:  # Ctrl+C reached it, too
        process.terminate()
        process.wait()
        raise
    if code != 0:
        raise DeployError(f"{_shown(words)} failed with status {code}", hint="see above")


def _shown(words: Sequence[str]) -> str:
    return " ".join([Path(words[0]).name, *words[1:3]])
