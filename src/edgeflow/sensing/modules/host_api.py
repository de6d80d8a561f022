"""The imports ``csi`` of modules as WebAssembly of their own.

Reading a phase through a function of Python costs some 8 us, and modules read hundreds for each
frame; from a module beside them, whose memory holds the inputs, it costs nanoseconds. What is at
which place is ``ef_module_inputs`` of the core, after a head of our own.
"""

__all__ = ["CAPABILITIES_AT", "COUNT_AT", "EVENTS_AT", "HEAD", "INPUTS_AT", "host_module"]

CAPABILITIES_AT, COUNT_AT, EVENTS_AT, INPUTS_AT = 0, 4, 8, 256
HEAD = 8
MOST_EVENTS = 16
SUBCARRIERS = 192
_NAMES: tuple[str, ...] = (
    "time_ms",
    "subcarriers",
    "history_length",
    "bpm_breathing",
    "bpm_heartrate",
)
_NAMES += ("motion_energy", "presence", "n_persons", "phase")
_AT = {name: INPUTS_AT + 4 * place for place, name in enumerate(_NAMES)}
_AT["amplitude"] = _AT["phase"] + 4 * SUBCARRIERS
_AT["variance"] = _AT["amplitude"] + 4 * SUBCARRIERS


def _row(name: str, bit: int) -> str:
    return f"""
    (func (export "csi_get_{name}") (param i32) (result f32)
      (if (result f32)
        (i32.and (i32.ne (i32.and (i32.load (i32.const 0)) (i32.const {bit})) (i32.const 0))
                 (i32.lt_u (local.get 0) (i32.load (i32.const {_AT["subcarriers"]}))))
        (then (f32.load offset={_AT[name]} (i32.shl (local.get 0) (i32.const 2))))
        (else (f32.const 0))))"""


def _vital(name: str, kind: str) -> str:
    return f"""
    (func (export "csi_get_{name}") (result {kind})
      (if (result {kind}) (i32.and (i32.load (i32.const 0)) (i32.const 8))
        (then ({kind}.load (i32.const {_AT[name]}))) (else ({kind}.const 0))))"""


def host_module() -> str:
    """Return its text; all imports but ``csi_get_phase_history`` and ``csi_log``."""
    rows = [_row(name, bit) for name, bit in (("phase", 1), ("amplitude", 2), ("variance", 4))]
    floats = [_vital(name, "f32") for name in ("bpm_breathing", "bpm_heartrate", "motion_energy")]
    numbers = [_vital(name, "i32") for name in ("presence", "n_persons")]
    event = f"(i32.add (i32.const {EVENTS_AT}) (i32.shl (local.get $count) (i32.const 3)))"
    return f"""(module (memory (export "memory") 1 1)
    (func (export "csi_get_timestamp") (result i32) (i32.load (i32.const {_AT["time_ms"]})))
    (func (export "csi_emit_event") (param i32 f32) (local $count i32)
      (local.set $count (i32.load (i32.const {COUNT_AT})))
      (if (i32.and (i32.ne (i32.and (i32.load (i32.const 0)) (i32.const 32)) (i32.const 0))
                   (i32.and (i32.lt_u (local.get 0) (i32.const 65536))
                            (i32.lt_u (local.get $count) (i32.const {MOST_EVENTS}))))
        (then (if (f32.eq (f32.sub (local.get 1) (local.get 1)) (f32.const 0)) (then
          (i32.store {event} (local.get 0))
          (f32.store offset=4 {event} (local.get 1))
          (i32.store (i32.const {COUNT_AT}) (i32.add (local.get $count) (i32.const 1))))))))
    {"".join(rows + floats + numbers)})"""
