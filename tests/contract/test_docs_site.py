"""All pages become a site without a warning, and each can be found from the first."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    made = subprocess.run(
        [*command, "-d", tmp_path / "trees", DOCS, tmp_path / "site"],
        capture_output=True, text=True, check=False, timeout=230,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    first = (tmp_path / "site/README.html").read_text()
    pages = [page.relative_to(DOCS) for page in DOCS.glob("*/*.md") if page.parent.name != "images"]
    assert len(pages) > 50
    missing = [str(page) for page in pages if str(page.with_suffix(".html")) not in first]
    assert not missing
    assert "url=README.html" in (tmp_path / "site/index.html").read_text()
