"""One tiny run of the scaling study: real servers, processes, viewers; its page and its plots."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.report import Options
from benchmarks.scale.study import run

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scaling.md"


def test_the_study_fills_its_page_and_draws(tmp_path):
    page = tmp_path / "explanation" / "scaling.md"
    page.parent.mkdir()
    marks = re.sub(r"(<!-- ([\w ]+) -->).*?(<!-- \2 end -->)", r"\1\n\3", PAGE.read_text("utf-8"),
                   flags=re.DOTALL)  # fmt: skip
    page.write_text(marks, "utf-8")
    results = run(Options(quick=True, page=page))
    text = page.read_text("utf-8")
    for result in results:
        assert f"<!-- {result.title} -->\n\n|" in text
    workers = re.search(r"\| Valkey, raw \| 4 \| (\d+) \|", text)
    assert workers is not None
    assert 0 < int(workers[1]) <= 130  # four workers of 40 ms, and what was under way
    cameras = re.search(r"\| raw \| 2 \| 1 \| (\d+) \|", text)
    assert cameras is not None
    assert int(cameras[1]) > 0
    drawn = sorted((tmp_path / "images").iterdir())
    assert [each.name for each in drawn] == [
        "scaling-cameras.svg", "scaling-model.svg", "scaling-workers.svg",
    ]  # fmt: skip
    for each in drawn:
        assert ElementTree.parse(each).getroot().tag.endswith("svg")
