"""kubectl, docker and podman as scripts on the PATH that write down how they were called.

They look at what they are given as far as that goes without a cluster or an image engine, and
answer what the test says. ``assert_valid`` lets a strict validator read what was applied.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from valid_manifests import assert_valid

__all__ = ["Call", "Tools"]

KUBECTL = """#!{python} -IS
import json, sys
from pathlib import Path
folder = Path({folder!r})
words, given = sys.argv[1:], ""
if "-" in words or "/dev/stdin" in words:
    given = sys.stdin.read()
with (folder / "calls").open("a") as log:
    log.write(json.dumps({{"tool": "kubectl", "words": words, "given": given}}) + "\\n")
if "--filename" in words and not given.startswith("---\\n"):
    sys.exit("no manifests on the input")
for known, code, answer in json.loads((folder / "answers").read_text()):
    if all(word in words for word in known):
        (sys.stdout if code in (0, 1) and answer[:1] != "!" else sys.stderr).write(answer)
        sys.exit(code)
"""
ENGINE = """#!{python} -IS
import json, os, sys
from pathlib import Path
folder = Path({folder!r})
words = sys.argv[1:]
context = words[-1] if Path(words[-1]).is_dir() else ""
found = sorted(os.listdir(context)) if context else []
text = (Path(context) / "Dockerfile").read_text() if context else ""
with (folder / "calls").open("a") as log:
    log.write(json.dumps({{"tool": {name!r}, "words": words, "given": text, "found": found}}))
    log.write("\\n")
print("from the engine")
for known, code, answer in json.loads((folder / "answers").read_text()):
    if all(word in words for word in known):
        sys.exit(code)
"""
NOTHING = json.dumps({"items": []})
Answer = tuple[list[str], int, str]


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    tool: str
    words: list[str]
    given: str = ""
    found: list[str] = field(default_factory=list)

    def assert_valid(self) -> None:
        """Let a validator that refuses unknown keys read the manifests on the input."""
        found = list(yaml.safe_load_all(self.given))
        assert found
        assert_valid(found)


class Tools:
    """A folder of such programs.

    Args:
        folder: empty.
        engines: names of the image engines that are installed.
    """

    def __init__(self, folder: Path, *engines: str, kubectl: bool = True) -> None:
        self.folder = folder
        folder.mkdir()
        self._answers: list[Answer] = [(["get", "secret"], 0, ""), (["get"], 0, NOTHING)]
        self.answer([])
        self._write({"kubectl": KUBECTL} if kubectl else {})
        self._write(dict.fromkeys(engines, ENGINE))

    def _write(self, scripts: dict[str, str]) -> None:
        for name, text in scripts.items():
            program = self.folder / name
            program.write_text(
                text.format(python=sys.executable, folder=str(self.folder), name=name)
            )
            program.chmod(0o755)

    def answer(self, words: list[str], answer: Any = "", code: int = 0) -> None:
        """Let calls with all of ``words`` be answered so; later answers go before earlier ones."""
        if words:
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self._answers.insert(0, (words, code, text))
        (self.folder / "answers").write_text(json.dumps(self._answers))

    @property
    def path(self) -> str:
        """A PATH with these programs, and what shells need."""
        return f"{self.folder}{os.pathsep}{os.defpath}"

    def calls(self, tool: str, *words: str) -> list[Call]:
        """Return the calls of one program that have all of ``words``."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        found = [Call(**json.loads(line)) for line in lines]
        return [c for c in found if c.tool == tool and all(word in c.words for word in words)]
