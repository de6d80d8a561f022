"""Which of ONNX Runtime's execution providers to ask for, and with what options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from edgeflow.config import settings
from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["PROVIDERS", "Ask", "Choice", "Profile", "ask", "device_of"]

PROVIDERS: dict[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Device: its provider. Best first; ``auto`` takes the first that really loads."""

Profile: TypeAlias = Mapping[str, Mapping[str, Sequence[int]]]
"""Shapes that a TensorRT engine is built for: input -> ``min``, ``opt``, ``max`` -> sizes."""

Ask: TypeAlias = list[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was wished of the providers.

    Attributes:
        device: ``auto``, or ``tensorrt``, ``cuda``, ``openvino``, ``cpu``; ``cuda:1`` for the
            second GPU, ``openvino:GPU`` for another of OpenVINO's devices.
        threads: size of the pool of one call.
        fp16: TensorRT may compute in half precision.
        cache: folder where TensorRT keeps built engines and timings.
        profile: shapes that TensorRT builds its engine for.
        options: further options of the first provider, in its own terms.
    """

    device: str = "auto"
    threads: int = 1
    fp16: bool = False
    cache: Path | None = None
    profile: Profile = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The device without what follows the colon."""
        return self.device.partition(":")[0]

    @property
    def unit(self) -> str:
        """What follows the colon."""
        return self.device.partition(":")[2]


def ask(choice: Choice, available: Sequence[str], *, dynamic: bool) -> Ask:
    """Return providers and their options, best first; the CPU is always the last of them.

    Args:
        choice: what was wished.
        available: the providers of the installed ONNX Runtime.
        dynamic: the model takes any shapes, for each of which TensorRT would build an engine
            anew; ``auto`` leaves it out then.

    Raises:
        ConfigError: there is no such device, or a profile is not complete.
    """
    if choice.name == "auto":
        skipped = {"tensorrt"} if dynamic and not choice.profile else set()
        names = [name for name in PROVIDERS if name not in skipped]
    elif choice.name not in PROVIDERS:
        raise ConfigError(
            f"there is no device {choice.device!r}",
            hint=did_you_mean(choice.name, ["auto", *PROVIDERS]),
        )
    else:
        # What TensorRT cannot do itself, CUDA does for it.
        helper = ["cuda"] if choice.name == "tensorrt" else []
        names = list(dict.fromkeys([choice.name, *helper, "cpu"]))
    asked = [(name, PROVIDERS[name]) for name in names if PROVIDERS[name] in available]
    listed = [(provider, _options(name, choice)) for name, provider in asked]
    if asked and choice.name in ("auto", asked[0][0]):
        listed[0][1].update({key: str(value) for key, value in choice.options.items()})
    return listed


def device_of(provider: str) -> str:
    """Return the device of a provider; its own name if it is none of ours."""
    return next((name for name, each in PROVIDERS.items() if each == provider), provider)


def _options(name: str, choice: Choice) -> dict[str, str]:
    if name == "tensorrt":
        return _tensorrt_options(choice)
    if name == "cuda":
        return {"device_id": choice.unit or "0"}
    if name == "openvino":
        return {"device_type": choice.unit or "CPU", "num_of_threads": str(choice.threads)}
    return {}


def _tensorrt_options(choice: Choice) -> dict[str, str]:
    folder = choice.cache or settings.CACHE_DIR / "tensorrt"
    # An engine file is code for the GPU: nobody else may put one there.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "device_id": choice.unit or "0",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(folder),
    }
    if choice.fp16:  # TensorRT 11 knows no such option: its precision is the model's own
        options["trt_fp16_enable"] = "True"
    for edge in ("min", "opt", "max") if choice.profile else ():
        options[f"trt_profile_{edge}_shapes"] = ",".join(
            f"{name}:{_sizes(name, shapes, edge)}" for name, shapes in choice.profile.items()
        )
    return options


def _sizes(name: str, shapes: Mapping[str, Sequence[int]], edge: str) -> str:
    try:
        return "x".join(str(int(size)) for size in shapes[edge])
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f"the profile of input {name!r} has no shape {edge!r}",
            hint="write it as {x: {min: [1, 3], opt: [4, 3], max: [8, 3]}}",
        ) from None
