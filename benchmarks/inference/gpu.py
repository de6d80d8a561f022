"""Engines on one NVIDIA GPU: ``python -m benchmarks.inference.gpu [--seconds 2] [--json FILE]``.

MobileNetV2 with random weights, on whatever of these is installed; what is absent is named, with
the package that would bring it. Every result is compared with that of the CPU.

Needs Python 3.11 or newer, numpy and structlog, and for the files ``torch`` or ``onnx``. Then:

* Torch (exported program, TorchScript): ``torch`` built with CUDA.
* ONNX Runtime on CUDA: ``onnxruntime-gpu[cuda,cudnn]`` in place of ``onnxruntime``.
* ONNX Runtime on TensorRT: the same and ``tensorrt``.
* A native engine: ``tensorrt`` and ``cuda-bindings``; it is built here first, from ONNX.

The exit status is 1 when a result was wrong, and 2 when there was no GPU to run anything on.
"""

import argparse
import importlib.metadata
import json
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import structlog

from benchmarks.inference.models import MODELS, torch_mobilenet, write, write_exported
from edgeflow.errors import EdgeFlowError
from edgeflow.inference.engines import Engine, open_engine

Array: TypeAlias = npt.NDArray[Any]

BATCHES, THREADS = (1, 8, 32), 8
WRONG, NOTHING = 1, 2
FULL, HALF = 0.02, 0.05
"""Largest difference to the CPU's result that is right, as a part of the largest output: TF32 is
on by default in float32."""

PACKAGES = ("torch", "onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt", "cuda-bindings")


@dataclass
class Found:
    """Figures of one engine; rates are inferences (not calls) per second."""

    label: str
    device: str = ""
    error: str = ""
    load_s: float = 0.0
    first_ms: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    difference: float = 0.0
    right: bool = True


@dataclass(frozen=True)
class Contender:
    """An engine to open: ``make`` writes its file, if it has none yet, and opens it."""

    label: str
    make: Callable[[Path], Engine]
    half: bool = False
    on_gpu: bool = True


def _onnx(folder: Path) -> Path:
    file = folder / "mnv2.onnx"
    return file if file.exists() else write("mnv2", file)


def _exported(folder: Path, half: bool) -> Path:
    file = folder / f"mnv2{'-half' if half else ''}.pt2"
    return file if file.exists() else write_exported(file, half=half)


def _script(folder: Path) -> Path:
    import torch

    file = folder / "mnv2.pt"
    traced = torch.jit.trace(torch_mobilenet(), torch.zeros(MODELS["mnv2"].shape))
    torch.jit.save(traced, str(file))
    return file


SPEC = {"inputs": "x: float32[?, 3, 224, 224]", "outputs": "y: float32[?, 1000]"}
PROFILE = {"x": {"min": [1, 3, 224, 224], "opt": [8, 3, 224, 224], "max": [32, 3, 224, 224]}}

CONTENDERS = (
    Contender("onnxruntime, CPU", lambda f: open_engine(_onnx(f), device="cpu"), on_gpu=False),
    Contender(
        "torch export, CPU",
        lambda f: open_engine(_exported(f, False), device="cpu"),
        on_gpu=False,
    ),
    Contender(
        "torch export, CUDA",
        lambda f: open_engine(_exported(f, False), device="cuda", strict=True),
    ),
    Contender(
        "torch export, CUDA, float16",
        lambda f: open_engine(_exported(f, True), device="cuda", strict=True),
        half=True,
    ),
    Contender(
        "torchscript, CUDA",
        lambda f: open_engine(_script(f), device="cuda", strict=True, **SPEC),
    ),
    Contender("onnxruntime, CUDA", lambda f: open_engine(_onnx(f), device="cuda", strict=True)),
    Contender(
        "onnxruntime, TensorRT",
        lambda f: open_engine(
            _onnx(f), device="tensorrt", strict=True, cache=f / "cache", profile=PROFILE
        ),
    ),
    Contender("TensorRT plan", lambda f: open_engine(build_plan(_onnx(f), f / "mnv2.plan"))),
)


def build_plan(model: Path, target: Path) -> Path:
    """Build a TensorRT engine from an ONNX file."""
    import tensorrt

    log = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(log)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse(model.read_bytes()):
        raise RuntimeError("; ".join(str(parser.get_error(at)) for at in range(parser.num_errors)))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", *(PROFILE["x"][edge] for edge in ("min", "opt", "max")))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("TensorRT built nothing")
    target.write_bytes(bytes(plan))
    return target


def measure(
    contender: Contender, folder: Path, wanted: Array | None, seconds: float
) -> tuple[Found, Array | None]:
    """Open an engine, compare it with ``wanted``, and time it; return its result as well."""
    found = Found(contender.label)
    try:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine = contender.make(folder)
        found.load_s, found.device = time.perf_counter() - started, engine.device
    except (EdgeFlowError, ImportError, RuntimeError, ValueError) as error:
        found.error = f"{type(error).__name__}: {error}".splitlines()[0]
        return found, None
    try:
        return found, _time(engine, contender, found, wanted, seconds)
    except EdgeFlowError as error:
        found.error, found.right = str(error), False
        return found, None
    finally:
        engine.close()


def _time(
    engine: Engine,
    contender: Contender,
    found: Found,
    wanted: Array | None,
    seconds: float,
) -> Array:
    dtype = np.float16 if contender.half else np.float32
    pictures = np.random.default_rng(5).random((max(BATCHES), 3, 224, 224), np.float32)
    pictures = pictures.astype(dtype)
    started = time.perf_counter()
    _infer(engine, pictures[:1])
    found.first_ms = (time.perf_counter() - started) * 1e3
    result = _infer(engine, pictures[:8]).astype(np.float32)
    if wanted is not None:
        found.difference = float(np.abs(result - wanted).max() / np.abs(wanted).max())
        found.right = found.difference <= (HALF if contender.half else FULL)
    times = [after - before for before, after in _calls(engine, pictures[:1], seconds)]
    found.p50_ms, found.p99_ms = (float(np.percentile(times, p)) * 1e3 for p in (50, 99))
    for size in BATCHES:
        done = list(_calls(engine, pictures[:size], seconds))
        found.rates[f"batch {size}"] = size * len(done) / (done[-1][1] - done[0][0])
    found.rates[f"{THREADS} threads"] = _together(engine, pictures, seconds, found)
    return result


def _infer(engine: Engine, pictures: Array) -> Array:
    return next(iter(engine.infer({engine.spec.inputs[0].name: pictures}).values()))


def _calls(engine: Engine, pictures: Array, seconds: float) -> Iterator[tuple[float, float]]:
    """Call for so many seconds, at least 5 times after 2 that do not count; yield begin and end."""
    for _ in range(2):
        _infer(engine, pictures)
    begun, count = time.perf_counter(), 0
    while count < 5 or time.perf_counter() < begun + seconds:
        before = time.perf_counter()
        _infer(engine, pictures)
        yield before, time.perf_counter()
        count += 1


def _together(engine: Engine, pictures: Array, seconds: float, found: Found) -> float:
    """Call from several threads, each with a picture of its own; note results that got mixed."""
    alone = [_infer(engine, pictures[at : at + 1]) for at in range(THREADS)]
    counts, start = [0] * THREADS, threading.Barrier(THREADS + 1)

    def work(at: int) -> None:
        start.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            given = _infer(engine, pictures[at : at + 1])
            counts[at] += 1
            if np.abs(given - alone[at]).max() > 0.01 * np.abs(alone[at]).max():
                found.right, found.error = False, "threads got each other's results"

    threads = [threading.Thread(target=work, args=(at,)) for at in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def _gpu() -> str:
    try:
        import torch

        return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else ""
    except ImportError:
        return ""


def main() -> int:
    """Run everything there is; print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference.gpu")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    out, versions = sys.stdout, _versions()
    out.write(", ".join(f"{name} {version}" for name, version in versions.items()) + "\n")
    out.write(f"GPU as Torch sees it: {_gpu() or 'none'}\n\n")
    heads = ["engine", "runs on", "load s", "first ms", "p50 ms", "p99 ms"]
    heads += [f"/s, batch {size}" for size in BATCHES] + [f"/s, {THREADS} threads", "difference"]
    out.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    results, wanted = [], None
    with tempfile.TemporaryDirectory(prefix="edgeflow-gpu-") as folder:
        for contender in CONTENDERS:
            found, given = measure(contender, Path(folder), wanted, words.seconds)
            wanted = given if wanted is None and not contender.on_gpu else wanted
            results.append(found)
            out.write(_row(found) + "\n")
            out.flush()
    if words.json:
        words.json.write_text(
            json.dumps({"versions": versions, "gpu": _gpu(), "engines": list(map(asdict, results))})
        )
    if not all(each.right for each in results):
        return WRONG
    ran = [each for each in results if each.device not in ("", "cpu")]
    return 0 if ran else NOTHING


def _row(found: Found) -> str:
    if not found.device or (found.error and not found.rates):
        return f"| {found.label} | not run: {found.error} |"
    cells = [found.label, found.device, f"{found.load_s:.1f}"]
    cells += [f"{value:.2f}" for value in (found.first_ms, found.p50_ms, found.p99_ms)]
    cells += [f"{rate:,.0f}" for rate in found.rates.values()]
    right = "" if found.right else f" **wrong** {found.error}"
    return f"| {' | '.join([*cells, f'{found.difference:.1e}{right}'])} |"


if __name__ == "__main__":
    sys.exit(main())
