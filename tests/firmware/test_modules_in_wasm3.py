"""The catalogue in WASM3 behind the node's own port, under sanitizers, beside wasmtime.

WASM3 is not part of this repository: ``make wasm3`` fetches its sources with pip.
"""

import os
import re
import struct
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.modules import ModuleFeed, ModuleHost
from edgeflow.protocols.rvf import Container, Manifest, capability_bits
from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
from edgeflow.sensing.simulate import Radio, Simulation, preset
from module_images import ENDLESS, HOG, TICKING, TRAPPING, container_of

FIRMWARE = Path(__file__).parents[2] / "firmware"
WASM3 = FIRMWARE / "tests/build/wasm3/wasm3"
MAIN = FIRMWARE / "esp32s3/csi_node/main"
CORE = ["module_[!fs]*", "module_sh*", "module_start", "modules", "checksum", "sha*", "ed25519*"]
LIMITS = ["-Dd_m3MaxFunctionStackHeight=256", "-Dd_m3VerboseErrorMessages=0"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CATALOGUE = sorted(path.with_suffix(".c") for path in SOURCES.glob("*/*.toml"))
NAMES = ["time_ms", "subcarriers", "history", "breathing", "heart", "motion", "presence", "persons"]
FRAME = '(func (export "on_frame") (param $a i32) {})'
COSTLY = {
    "blocks": FRAME.format("(drop (block (result i32) (local.get $a)))" * 350),
    "constants": FRAME.format("".join(f"(drop (i32.const {n}))" for n in range(1000, 1700))),
    "calls": FRAME.format("(call $tell (local.get $a) (f32.const 1))" * 250),
}
"""What seems to be nothing, or one instruction, and is more to an interpreter."""
HEAD = np.dtype({"names": NAMES, "formats": ["<u4"] * 3 + ["<f4"] * 3 + ["<i4"] * 2})

pytestmark = pytest.mark.skipif(not WASM3.is_dir(), reason="run: make wasm3")


def compile_all(folder: Path, name: str, options: list[str]) -> Path:
    """Return a program of the port, the core and WASM3; the last without its alignment checked."""
    includes = [f"-I{path}" for path in (FIRMWARE / "core/include", FIRMWARE / "core/src", MAIN)]
    core = [path for part in CORE for path in (FIRMWARE / "core/src").glob(f"{part}.c")]
    own = [MAIN / "module_wasm3.c", FIRMWARE / "tests/wasm3/run_module.c"]
    strict = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-isystem{WASM3}"]
    loose = ["-w", "-fno-sanitize=all", f"-I{WASM3}"]
    if "-fsanitize=address,undefined" in options:
        loose = ["-w", "-fno-sanitize=undefined", f"-I{WASM3}"]
    jobs = [(path, [*strict, *includes]) for path in (*own, *core)]
    jobs += [(path, loose) for path in WASM3.glob("*.c")]

    def compiled(job: tuple[Path, list[str]]) -> Path:
        source, flags = job
        made = folder / f"{name}-{source.stem}.o"
        command = ["gcc", "-c", *options, *LIMITS, *flags, "-o", str(made), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = [str(path) for path in pool.map(compiled, jobs)]
    program = folder / name
    subprocess.run(
        ["gcc", *options, *objects, "-lm", "-lpthread", "-o", str(program)], check=True, timeout=120
    )
    return program


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wasm3")


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    return compile_all(folder, "run_module", SANITIZE)


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, bytes]]:
    """Real inputs of two rooms, then the same frames with vitals that leap, minutes apart."""
    made = []
    processor, feed = CsiProcessor(), ModuleFeed()
    start = 0
    for name in ("walking", "empty"):
        scenario = preset(name, seconds=8.0, radio=Radio(rate_hz=10.0))
        for frame in Simulation(scenario):
            now = start + frame.time_us
            if processor.push(now, frame.payload) is None:
                feed.frame(processor, now)
                made.append((now, feed.snapshot()))
        start += 8_000_000
    chance = np.random.default_rng(3)
    for number, (_, inputs) in enumerate(made[:]):
        head = np.frombuffer(inputs[: HEAD.itemsize], HEAD).copy()
        start += int(chance.choice([50_000, 500_000, 5_000_000, 60_000_000]))
        head["time_ms"] = start // 1000
        if number % 10 < 7:
            head["breathing"], head["heart"] = chance.uniform(3, 40), chance.uniform(40, 140)
            head["motion"], head["presence"] = chance.uniform(0, 3), chance.integers(0, 2)
            head["persons"] = chance.integers(0, 5)
        made.append((start, head.tobytes() + inputs[HEAD.itemsize :]))
    return made


@pytest.fixture(scope="module")
def recorded(folder: Path, rows: list[tuple[int, bytes]]) -> Path:
    path = folder / "inputs"
    path.write_bytes(b"".join(struct.pack("<Q", now) + inputs for now, inputs in rows))
    return path


def run(program: Path, image: bytes, inputs: Path, name: str) -> list[str]:
    container = inputs.parent / f"{name}.rvf"
    container.write_bytes(image)
    ran = subprocess.run(
        [str(program), str(container), str(inputs)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "ASAN_OPTIONS": "detect_stack_use_after_return=0"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout.splitlines()


def in_wasmtime(image: bytes, rows: list[tuple[int, bytes]]) -> tuple[list[str], ModuleHost]:
    told: list[str] = []

    def tell(time_us: int, slot: int, events: list[tuple[int, float]]) -> None:
        for kind, value in events:
            bits = struct.unpack("<I", struct.pack("<f", value))[0]
            told.append(f"{time_us} {kind} {bits}")

    engine = WasmtimeEngine()
    engine.clock_us = lambda: 0  # type: ignore[method-assign]
    host = ModuleHost(engine, tell, slots=1, accepts_unsigned=True)
    host.start(host.load(image), rows[0][1])
    for now, inputs in rows:
        host.frame(inputs, now)
    return told, host


def catalogue_container(source: Path) -> bytes:
    told = tomllib.loads(source.with_suffix(".toml").read_text())
    manifest = Manifest(
        told["name"],
        capability_bits(told["capabilities"]),
        told["max_frame_us"],
        told["max_events_per_second"],
        told["memory_limit_kb"],
    )
    return Container(manifest, build_module(source)).encode()


@pytest.mark.parametrize("source", CATALOGUE, ids=lambda path: path.stem)
def test_both_engines_tell_the_same(
    source: Path, program: Path, recorded: Path, rows: list[tuple[int, bytes]]
) -> None:
    image = catalogue_container(source)
    said = run(program, image, recorded, source.stem)
    told, host = in_wasmtime(image, rows)
    assert [line for line in said if line[0].isdigit()] == told
    module = host.modules()[0]
    assert module["frame_count"] > 250
    assert module["state"] == "running"
    counted = f"errors {module['error_count']} faults {module['budget_faults']} "
    state = f"state running frames {module['frame_count']} {counted}"
    assert any(line.startswith(state) for line in said), said[-2:]


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (ENDLESS, "state error frames 10 errors 10 faults 10 "),
        (TRAPPING, "state error frames 100 errors 100 faults 0 "),
        (HOG, "state running "),
        (TICKING, "state running "),
    ],
    ids=["endless", "trapping", "hog", "ticking"],
)
def test_what_misbehaves_ends_alike(
    body: str, end: str, program: Path, recorded: Path, rows: list[tuple[int, bytes]]
) -> None:
    image = container_of(body).encode()
    said = run(program, image, recorded, "small")
    told, host = in_wasmtime(image, rows)
    assert [line for line in said if line[0].isdigit()] == told
    assert any(line.startswith(end) for line in said), said[-2:]
    module = host.modules()[0]
    assert f"errors {module['error_count']} faults {module['budget_faults']}" in " ".join(said)


def test_the_stack_that_a_module_needs_is_known_before(
    folder: Path, recorded: Path, rows: list[tuple[int, bytes]]
) -> None:
    """Without jumps at the end of functions, as on Xtensa, where each instruction holds a frame."""
    program = compile_all(folder, "bare", ["-Os", "-fno-optimize-sibling-calls"])
    own = 12 * 1024  # parsing, checking signatures
    images = {
        path.stem: catalogue_container(path)
        for path in CATALOGUE
        if path.stem in ("respiratory_distress", "gait_analysis", "gesture")
    }
    images |= {name: container_of(body).encode() for name, body in COSTLY.items()}
    for name, image in images.items():
        said = " ".join(run(program, image, recorded, name))
        found = re.search(r"pending (\d+) stack (\d+)", said)
        assert found is not None, said
        pending, stack = map(int, found.groups())
        assert stack < own + 56 * pending
        assert own + 56 * pending < 60 * 1024
