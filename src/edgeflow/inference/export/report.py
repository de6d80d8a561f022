"""What an export tells: the model, its files, what they lose against it, what a run costs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeflow._native.model import NativeModel
from edgeflow.devices.costs import compute_us
from edgeflow.inference.export.source import Floats

__all__ = ["FileReport", "Report", "describe_file", "lines_of", "root_mean_square"]

_DTYPES = {"float32": 0, "int8": 1}


@dataclass(frozen=True, slots=True)
class FileReport:
    """One model file, as the firmware core runs it.

    Attributes:
        file: its name; dtype: of the weights; bytes: of the whole file.
        sha256: of the payload, as the board tells it.
        rmse: root mean square of (board - model) over the samples, in the model's own unit.
        relative: the same over the root mean square of the model's answers.
        max_error: the largest.
        target_rmse: root mean square of (board - target), where targets were given.
        estimated_ms: of computing one answer on an ESP32-S3 at 240 MHz; an estimate, not measured.
    """

    file: str
    dtype: str
    bytes: int
    sha256: str
    rmse: float
    relative: float
    max_error: float
    target_rmse: float | None
    estimated_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """One export.

    Attributes:
        source: what the model was; kind: ``lstm`` or ``layers``.
        steps, features, horizon, hidden: T, F, H and the width.
        samples: how many the files were compared on; ``drawn``: they were drawn at random.
        model_target_rmse: of the model itself, where targets were given.
    """

    source: str
    kind: str
    name: str
    version: int
    steps: int
    features: int
    horizon: int
    hidden: int
    parameters: int
    multiply_adds: int
    activations: int
    arena_bytes: int
    samples: int
    drawn: bool
    model_target_rmse: float | None
    files: tuple[FileReport, ...]


def describe_file(
    name: str, model: NativeModel, given: Floats, wanted: Floats, targets: Floats | None
) -> FileReport:
    """Return the report of a file from the answers to some samples.

    Args:
        name: of the file.
        model: the file, loaded.
        given: what it answers, float32 (N, H).
        wanted: what the trained model answers.
        targets: what came to be, if known.
    """
    info = model.info
    errors = (given - wanted).astype(np.float64)
    size = root_mean_square(wanted)
    rmse = root_mean_square(errors)
    microseconds = compute_us(info.multiply_adds, info.activations, _DTYPES[info.dtype])
    return FileReport(
        file=name,
        dtype=info.dtype,
        bytes=info.file_bytes,
        sha256=info.sha256,
        rmse=rmse,
        relative=rmse / size if size else 0.0,
        max_error=float(np.abs(errors).max()),
        target_rmse=None if targets is None else root_mean_square(given - targets),
        estimated_ms=microseconds / 1000,
    )


def root_mean_square(values: npt.NDArray[np.floating]) -> float:
    """Return it, in double precision."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def lines_of(report: Report) -> list[str]:
    """Return the report for people."""
    sizes = f"T {report.steps}, F {report.features}, H {report.horizon}, hidden {report.hidden}"
    on = f"{report.samples} samples" + (" drawn at random" if report.drawn else "")
    lines = [
        f"{report.source}: {report.kind}, {sizes}, {report.parameters} parameters",
        f"one answer: {report.multiply_adds} multiply-adds, {report.activations} activations, "
        f"{report.arena_bytes} bytes of scratch memory",
        f"errors against the model, on {on}:",
    ]
    if report.model_target_rmse is not None:
        lines.append(f"  the model itself misses the targets by {report.model_target_rmse:.4g}")
    row: Callable[..., str] = "  {:<18} {:>8} {:>8}  {:>10} {:>9} {:>10}  {}".format
    target = "on targets" if report.model_target_rmse is not None else ""
    lines.append(row("FILE", "DTYPE", "BYTES", "RMSE", "RELATIVE", "ESTIMATE", target).rstrip())
    for each in report.files:
        missed = "" if each.target_rmse is None else f"{each.target_rmse:.4g}"
        cells = (f"{each.rmse:.3g}", f"{each.relative:.3%}", f"{each.estimated_ms:.2f} ms")
        lines.append(row(each.file, each.dtype, each.bytes, *cells, missed).rstrip())
    lines.append("The estimate is of computing on an ESP32-S3 at 240 MHz; no board measured it.")
    return lines
