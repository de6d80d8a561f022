"""Make the files of a board from a trained model, and compare what they answer with the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError
from edgeflow.inference.export.forward import inputs_of_layers
from edgeflow.inference.export.report import FileReport, Report, describe_file, root_mean_square
from edgeflow.inference.export.source import Floats, Source, unusable
from edgeflow.protocols.model_file import (
    Int8LstmWeights,
    Layer,
    LstmWeights,
    SelfTestVector,
    efm1,
    lstm_file,
    lstm_meta,
    parse_model,
    quantise_layer,
    quantise_lstm,
)

__all__ = ["Export", "export_model", "read_samples", "read_source"]

REFERENCE_FILE: Final = "model_fp32.bin"
META_FILE: Final = "model_meta.json"
FLOAT_FILE: Final = "model_float32.efm"
INT8_FILE: Final = "model_int8.efm"

_COMPARED, _DRAWN = 2000, 64
_WRONG: Final = 1e-3
"""A float32 file that misses the model by more than this part of its answers is another model."""
_SMALLEST: Final = 1e-6
_TOLERANCE: Final = {"float32": 1e-4, "int8": 2e-2}
"""Of the self-test vector, as a part of the answer's size."""


@dataclass(frozen=True, slots=True)
class Export:
    """Files by name, and what there is to tell about them."""

    files: dict[str, bytes]
    report: Report

    def write(self, folder: Path) -> list[Path]:
        """Write the files into a folder, which is made; each appears whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        made = []
        for name, content in self.files.items():
            part = folder / f".{name}.part"
            part.write_bytes(content)
            made.append(part.replace(folder / name))
        return made


def read_source(file: Path, steps: int | None = None) -> Source:
    """Read a trained model by what its name ends with: ``.onnx``, or anything of Torch's.

    Raises:
        ConfigError: there is no such file, or no board runs the model.
        MissingExtraError: the package that reads it is not installed.
    """
    if not file.is_file():
        raise unusable(str(file), "there is no such file", "give a .onnx, .pt or .pt2 file")
    if file.suffix == ".onnx":
        from edgeflow.inference.export.onnx_model import read_onnx

        return read_onnx(file, steps)
    from edgeflow.inference.export.torch_model import read_torch

    return read_torch(file, steps)


def read_samples(file: Path, shape: Sequence[int]) -> Floats:
    """Read float32 samples from a .npy file: ``(N, *shape)``, or ``shape`` for a single one.

    Raises:
        ConfigError: it is something else.
    """
    place, wanted = str(file), ("N", *shape)
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise unusable(place, f"is no .npy file: {error}", "write it with numpy.save") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise unusable(place, "holds no single array of numbers", "write it with numpy.save")
    if values.shape == tuple(shape):
        values = values[None]
    if values.shape[1:] != tuple(shape) or not len(values):
        raise unusable(place, f"is {values.shape}, not {wanted}", "give what the model takes")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(floats).all():
        raise unusable(place, "holds NaN or infinity", "leave such samples out")
    return floats


def export_model(
    source: Source,
    *,
    name: str = "",
    version: int = 0,
    samples: Floats | None = None,
    targets: Floats | None = None,
) -> Export:
    """Make every file that the model allows: the reference file of an LSTM, containers.

    Args:
        source: the trained model.
        name: at most 32 bytes.
        version: the user's own number.
        samples: float32 (N, T, F) of calibration; with them there is an int8 container, too.
        targets: float32 (N, H), what the samples came to, if known.

    Raises:
        ConfigError: the files do not answer as the model does, or something is too large.
        MissingExtraError: the firmware core is not there.
    """
    known = _draw(source) if samples is None else samples
    chosen = np.unique(np.linspace(0, len(known) - 1, _COMPARED).astype(int))
    compared = known[chosen]
    wanted = source.answer(compared)
    if not np.isfinite(wanted).all():
        raise unusable(source.form, "answers with NaN or infinity", "train it again")
    forms: dict[str, LstmWeights | Int8LstmWeights | tuple[Layer, ...]] = {
        FLOAT_FILE: source.weights
    }
    if samples is not None:
        forms[INT8_FILE] = _quantised(source.weights, samples)
    files: dict[str, bytes] = {}
    if isinstance(source.weights, LstmWeights):
        files[REFERENCE_FILE] = lstm_file(source.weights, steps=source.steps)
        files[META_FILE] = lstm_meta(parse_model(files[REFERENCE_FILE]))
    for file, weights in forms.items():
        files[file] = _with_self_test(source, weights, name, version, compared[0])
    rows = None if targets is None else targets[chosen]
    reports = _compare(files, compared, wanted, rows)
    missed = None if rows is None else root_mean_square(wanted - rows)
    info = NativeModel(files[FLOAT_FILE]).info
    report = Report(
        source=source.form,
        kind=info.kind,
        name=info.name,
        version=info.version,
        steps=info.steps,
        features=info.features,
        horizon=info.horizon,
        hidden=info.hidden,
        parameters=info.parameters,
        multiply_adds=info.multiply_adds,
        activations=info.activations,
        arena_bytes=info.arena_bytes,
        samples=len(compared),
        drawn=samples is None,
        model_target_rmse=missed,
        files=reports,
    )
    return Export(files, report)


def _draw(source: Source) -> Floats:
    random = np.random.default_rng(0)
    shape = (_DRAWN, source.steps, source.features)
    return random.standard_normal(shape).astype(np.float32)


def _quantised(
    weights: LstmWeights | tuple[Layer, ...], samples: Floats
) -> Int8LstmWeights | tuple[Layer, ...]:
    if isinstance(weights, LstmWeights):
        return quantise_lstm(weights, _scale(np.abs(samples).max(axis=(0, 1))))
    pairs = zip(weights, inputs_of_layers(weights, samples), strict=True)
    return tuple(
        quantise_layer(layer, float(_scale(np.abs(values).max()))) for layer, values in pairs
    )


def _scale(largest: Floats) -> Floats:
    """Return the value of one int8 step; 1/127 for what is always zero."""
    scale = np.asarray(largest, np.float32) / np.float32(127)
    return np.where(scale > np.finfo(np.float32).tiny, scale, np.float32(1 / 127))


def _with_self_test(
    source: Source,
    weights: LstmWeights | Int8LstmWeights | tuple[Layer, ...],
    name: str,
    version: int,
    sample: Floats,
) -> bytes:
    features = None if isinstance(weights, LstmWeights | Int8LstmWeights) else source.features
    plain = NativeModel(efm1(weights, steps=source.steps, features=features))
    answer = plain.run(sample)
    tolerance = _TOLERANCE[plain.info.dtype] * max(float(np.abs(answer).max()), 1e-2)
    return efm1(
        weights,
        steps=source.steps,
        features=features,
        name=name,
        version=version,
        test=SelfTestVector(sample, answer, tolerance),
    )


def _compare(
    files: dict[str, bytes], samples: Floats, wanted: Floats, targets: Floats | None
) -> tuple[FileReport, ...]:
    """Let the firmware core answer the samples from every file.

    Raises:
        ConfigError: a float32 file does not answer as the model does.
    """
    reports = []
    for name, content in files.items():
        if name == META_FILE:
            continue
        model = NativeModel(content)
        given = np.stack([model.run(sample) for sample in samples])
        report = describe_file(name, model, given, wanted, targets)
        allowed = _WRONG * root_mean_square(wanted) + _SMALLEST
        if report.dtype == "float32" and report.max_error > allowed:
            raise ConfigError(
                f"the file would answer up to {report.max_error:.3g} off what the model does",
                hint="the model computes more than the layers that a board runs (an activation, a "
                "norm, another step than the last)",
            )
        reports.append(report)
    return tuple(reports)
