"""From a model's file to a lane that answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from edgeflow.errors import EdgeFlowError, EngineError
from edgeflow.inference.binding import Binding
from edgeflow.inference.engines.base import Engine
from edgeflow.inference.engines.open import open_engine
from edgeflow.inference.repository.files import VersionFile
from edgeflow.inference.repository.labels import read_labels
from edgeflow.inference.repository.settings import ModelSettings
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.lane import Lane, LaneOptions
from edgeflow.inference.scheduling.workers import Crew

__all__ = ["Loaded", "open_version"]

log = structlog.get_logger(__name__)

OWN_INSTANCES = 2
"""Calls at once of a model that does not compute on the cores, unless it says otherwise."""

_STEADY = ("onnx", "torch", "litert")
"""Engines that wait for nothing: a call takes as long as one before."""

_WITH_CONTEXTS = (".plan", ".engine", ".tflite")


@dataclass(slots=True)
class Loaded:
    """A version that can answer."""

    file: VersionFile
    lane: Lane
    bound: Binding
    labels: tuple[str, ...]

    @property
    def binding(self) -> Binding:
        """How requests fit it; made anew when its tensors change, as a board's do with a swap."""
        spec = self.lane.engine.spec
        if self.bound.spec is not spec:
            self.bound = Binding(self.lane.model, spec)
        return self.bound


def open_version(
    model: str,
    file: VersionFile,
    crew: Crew,
    counters: Counters,
    now: Callable[[], float] = time.monotonic,
) -> Loaded:
    """Load a version, run it once on zeros, and give it a lane.

    Args:
        model: its name.
        file: which version.
        crew: who computes, if the engine computes on the cores; others get their own.
        counters: where outcomes are counted.
        now: monotonic seconds.

    Raises:
        EdgeFlowError: it cannot be loaded.
    """
    try:
        return _open(model, file, crew, counters, now)
    except EdgeFlowError:
        raise
    except Exception as error:  # whatever the runtime below the engine, or a user's module, raises
        raise EngineError(f"{file.path}: {type(error).__name__}: {error}") from error


def _open(
    model: str, file: VersionFile, crew: Crew, counters: Counters, now: Callable[[], float]
) -> Loaded:
    settings = file.settings
    labels = read_labels(file)
    threads = min(settings.threads, crew.slots)
    engine = open_engine(
        file.path, device=settings.device, threads=threads, **_engine_options(file, crew.slots)
    )
    try:
        if settings.warm_up:
            _warm_up(engine)
    except BaseException:
        engine.close()
        raise
    finish = engine.close
    if not _computes_on_cores(engine):
        slots = settings.instances or engine.parallel or OWN_INSTANCES
        crew = Crew(slots, f"infer-{model}", now)
        finish = _closing(engine, crew)
    options = _options(model, settings, crew.slots)
    options = replace(options, inline=_computes_on_cores(engine) and engine.kind in _STEADY)
    lane = Lane(
        model, file.version, engine, crew, options, counters=counters, now=now, finish=finish
    )
    return Loaded(file, lane, Binding(model, engine.spec), labels)


def _engine_options(file: VersionFile, slots: int) -> dict[str, Any]:
    """Return the engine's options; with the calls at once, where it keeps memory for each."""
    settings = file.settings
    if Path(file.path).suffix.lower() not in _WITH_CONTEXTS or "parallel" in settings.options:
        return settings.options
    most = max(1, slots // settings.threads)
    return {"parallel": settings.instances or most, **settings.options}


def _computes_on_cores(engine: Engine) -> bool:
    return engine.kind != "remote" and engine.device.startswith(("cpu", "openvino"))


def _closing(engine: Engine, crew: Crew) -> Callable[[], None]:
    def finish() -> None:
        engine.close()
        crew.close(timeout=0.5)

    return finish


def _options(model: str, settings: ModelSettings, slots: int) -> LaneOptions:
    threads = min(settings.threads, slots)
    most = slots // threads
    wanted = settings.instances or most
    if wanted > most:
        log.warning(
            "instances_reduced", model=model, wanted=wanted, instances=most, threads=threads
        )
    return LaneOptions(
        instances=min(wanted, most),
        threads=threads,
        capacity=settings.queue.capacity,
        policy=settings.queue.policy,
        max_batch=settings.batching.max_batch,
        max_delay_s=settings.batching.max_delay_ms / 1e3,
    )


def _warm_up(engine: Engine) -> None:
    """Run once on zeros; a model whose axes are free may rightly refuse sizes of 1."""
    try:
        engine.warm_up()
    except EngineError as error:
        sizes = [size for tensor in engine.spec.inputs for size in tensor.shape[1:]]
        if None not in sizes:
            raise
        log.info("warm_up_skipped", model=engine.name, error=str(error))
