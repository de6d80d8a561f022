"""How Sphinx makes a site of these pages; ``make docs`` runs it.

The pages are Markdown as it is shown elsewhere, too: there is no list of contents in them. The one
here goes by their folders.
"""

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
CHAPTERS = {
    "Tutorials": "tutorials",
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Decisions": "adr",
}
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+\.md)(?:#[^)]*)?\)")

project = "EdgeFlow"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
root_doc = "README"
exclude_patterns = ["images/README.md"]
html_theme = "furo"
html_title = "EdgeFlow"
myst_enable_extensions = ["strikethrough"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4


def contents() -> str:
    """Return the directives that list all pages, chapter by chapter."""
    lines: list[str] = []
    for title, folder in CHAPTERS.items():
        lines += ["", "```{toctree}", ":hidden:", f":caption: {title}", ""]
        lines += sorted(f"{folder}/{page.stem}" for page in (FOLDER / folder).glob("*.md"))
        lines += ["model_format"] if folder == "reference" else []
        lines += ["```"]
    return "\n".join(lines)


def _shown(name: str, text: str) -> str:
    """Return a page whose links to Markdown elsewhere in the repository are words."""

    def words(link: re.Match[str]) -> str:
        target = (FOLDER / name).parent.joinpath(link[2]).resolve()
        if target.is_relative_to(FOLDER):
            return link[0]
        return f"{link[1]} (`{target.relative_to(FOLDER.parent)}`)"

    return LINK.sub(words, text)


def _read(_app: Any, name: str, source: list[str]) -> None:
    source[0] = _shown(name, source[0])
    if name == root_doc:
        source[0] += contents()


def _first_page(app: Any, failed: Exception | None) -> None:
    if failed is None and app.builder.format == "html":
        to = f'<meta http-equiv="refresh" content="0; url={app.builder.get_target_uri(root_doc)}">'
        Path(app.outdir, "index.html").write_text(f"<!doctype html>{to}\n")


def setup(app: Any) -> None:
    """Change pages as they are read; lead from ``index.html`` to the first."""
    app.connect("source-read", _read)
    app.connect("build-finished", _first_page)
