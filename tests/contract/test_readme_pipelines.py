"""The pipelines of the README and of ``config/`` hold no mistake."""

import re
from pathlib import Path

from edgeflow.pipelines.loading.loader import load, load_text

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_readme_checks_clean(tmp_path: Path) -> None:
    (text,) = (
        block
        for block in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
        if "# pipelines.yaml" in block
    )
    found = load_text(text, tmp_path / "pipelines.yaml", {})
    assert found.warnings == ()
    assert found.models == ("nanodet",)


def test_the_configuration_checks_clean() -> None:
    found = load(ROOT / "config" / "pipelines.yaml", {})
    assert found.warnings == ()
    assert found.models == ("mobilenet_v2_cls", "yolov5n_coco")
