"""The core modules of the catalogue, over simulated rooms."""

import statistics
from pathlib import Path

import pytest

from edgeflow.errors import ConfigError, EngineError
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import events_of
from edgeflow.sensing.modules.runtime import ModuleInstance
from edgeflow.sensing.simulate import Radio, Simulation, preset

COHERENCE = 2


def test_coherence_is_told_every_second_and_falls_when_somebody_walks() -> None:
    wasm = build_module(SOURCES / "core" / "coherence.c")
    means = {}
    for name in ("empty", "walking"):
        scenario = preset(name, seconds=30.0, radio=Radio(rate_hz=20.0))
        told = list(events_of(wasm, Simulation(scenario)))
        assert {event.type for event in told} == {COHERENCE}
        assert len(told) > 20
        means[name] = statistics.mean(event.value for event in told)

    assert means["walking"] < means["empty"] <= 1.0


def test_an_endless_loop_ends(tmp_path: Path) -> None:
    source = tmp_path / "endless.c"
    source.write_text(
        '#include "edgeflow_csi.h"\nstatic volatile int at;\n'
        "EF_EXPORT(on_timer) void on_timer(void) { for (;;) { at++; } }\n"
    )
    module = ModuleInstance(build_module(source))

    with pytest.raises(EngineError, match="on_timer"):
        module.timer()


def test_a_source_that_does_not_compile_says_where(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int on_frame(void) { return nothing; }\n")

    with pytest.raises(ConfigError, match=r"wrong\.c:1:"):
        build_module(source)
