"""Modules made safe: the copy is valid where the module was, does the same, and always ends."""

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.modules import prepare_module
from edgeflow.errors import EngineError
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance
from module_images import wasm_of

ENGINE = wasmtime.Engine()


def is_valid(wasm: bytes) -> bool:
    try:
        wasmtime.Module.validate(ENGINE, wasm)
    except wasmtime.WasmtimeError:
        return False
    return True


@pytest.fixture(scope="module")
def real() -> list[bytes]:
    names = ("core/coherence", "medical/sleep_apnea", "building/energy_audit")
    return [build_module(SOURCES / f"{name}.c") for name in names]


def test_what_was_valid_stays_valid(real: list[bytes]) -> None:
    for wasm in real:
        assert is_valid(wasm)
        assert is_valid(prepare_module(wasm).wasm)

    @settings(max_examples=400, deadline=None)
    @given(
        which=st.integers(0, len(real) - 1),
        flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    )
    def mutated(which: int, flips: list[tuple[float, int]]) -> None:
        wasm = bytearray(real[which])
        for place, value in flips:
            wasm[8 + int(place * (len(wasm) - 9))] = value
        try:
            prepared = prepare_module(bytes(wasm))
        except EngineError:
            return
        if is_valid(bytes(wasm)):
            assert is_valid(prepared.wasm)

    mutated()


COUNTING = """
(func $fib (param i32) (result i32) (local $a i32) (local $b i32)
  (local.set $b (i32.const 1))
  (block $done (loop $more
    (br_if $done (i32.eqz (local.get 0)))
    (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
    (local.get $b) (local.set $b (i32.add (local.get $a) (local.get $b))) (local.set $a)
    (br $more)))
  (local.get $a))
(func (export "on_timer") (call $tell (i32.const 1)
  (f32.convert_i32_u (call $fib (i32.load offset=0 (i32.const 0))))))
(data (i32.const 0) "N\\00\\00\\00")
"""


@pytest.mark.parametrize(("count", "result"), [(0, 0.0), (1, 1.0), (10, 55.0), (30, 832040.0)])
def test_a_loop_does_what_it_did_and_costs_what_it_turns(count: int, result: float) -> None:
    module = ModuleInstance(wasm_of(COUNTING.replace("N", f"\\{count:02x}")))
    assert [event.value for event in module.timer()] == [result]
    assert 12 * count < module.spent < 18 * count + 60
    with pytest.raises(EngineError, match="out of fuel"):
        ModuleInstance(wasm_of(COUNTING.replace("N", "\\ff")), fuel=1000).timer()


@pytest.mark.parametrize(
    "body",
    [
        "(func $f (call $f))",
        "(func $f (call $g)) (func $g (call $f))",
        "(table 1 funcref) (func (call_indirect (i32.const 0)))",
        "(func $f) (start $f)",
        "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)))",
        '(import "env" "abort" (func))',
        '(global (export "__fuel") (mut i32) (i32.const 9)) (func)',
    ],
)
def test_what_cannot_be_bounded_is_refused(body: str) -> None:
    imports, rest = (body, "") if body.startswith("(import") else ("", body)
    wasm = wasmtime.wat2wasm(f'(module {imports} {rest} (func (export "on_init")))')
    with pytest.raises(EngineError, match=r"cannot run safely|damaged"):
        prepare_module(bytes(wasm))


def test_a_module_cannot_name_its_fuel() -> None:
    looping = "(loop (global.set 0 (i32.const 9999)) (br 0))"
    wasm = wasm_of(f'(global (mut i32) (i32.const 0)) (func (export "on_init") {looping})')
    assert is_valid(prepare_module(wasm).wasm)
    place = wasm.index(b"\x24\x00") + 1
    with pytest.raises(EngineError, match="damaged"):
        prepare_module(wasm[:place] + b"\x01" + wasm[place + 1 :])


def test_calls_may_be_nested_but_not_without_end() -> None:
    def chain(length: int) -> str:
        calls = "".join(f"(func $f{n} (call $f{n + 1}))" for n in range(length))
        return f'(func (export "on_init") (call $f0)) {calls} (func $f{length})'

    short = prepare_module(wasm_of(chain(10)))
    assert short.pending > prepare_module(wasm_of(chain(2))).pending
    with pytest.raises(EngineError, match="recursion"):
        prepare_module(wasm_of(chain(30)))


@pytest.mark.parametrize(
    ("body", "each"),
    [
        ("(drop (block (result i32) (local.get $a)))", 2),
        ("(drop (i32.const {n}1234))", 1),
        ("(drop (i32.const 7))", 0),
        ("(drop (i64.const -1{n}00000000000000))", 1),
        ("(call $g (local.get $a) (local.get $a) (local.get $a))", 4),
        ("(call $tell (local.get $a) (f32.const 1))", 3),
    ],
)
def test_what_an_interpreter_makes_of_instructions_is_counted(body: str, each: int) -> None:
    def pending(count: int) -> int:
        lines = "".join(body.replace("{n}", str(number)) for number in range(1, count + 1))
        called = "(func $g (param i32 i32 i32))"
        func = f'(func (export "on_init") (local $a i32) (call $g {"(local.get $a)" * 3}) {lines})'
        return prepare_module(wasm_of(f"{func} {called}")).pending

    # The first constants have places of their own.
    assert pending(180) - pending(80) == 100 * each


@pytest.mark.parametrize(
    "shown", ['(func (export "memory"))', '(global (export "memory") i32 (i32.const 0))']
)
def test_a_memory_that_is_none_shows_nothing(shown: str) -> None:
    types = "(func $log (param i32 i32))"
    own = '(func (export "on_init") (call $log (i32.const 0) (i32.const 4)))'
    text = f'(module (import "csi" "csi_log" {types}) (memory 1) {shown} {own})'
    module = ModuleInstance(bytes(wasmtime.wat2wasm(text)))
    assert module.start() == []
    assert module.logs == []


def test_the_imports_answer_by_capability_and_within_bounds() -> None:
    body = """
    (func (export "on_frame") (param i32)
      (call $tell (i32.const 0) (call $phase (i32.const 1)))
      (call $tell (i32.const 1) (call $phase (i32.const 2)))
      (call $tell (i32.const 2) (call $phase (i32.const -1)))
      (call $tell (i32.const 3) (f32.convert_i32_s (call $presence)))
      (call $tell (i32.const 4) (f32.convert_i32_s (call $history (i32.const 65532) (i32.const 9))))
      (call $tell (i32.const 5) (f32.convert_i32_s (call $history (i32.const 65533) (i32.const 9))))
      (call $tell (i32.const 6) (f32.convert_i32_s (call $history (i32.const -4) (i32.const 1))))
      (call $tell (i32.const 70000) (f32.const 1))
      (call $tell (i32.const 7) (f32.div (f32.const 1) (f32.const 0)))
      (call $log (i32.const 0) (i32.const 4)) (call $log (i32.const -1) (i32.const 4)))
    (data (i32.const 0) "here")"""
    import numpy as np

    row = np.array([1.5, 2.5], np.float32)
    seen = Inputs(phases=row, amplitudes=row, variances=row, history=row[:1], presence=True)
    for capabilities, values in ((127, [2.5, 0, 0, 1, 1, 0, 0]), (32, [0] * 7)):
        module = ModuleInstance(wasm_of(body), capabilities=capabilities)
        module.inputs = seen
        told = module.frame()
        assert [event.value for event in told] == values
        assert module.logs == (["here"] if capabilities == 127 else [])
    silent = ModuleInstance(wasm_of(body), capabilities=95)
    silent.inputs = seen
    assert silent.frame() == []
