"""The reference page of stages and agents says what there is."""

import importlib
import re
from pathlib import Path

from edgeflow.pipelines import stages
from edgeflow.pipelines.agents import BUILT_IN as AGENTS
from edgeflow.pipelines.loading.loader import load_text
from edgeflow.pipelines.loading.stage_options import option_names
from edgeflow.pipelines.stages.serializers import ENCODINGS

PAGE = (Path(__file__).parents[3] / "docs/reference/stages-and-agents.md").read_text("utf-8")


def test_its_examples_load_without_a_warning(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    plans = [load_text(block, tmp_path / "pipelines.yaml", {}) for block in blocks]
    assert [len(plan.pipelines) for plan in plans] == [3, 3]
    assert [plan.warnings for plan in plans] == [(), ()]


def test_every_stage_option_serializer_and_agent_is_named():
    for module in stages.BUILT_IN:
        loaded = importlib.import_module(f"edgeflow.pipelines.stages.{module}")
        for name in loaded.__all__:
            assert f"`{module}.{name}`" in PAGE
            for option in option_names(getattr(loaded, name)):
                assert f"`{option}`" in PAGE, (name, option)
    for each in (*ENCODINGS, *AGENTS):
        assert f"`{each}`" in PAGE
