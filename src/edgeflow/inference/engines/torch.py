"""Torch models: exported programs (``.pt2``) and TorchScript archives (``.pt``, ``.ts``).

Both files hold code besides weights, and can do what this process may: load models from people you
trust. Pickled modules are not loaded, nor archives with pickled objects other than tensors.
"""

import io
import json
import re
import threading
import warnings
import zipfile
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, MissingExtraError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.declared import Declared, read_tensors

__all__ = ["METADATA", "ExportedEngine", "ScriptEngine", "refuse_pickles"]

log = structlog.get_logger(__name__)

METADATA = "edgeflow.json"
"""Extra file of a TorchScript archive: ``{"inputs": [...], "outputs": [...]}``."""

_PICKLED = re.compile(
    r"(^|/)data/(sample_inputs/|(weights|constants)/(.*\.pt$|(custom|opaque)_obj_))"
)
"""Members of an exported program that Torch unpickles; weights and constants are raw, unless the
list of them says otherwise."""

_threads_lock = threading.Lock()
_threads_set = 0


class _TorchEngine(Engine):
    """What both kinds share: the device, the way of tensors to it and back.

    Args:
        model: the file.
        device: ``auto`` (CUDA if it is there), ``cuda``, ``cuda:1``... or ``cpu``. What is not
            there falls back to the CPU, with a warning.
        threads: threads of one call on the CPU. Torch has one number for the whole process: the
            largest that any engine asked for.
        strict: fail where it would fall back.
        inputs, outputs: its tensors, where the file does not tell them, or other names for them.

    Raises:
        MissingExtraError: Torch is not installed.
        ConfigError: the device does not exist, or the tensors are not known.
        EngineError: the file is missing or not a model that can run, or ``strict`` and the device
            is not there.
    """

    kind = "torch"

    def __init__(
        self,
        model: Path | str,
        *,
        device: str = "auto",
        threads: int = 1,
        strict: bool = False,
        inputs: Declared | Iterable[Declared] | None = None,
        outputs: Declared | Iterable[Declared] | None = None,
    ) -> None:
        path = Path(model)
        self.name = path.name
        self._torch = _import_torch()
        _cap_threads(self._torch, threads)
        self.device = _choose(self._torch, self.name, device, strict)
        self._local = threading.local()
        if not path.is_file():
            raise EngineError(f"{path}: there is no such file")
        self._module: Any = None
        try:
            self._module = self._load(path)
            self.spec = self._describe(
                None if inputs is None else read_tensors(inputs, self.name),
                None if outputs is None else read_tensors(outputs, self.name),
            )
        except EdgeFlowError:
            raise
        except Exception as error:  # loaders raise whatever their parts raise
            raise EngineError(
                f"{path}: cannot be loaded as a Torch model: {_first_line(error)}"
            ) from error
        log.info("model_loaded", model=self.name, device=self.device, threads=threads)

    @abstractmethod
    def _load(self, path: Path) -> Any:
        """Return what is called with the inputs in their order and gives a list of outputs."""

    @abstractmethod
    def _describe(
        self, inputs: tuple[TensorSpec, ...] | None, outputs: tuple[TensorSpec, ...] | None
    ) -> EngineSpec:
        """Return the spec, from the file or from what was declared."""

    def close(self) -> None:
        """Let go of the model; calls that are running finish. Idempotent."""
        self._module = None

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        values = self._call([inputs[tensor.name] for tensor in self.spec.inputs])
        if len(values) != len(self.spec.outputs):
            raise EngineError(
                f"{self.name}: gave {len(values)} outputs, not {len(self.spec.outputs)}"
            )
        return {tensor.name: value for tensor, value in zip(self.spec.outputs, values, strict=True)}

    def _call(self, values: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        module = self._module
        if module is None:
            raise EngineError(f"{self.name}: the engine is closed")
        try:
            with self._torch.inference_mode(), self._stream():
                given = module([self._to_device(value) for value in values])
                return [self._to_host(each, values) for each in given]
        except EdgeFlowError:
            raise
        except Exception as error:  # Torch raises RuntimeError and what operators raise
            raise EngineError(f"{self.name}: {_first_line(error)}") from error

    def _to_device(self, value: npt.NDArray[Any]) -> Any:
        # Torch cannot look at memory that may not be written, or that runs backwards.
        if not value.flags.writeable or not value.flags.c_contiguous:
            value = np.array(value, order="C")
        return self._torch.from_numpy(value).to(self.device)

    def _to_host(self, value: Any, inputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        if not isinstance(value, self._torch.Tensor):
            raise EngineError(f"{self.name}: gave a {type(value).__name__}, not a tensor")
        if value.dtype == self._torch.bfloat16:
            value = value.float()
        array: npt.NDArray[Any] = value.detach().cpu().numpy()
        # An output must not change when its caller uses an input's memory again.
        return array.copy() if any(np.may_share_memory(array, each) for each in inputs) else array

    def _stream(self) -> Any:
        """Return this thread's own CUDA stream, so that threads do not wait for each other."""
        if self.device == "cpu":
            return nullcontext()
        stream = getattr(self._local, "stream", None)
        if stream is None:
            stream = self._local.stream = self._torch.cuda.Stream(self.device)
        return self._torch.cuda.stream(stream)


class ExportedEngine(_TorchEngine):
    """A program that ``torch.export.save`` wrote. Its tensors and free axes stand in the file."""

    platform = "pytorch_export"

    def _load(self, path: Path) -> Any:
        torch = self._torch
        refuse_pickles(torch, path)
        program = torch.export.load(str(path))
        if self.device != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, self.device)
        self._signature = program.graph_signature
        self._tensors = {node.name: node.meta.get("val") for node in program.graph.nodes}
        shape_of_call = program.call_spec.in_spec
        self._names = _names_of(program.call_spec.out_spec)
        module = program.module()

        def call(values: list[Any]) -> list[Any]:
            arguments, keywords = torch.utils._pytree.tree_unflatten(values, shape_of_call)
            given = module(*arguments, **keywords)
            leaves: list[Any] = torch.utils._pytree.tree_leaves(given)
            return leaves

        return call

    def _describe(
        self, inputs: tuple[TensorSpec, ...] | None, outputs: tuple[TensorSpec, ...] | None
    ) -> EngineSpec:
        taken, given = self._signature.user_inputs, self._signature.user_outputs
        names = self._names if len(self._names) == len(given) else ()
        found = EngineSpec(
            inputs=tuple(self._tensor(name, str(name), taken=True) for name in taken),
            outputs=tuple(
                self._tensor(node, names[at] if names else _output_name(at, len(given)))
                for at, node in enumerate(given)
            ),
        )
        return EngineSpec(
            inputs=_renamed(self.name, found.inputs, inputs),
            outputs=_renamed(self.name, found.outputs, outputs),
        )

    def _tensor(self, node: object, name: str, *, taken: bool = False) -> TensorSpec:
        value: Any = self._tensors.get(str(node))
        usable = isinstance(value, self._torch.Tensor)
        if not usable or (taken and value.dtype == self._torch.bfloat16):
            raise EngineError(
                f"{self.name}: {name!r} is no tensor" + (" of a type of NumPy's" if usable else ""),
                hint="export a module that takes and gives plain tensors only",
            )
        sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
        return TensorSpec(name, _dtype(self._torch, value.dtype), sizes)


class ScriptEngine(_TorchEngine):
    """A TorchScript archive.

    It does not tell its dtypes and shapes. They come from the options ``inputs`` and ``outputs``,
    or from the extra file ``edgeflow.json`` in the archive. Outputs that nobody declares are found
    out by running the model twice.
    """

    platform = "pytorch_libtorch"

    def _load(self, path: Path) -> Any:
        extra = {METADATA: ""}
        # Torch advises exports instead; that is for those who make the file.
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        module = self._torch.jit.load(str(path), map_location=self.device, _extra_files=extra)
        module.eval()
        self._metadata = json.loads(extra[METADATA] or "{}")
        arguments = module.forward.schema.arguments[1:]
        self._arguments = [argument.name for argument in arguments]
        leaves = self._torch.utils._pytree.tree_leaves

        def call(values: list[Any]) -> list[Any]:
            given = module(*values)
            self._names = tuple(given) if isinstance(given, dict) else ()
            return list(given.values()) if isinstance(given, dict) else list(leaves(given))

        return call

    def _describe(
        self, inputs: tuple[TensorSpec, ...] | None, outputs: tuple[TensorSpec, ...] | None
    ) -> EngineSpec:
        inputs = inputs or self._from_metadata("inputs")
        if inputs is None:
            raise ConfigError(
                f"{self.name}: TorchScript does not tell its tensors: {', '.join(self._arguments)}",
                hint=f"give the option inputs=, or put {METADATA} into the archive, with "
                "'name: float32[?, 3]' for each",
            )
        if len(inputs) != len(self._arguments):
            raise ConfigError(
                f"{self.name}: takes {len(self._arguments)} inputs, {len(inputs)} are declared"
            )
        outputs = outputs or self._from_metadata("outputs") or self._tried(inputs)
        return EngineSpec(inputs=inputs, outputs=outputs)

    def _from_metadata(self, what: str) -> tuple[TensorSpec, ...] | None:
        declared = self._metadata.get(what)
        return read_tensors(declared, f"{self.name}: {METADATA}") if declared else None

    def _tried(self, inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        """Return the outputs of two runs: an axis whose size differs between them is free."""
        runs = [
            self._call(
                [np.zeros([size or free for size in each.shape], each.dtype) for each in inputs]
            )
            for free in (2, 3)
        ]
        names = self._names or [_output_name(at, len(runs[0])) for at in range(len(runs[0]))]
        return tuple(
            TensorSpec(
                name,
                one.dtype,
                tuple(a if a == b else None for a, b in zip(one.shape, two.shape, strict=True)),
            )
            for name, one, two in zip(names, *runs, strict=True)
        )


def refuse_pickles(torch: Any, path: Path) -> None:
    """Look through an exported program for pickles that Torch would load without restriction.

    Raises:
        EngineError: there is one that holds more than tensors and plain values.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not _holds_pickles(name, archive):
                continue
            try:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            except Exception as error:
                raise EngineError(
                    f"{path}: cannot be loaded as a Torch model: {name} may hold pickled code",
                    hint="save it anew with torch.export.save, from plain tensors",
                ) from error


def _holds_pickles(name: str, archive: zipfile.ZipFile) -> bool:
    if name.endswith("_config.json"):
        listed = json.loads(archive.read(name)).get("config", {}).values()
        return any(each.get("use_pickle") for each in listed)
    return name.startswith("serialized_") or _PICKLED.search(name) is not None


def _import_torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("torch", "torch") from None
    return torch


def _cap_threads(torch: Any, threads: int) -> None:
    """Give the process's one pool as many threads as its most demanding engine wants."""
    global _threads_set  # noqa: PLW0603 - as global as what it remembers
    with _threads_lock:
        if threads > _threads_set:
            _threads_set = threads
            torch.set_num_threads(threads)


def _choose(torch: Any, name: str, device: str, strict: bool) -> str:
    kind = device.partition(":")[0]
    if kind not in ("auto", "cuda", "cpu"):
        raise ConfigError(f"{name}: there is no device {device!r}", hint="known: auto, cuda, cpu")
    if kind == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda:0" if kind == "auto" else device
    if kind == "auto":
        return "cpu"
    hint = "install a Torch build with CUDA, and its driver"
    if strict:
        raise EngineError(f"{name}: runs on cpu, not on {device}", hint=hint)
    log.warning("provider_fell_back", model=name, wanted=device, got="cpu", hint=hint)
    return "cpu"


def _dtype(torch: Any, dtype: Any) -> np.dtype[Any]:
    if dtype == torch.bfloat16:
        return np.dtype(np.float32)
    return np.dtype(str(dtype).removeprefix("torch."))


def _names_of(out_spec: Any) -> tuple[str, ...]:
    """Return the keys, if the model gives a flat dictionary."""
    if getattr(out_spec, "type", None) is not dict:
        return ()
    return tuple(str(key) for key in out_spec.context)


def _output_name(at: int, count: int) -> str:
    return "output" if count == 1 else f"output_{at}"


def _renamed(
    where: str, found: tuple[TensorSpec, ...], declared: tuple[TensorSpec, ...] | None
) -> tuple[TensorSpec, ...]:
    """Return what is declared, if it agrees with what was found but for the names."""
    if declared is None:
        return found
    agree = len(found) == len(declared) and all(
        one.dtype == two.dtype and one.shape == two.shape
        for one, two in zip(found, declared, strict=True)
    )
    if not agree:
        listed = "; ".join(map(str, found))
        raise ConfigError(f"{where}: is declared otherwise than its file says", hint=listed)
    return declared


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
