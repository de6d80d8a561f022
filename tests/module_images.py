"""Signed containers of small modules, written as text."""

from dataclasses import replace

import wasmtime
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeflow.protocols.rvf import Container, Manifest

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()

IMPORTS = """
(import "csi" "csi_emit_event" (func $tell (param i32 f32)))
(import "csi" "csi_get_presence" (func $presence (result i32)))
(import "csi" "csi_get_timestamp" (func $now (result i32)))
(import "csi" "csi_get_phase" (func $phase (param i32) (result f32)))
(import "csi" "csi_get_phase_history" (func $history (param i32 i32) (result i32)))
(import "csi" "csi_log" (func $log (param i32 i32)))
(memory (export "memory") 1)
"""

TICKING = """
(func (export "on_init") (call $tell (i32.const 300) (f32.const 1)))
(func (export "on_timer")
  (call $tell (i32.const 65535) (f32.convert_i32_u (i32.div_u (call $now) (i32.const 1000)))))
"""
"""Event 300 at its start, and each second 65535 with the time in seconds."""

ENDLESS = '(func (export "on_frame") (param i32) (loop $again (br $again)))'
HOG = """
(func (export "on_timer")
  (call $tell (i32.const 1) (f32.convert_i32_s (memory.grow (i32.const 1000))))
  (call $tell (i32.const 2) (f32.convert_i32_s (memory.size))))
"""
TRAPPING = '(func (export "on_frame") (param i32) (drop (i32.load (i32.const 70000))))'


def wasm_of(body: str) -> bytes:
    """Return a module with all imports and a page of memory."""
    return bytes(wasmtime.wat2wasm(f"(module {IMPORTS} {body})"))


def container_of(body: str, name: str = "wdp-test-module", **manifest: int) -> Container:
    made = Manifest(name, capabilities=127, max_frame_us=2000, memory_limit_kb=64)
    return Container(replace(made, **manifest), wasm_of(body))


def signed(body: str, name: str = "wdp-test-module", **manifest: int) -> bytes:
    return container_of(body, name, **manifest).sign(KEY.sign).encode()
