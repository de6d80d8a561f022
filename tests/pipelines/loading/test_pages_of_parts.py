import re
from pathlib import Path

import pytest

from edgeflow.pipelines.actions import BUILT_IN as ACTIONS
from edgeflow.pipelines.connectors import BUILT_IN as CONNECTORS
from edgeflow.pipelines.loading.loader import load_text

PAGES = Path(__file__).parents[3] / "docs" / "reference"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name in ("connectors.md", "actions.md", "ros2.md")
    for number, block in enumerate(BLOCK.findall((PAGES / name).read_text()))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_of_the_reference_pages_load(block: str, tmp_path: Path) -> None:
    assert load_text(block, tmp_path / "pipelines.yaml", {}).pipelines


@pytest.mark.parametrize(
    ("page", "types"), [("connectors.md", CONNECTORS), ("actions.md", ACTIONS)]
)
def test_every_key_of_every_type_is_on_its_page(page: str, types: dict[str, str]) -> None:
    from importlib import import_module

    text = (PAGES / page).read_text()
    sections = {part.split("\n", 1)[0].strip(): part for part in text.split("\n## ")}
    general = text.split("\n## ")[0]
    for name, path in types.items():
        module, _, kind = path.partition(":")
        if name == "mqtt":
            continue
        options = getattr(import_module(module), kind).Options
        missing = [
            key
            for key in options.model_fields
            if f"`{key}`" not in sections[name] + general and f"`{key}[]`" not in sections[name]
        ]
        assert missing == [], name
