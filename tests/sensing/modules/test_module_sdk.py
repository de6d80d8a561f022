"""The parts of the SDK that modules share, in modules of their own."""

import math

import numpy as np
import pytest

from edgeflow.sensing.modules.build import build_module
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance

MATHS = """
#include "edgeflow_math.h"
#include "edgeflow_csi.h"
EF_EXPORT(on_timer) void on_timer(void) {
    const float x = csi_get_motion_energy(), y = csi_get_bpm_breathing();
    csi_emit_event(20, ef_sin(x));
    csi_emit_event(21, ef_cos(x));
    csi_emit_event(22, ef_atan2(y, x));
    csi_emit_event(23, ef_sqrt(x));
    csi_emit_event(24, ef_wrap(x));
    csi_emit_event(25, ef_decibels(x));
}
"""
TIMES = """
#include "edgeflow_filter.h"
#include "edgeflow_rhythm.h"
EF_RING(values, 100);
static ef_grid grid = {.ring = &values, .step_ms = 100};
static ef_clock clock;
static ef_smooth smooth;
static ef_hold hold;
EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    (void)subcarriers;
    const float value = csi_get_motion_energy();
    const float passed = ef_clock_step(&clock);
    csi_emit_event(20, passed);
    csi_emit_event(21, ef_smooth_step(&smooth, value, passed, 2.0f));
    csi_emit_event(22, (float)ef_hold_step(&hold, value > 0.0f, passed, 1.0f, 2.0f));
    csi_emit_event(23, (float)ef_grid_push(&grid, value));
    csi_emit_event(24, (float)values.count);
    csi_emit_event(25, ef_autocorrelation(&values, 10));
    csi_emit_event(26, ef_power(&values, 0.1f));
    csi_emit_event(27, ef_power(&values, 0.2f));
}
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sdk")
    made = {}
    for name, text in (("maths", MATHS), ("times", TIMES)):
        (folder / f"{name}.c").write_text(text)
        made[name] = build_module(folder / f"{name}.c")
    return made


def test_functions_keep_the_error_that_they_state(build: dict[str, bytes]) -> None:
    module = ModuleInstance(build["maths"])
    for x in np.linspace(-9.0, 9.0, 181):
        for y in (-3.0, 0.0, 0.1, 20.0):
            module.inputs = Inputs(motion_energy=float(np.float32(x)), breathing_bpm=y)
            told = dict(module.timer())
            x32 = module.inputs.motion_energy
            assert told[20] == pytest.approx(math.sin(x32), abs=0.0002)
            assert told[21] == pytest.approx(math.cos(x32), abs=0.0002)
            assert told[22] == pytest.approx(math.atan2(y, x32), abs=0.00002)
            assert told[23] == pytest.approx(math.sqrt(max(x32, 0.0)), abs=1e-6)
            assert told[24] == pytest.approx(math.remainder(x32, 2 * math.pi), abs=1e-5)
            wanted = 10 * math.log10(x32) if x32 > 1e-12 else -120.0
            assert told[25] == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("rate", [10, 20, 50])
@pytest.mark.parametrize("start", [0, 2**32 - 5000])
def test_filters_do_not_depend_on_the_frame_rate_nor_on_wraps(
    build: dict[str, bytes], rate: int, start: int
) -> None:
    module = ModuleInstance(build["times"])
    turned: list[tuple[float, int]] = []
    told: dict[int, float] = {}
    for number in range(rate * 10 + 1):
        seconds = number / rate
        module.inputs = Inputs(
            time_ms=start + round(seconds * 1000), motion_energy=float(seconds >= 5.0)
        )
        told = dict(module.frame())
        if told[22]:
            turned.append((seconds, round(told[22])))

    assert turned == [(pytest.approx(5.9, abs=0.15), 1)]
    assert told[24] == 100
    # 1 - exp(-5 / 2), and what the first step of a coarse rate adds
    assert told[21] == pytest.approx(0.92, abs=0.03)


def test_a_gap_begins_anew(build: dict[str, bytes]) -> None:
    module = ModuleInstance(build["times"])
    for number in range(50):
        module.inputs = Inputs(time_ms=number * 100, motion_energy=0.0)
        told = dict(module.frame())
    assert told[24] > 40

    module.inputs = Inputs(time_ms=10_000, motion_energy=1.0)
    told = dict(module.frame())
    assert told[20] == 0.0
    assert told[22] == 0.0
    assert told[24] == 0.0


def test_rhythms_are_found(build: dict[str, bytes]) -> None:
    module = ModuleInstance(build["times"])
    for number in range(201):
        wave = 3.0 * math.sin(2 * math.pi * number / 20)
        module.inputs = Inputs(time_ms=number * 50, motion_energy=wave)
        told = dict(module.frame())

    assert told[25] > 0.9
    assert told[26] == pytest.approx(4.5, rel=0.1)
    assert told[27] == pytest.approx(0.0, abs=0.05)
