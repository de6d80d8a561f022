"""Text and stack of the core within their budgets, and the tools that say so."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "firmware/tools"
INSTALL = "apt-get install gcc-xtensa-lx106 picolibc-xtensa-lx106-elf"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


budget = load("budget")


@pytest.mark.parametrize("target", list(budget.COMPILERS))
def test_the_core_keeps_to_its_budget(target: str) -> None:
    compiler = budget.COMPILERS[target]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing: {INSTALL}")
    usage = budget.measure(compiler)
    limits = budget.budgets()[target]
    assert set(limits) == {"text", "variables", "frame", "call"}
    assert budget.over(usage, limits) == []
    # The other way round: a budget that nothing could ever reach would be none.
    assert budget.found(usage)["text"] > limits["text"] / 2
    assert {"ef_model_parse", "ef_layers_run", "ef_tanh"} <= set(usage.frames)


def test_the_page_names_the_budgets_that_are_held() -> None:
    page = (TOOLS.parents[1] / "docs/reference/firmware-core.md").read_text("utf-8")
    targets = ("xtensa-lx106", "host")
    for row, key in {
        "text, whole core": "text",
        ".data and .bss": "variables",
        "largest frame": "frame",
        "deepest call": "call",
    }.items():
        found = re.search(rf"^\| {re.escape(row)}[^|]*\|([^|]+)\|([^|]+)\|$", page, re.MULTILINE)
        assert found is not None, row
        told = [int(cell.replace(",", "")) for cell in found.groups()]
        assert told == [budget.budgets()[target][key] for target in targets], row


def test_what_is_above_a_budget_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing")
    (tmp_path / "core/src").mkdir(parents=True)
    (tmp_path / "core/src/wide.c").write_text(
        "int counter;\n"
        "void use(char *bytes);\n"
        "static __attribute__((noinline)) void wide(void) { char b[3000]; use(b); }\n"
        "void above(void) { char b[1000]; use(b); wide(); use(b); }\n"
        "void growing(int count) { char b[count]; use(b); }\n"
    )
    monkeypatch.setattr(budget, "FIRMWARE", tmp_path)
    usage = budget.measure("gcc")
    most, way = usage.deepest()
    assert 4000 <= most < 4300 and way[:2] == ["above", "wide.c:wide"]
    told = budget.over(usage, {"text": 10, "variables": 0, "frame": 2999, "call": 3999})
    for words in ("text is", "variables is 4", "frame is 3", "call is 4", "frame of growing grows"):
        assert any(words in line for line in told), told


def test_the_table_of_tanh_is_what_its_script_writes() -> None:
    def coefficients(text: str) -> np.ndarray:
        return np.array(
            [float.fromhex(cell) for cell in re.findall(r"-?0x[\d.a-f]+p[+-]\d+", text)]
        )

    header = TOOLS.parent / "core/src/activation_table.h"
    held = coefficients(header.read_text())
    made = coefficients(load("activation_table").table())
    assert held.shape == made.shape == (52 * 4,)
    # Another numpy may round the fit's last bits differently.
    assert np.allclose(held, made, rtol=1e-4, atol=1e-7)
