"""Which files of a project stay out of its image: the rules of ``.dockerignore``. Pure."""

import re
from collections.abc import Sequence

__all__ = ["NEVER", "Ignored"]

NEVER = (
    ".git", ".venv", "venv", "__pycache__", "*.pyc", "node_modules", ".env", ".env.*",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store", "Dockerfile", ".dockerignore",
)  # fmt: skip
"""What is no part of a project's image, whatever its own rules say."""


class Ignored:
    """Rules as Docker understands them, read once; the last one that fits decides.

    A rule fits a path, and everything below it. ``*`` stands for part of a name, ``**`` for any
    folders, ``!`` takes back. Names without a slash fit in every folder, unlike Docker's.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        rules = [line.strip() for line in lines]
        self._rules = [
            (_pattern(rule.removeprefix("!")), not rule.startswith("!"))
            for rule in rules
            if rule and not rule.startswith("#")
        ]
        self._takes_back = any(not leaves_out for _, leaves_out in self._rules)

    def __call__(self, path: str) -> bool:
        """Return whether ``path``, relative and with slashes, stays out."""
        out = False
        for pattern, leaves_out in self._rules:
            if pattern.match(path):
                out = leaves_out
        return out

    def whole(self, folder: str) -> bool:
        """Return whether nothing below ``folder`` can be wanted."""
        return not self._takes_back and self(folder)


def _pattern(rule: str) -> re.Pattern[str]:
    text = rule.removeprefix("./").strip("/")
    head = "" if rule.startswith("/") or "/" in text else "(?:.*/)?"
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]+\])", text)
    wanted = head + "".join(_part(part) for part in parts)
    try:
        return re.compile(rf"(?:{wanted})(?:/.*)?\Z", re.DOTALL)
    except re.error:  # a range that is none, such as [z-a]: then it is meant literally
        return re.compile(rf"{head}{re.escape(text)}(?:/.*)?\Z", re.DOTALL)


def _part(part: str) -> str:
    if part == "**/":
        return "(?:.*/)?"
    special = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in special:
        return special[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        body = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[{'^' + body[1:] if body[0] in '!^' and len(body) > 1 else body}]"
    return re.escape(part)
