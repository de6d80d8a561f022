"""The committed build of the dashboard is current, small and needs nothing from outside."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "src" / "edgeflow" / "web" / "static"
FILES = (
    "docs.html",
    "index.html",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
    "vite.config.ts",
)
SCRIPT_BUDGET = 150 * 1024


def source_hash() -> str:
    """The digest of ``frontend/scripts/source-hash.mjs``."""
    sources = [path for path in (FRONTEND / "src").rglob("*") if path.is_file()]
    names = sorted([*FILES, *(path.relative_to(FRONTEND).as_posix() for path in sources)])
    lines = (
        f"{hashlib.sha256((FRONTEND / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_build_is_made_from_these_sources() -> None:
    assert (STATIC / "SOURCE_HASH").read_text().strip() == source_hash(), (
        "the build is stale: run `npm ci && npm run build` in frontend/"
    )


def test_scripts_are_within_their_budget() -> None:
    size = sum(len(gzip.compress(path.read_bytes())) for path in STATIC.glob("assets/*.js"))
    assert 0 < size < SCRIPT_BUDGET


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_pages_refer_only_to_files_of_the_build(name: str) -> None:
    text = (STATIC / name).read_text()
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        assert link.startswith("/static/")
        assert (STATIC / link.removeprefix("/static/")).is_file()
        assert re.search(r"-[\w-]{8}\.\w+$", link), "names carry a hash of the contents"


def test_styles_load_nothing_from_outside() -> None:
    for path in STATIC.glob("assets/*.css"):
        text = path.read_text()
        assert "@import" not in text
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", text)


def test_lock_file_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert all("integrity" in entry for name, entry in packages.items() if name)
