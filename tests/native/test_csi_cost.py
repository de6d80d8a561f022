"""What a frame of sensing costs, in instructions."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "firmware/tools/csi_cost.py"


def test_a_frame_keeps_to_its_budget(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        pytest.skip("valgrind or gcc is missing: apt-get install valgrind gcc")
    specification = importlib.util.spec_from_file_location("csi_cost", TOOL)
    assert specification is not None and specification.loader is not None
    cost = importlib.util.module_from_spec(specification)
    sys.modules["csi_cost"] = cost
    specification.loader.exec_module(cost)
    found = cost.per_frame(cost.build(tmp_path))
    # Below half of it, the budget would hold back nothing.
    assert cost.CYCLES / 2 < found * cost.FACTOR < cost.CYCLES
