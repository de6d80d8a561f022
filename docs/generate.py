"""Writes the reference pages that come from the code: settings and errors.

``python docs/generate.py`` writes them, ``--check`` fails when they are out of date.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from edgeflow import errors
from edgeflow.config import Settings

FOLDER = Path(__file__).parent / "reference"
LITERAL = r'_(?:port|text|integer)\("\w+", ("[^"]*"|self\.\w+|[\d* ]+)[,)]'
NOTE = "<!-- written by docs/generate.py; change the code instead -->\n"


def settings_page() -> str:
    """Return the table of environment variables, from the properties of ``Settings``."""
    lines = [
        NOTE,
        "# Settings\n",
        "Read from the environment when asked for: `from edgeflow.config import settings`.\n",
        "| `settings.` | environment variable | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, member in vars(Settings).items():
        if isinstance(member, property) and member.fget is not None:
            source = inspect.getsource(member.fget)
            variables = dict.fromkeys(re.findall(r'"([A-Z][A-Z_]{3,})"', source))
            default = re.search(LITERAL, source)
            lines.append(
                f"| `{name}` | {', '.join(f'`{v}`' for v in variables)} "
                f"| {_default(default.group(1)) if default else ''} "
                f"| {_first_line(member.fget)} |"
            )
    extra = [
        ("EDGEFLOW_LOG", "`json` for logs as JSON lines instead of text"),
        ("EDGEFLOW_LOG_LEVEL", "`debug`, `info` (default), `warning` or `error`"),
        ("NO_COLOR", "set: no colours"),
    ]
    lines += [f"| | `{variable}` | | {meaning} |" for variable, meaning in extra]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the tree of errors with codes and exit statuses."""
    lines = [
        NOTE,
        "# Errors\n",
        "All derive from `EdgeFlowError`; `code` is stable, `hint` says what to do.\n",
        "| error | code | exit status | meaning |",
        "|---|---|---|---|",
    ]
    for depth, kind in _tree(errors.EdgeFlowError, 0):
        indent = "&nbsp;" * 4 * depth
        about = f"`{kind.code}` | {kind.exit_code} | {_first_line(kind)}"
        lines.append(f"| {indent}`{kind.__name__}` | {about} |")
    return "\n".join(lines) + "\n"


def _tree(
    kind: type[errors.EdgeFlowError], depth: int
) -> Iterator[tuple[int, type[errors.EdgeFlowError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


def _default(code: str) -> str:
    value = code.strip().strip('"')
    own = re.fullmatch(r"self\.(\w+)", value)
    return f"that of `{own.group(1)}`" if own else f"`{value}`"


def main() -> int:
    """Write or check the pages."""
    stale = []
    for name, text in {"settings.md": settings_page(), "errors.md": errors_page()}.items():
        path = FOLDER / name
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run make docs\n")
    return len(stale)


if __name__ == "__main__":
    sys.exit(main())
