"""A model file run by the firmware core: the answers that a board would give, to the bit."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow._native.library import ffi, lib
from edgeflow.errors import ConfigError, TensorError

__all__ = ["ModelInfo", "NativeModel", "SelfTest"]

Floats: TypeAlias = npt.NDArray[np.float32]

_KINDS = {1: "lstm", 2: "layers"}
_DTYPES = {0: "float32", 1: "int8"}
_WORDS = {
    1: "a checksum or hash does not fit the bytes",
    3: "a length is not what the dimensions or the header say",
    4: "a dimension is zero or too large",
    6: "the bytes contradict themselves, or are no model file",
    9: "too little memory, or bytes that are not aligned",
    11: "the self-test vector is missed",
    12: "NaN or infinity",
    13: "a version, kind, dtype or layer that this core does not have",
}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the core reads in a model file; the words are those of ``docs/model_format.md``.

    Attributes:
        kind: ``lstm`` or ``layers``; ``dtype``: ``float32`` or ``int8``.
        steps, features, horizon, hidden: T, F, H and the width.
        arena_bytes: scratch memory of one run.
        crc32, sha256: of the payload (hex).
        multiply_adds, activations: of one run.
        reference: the file is an LST0.
    """

    kind: str
    dtype: str
    steps: int
    features: int
    horizon: int
    hidden: int
    version: int
    parameters: int
    arena_bytes: int
    file_bytes: int
    crc32: int
    sha256: str
    multiply_adds: int
    activations: int
    name: str
    reference: bool


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the embedded vector said: the largest absolute error found, and the one allowed."""

    present: bool
    passed: bool
    error: float
    tolerance: float


class NativeModel:
    """A parsed EFM1 or LST0 file. Calls may come from several threads.

    Args:
        file: the whole file; bytes behind its own end are ignored.

    Raises:
        ConfigError: the core refuses the file.
        MissingExtraError: cffi is not installed.
    """

    def __init__(self, file: bytes | bytearray | memoryview) -> None:
        data = bytes(file)
        # A copy of our own: aligned, and nobody changes it under the core.
        self._bytes: Any = ffi.new("uint32_t[]", max(1, (len(data) + 3) // 4))
        ffi.memmove(self._bytes, data, len(data))
        self._model: Any = ffi.new("ef_model *")
        status = lib.ef_model_parse(ffi.cast("uint8_t *", self._bytes), len(data), self._model)
        if status != lib.EF_OK:
            raise ConfigError(
                f"the model file is refused: {_words(status)}",
                hint="see docs/model_format.md; export the model again",
            )
        self.info = _info(self._model.info)

    def run(self, sample: npt.ArrayLike) -> Floats:
        """Answer one sample, float32 (T, F), with the forecast, float32 (H,).

        Raises:
            TensorError: wrong shape, or NaN or infinity in the sample or the answer.
        """
        values = _floats(sample, (self.info.steps, self.info.features))
        output = np.empty(self.info.horizon, np.float32)
        status = lib.ef_model_run(self._model, _at(values), _at(output), *self._arena())
        _check(status)
        return output

    def step(self, row: npt.ArrayLike, state: Floats | None = None) -> tuple[Floats, Floats]:
        """Answer one time step, float32 (F,), from a state, float32 (2, hidden): h, then c.

        Args:
            row: the values of the step.
            state: what the step before returned; None for the start (zeros). Not changed.

        Returns:
            The forecast, float32 (H,), and the state after the step.

        Raises:
            TensorError: wrong shape, NaN or infinity, or a model without a state.
        """
        values = _floats(row, (self.info.features,))
        shape = (2, self.info.hidden)
        after = np.zeros(shape, np.float32) if state is None else _floats(state, shape).copy()
        output = np.empty(self.info.horizon, np.float32)
        arena = self._arena()
        _check(lib.ef_model_step(self._model, _at(values), _at(after), _at(output), *arena))
        return output, after

    def self_test(self) -> SelfTest:
        """Run the vector that the file carries, if it does."""
        result = ffi.new("ef_self_test *")
        status = lib.ef_model_self_test(self._model, *self._arena(), result)
        return SelfTest(result.present, status == lib.EF_OK, result.error, result.tolerance)

    def _arena(self) -> tuple[Any, int]:
        size = self.info.arena_bytes
        return ffi.new("uint32_t[]", (size + 3) // 4), size


def _at(values: Floats) -> Any:
    return ffi.from_buffer("float *", values)


def _floats(values: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise TensorError("the rows differ in length", hint=f"give float32 {shape}") from error
    if given.dtype.kind not in "biuf":
        raise TensorError(f"the values are {given.dtype}", hint=f"give float32 {shape}")
    if given.shape != shape:
        raise TensorError(f"the shape is {given.shape}, not {shape}", hint=f"give float32 {shape}")
    # What float32 cannot hold becomes infinity, which the core refuses.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, np.float32)


def _check(status: int) -> None:
    if status == lib.EF_ERROR_UNSUPPORTED:
        raise TensorError("the model has no state to step", hint="run it on a whole window")
    if status != lib.EF_OK:
        raise TensorError(
            f"the model cannot answer: {_words(status)}", hint="check the input's values"
        )


def _words(status: int) -> str:
    return _WORDS.get(-status, f"status {status}")


def _info(info: Any) -> ModelInfo:
    return ModelInfo(
        kind=_KINDS[info.kind],
        dtype=_DTYPES[info.dtype],
        steps=info.steps,
        features=info.features,
        horizon=info.horizon,
        hidden=info.hidden,
        version=info.version,
        parameters=info.parameters,
        arena_bytes=info.arena_bytes,
        file_bytes=info.file_bytes,
        crc32=info.crc32,
        sha256=bytes(info.sha256).hex(),
        multiply_adds=info.multiply_adds,
        activations=info.activations,
        name=ffi.string(info.name).decode(),
        reference=bool(info.reference),
    )
