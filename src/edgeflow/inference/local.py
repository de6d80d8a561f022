"""Models of this process: a repository of files, engines over them, and a scheduler."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from edgeflow.core.status import ModelStatus
from edgeflow.errors import CancelledError, EdgeFlowError, UnknownModelError, did_you_mean
from edgeflow.inference.hosting import Hosted
from edgeflow.inference.notices import tell_unreadable
from edgeflow.inference.repository.files import ModelSource
from edgeflow.inference.repository.listing import source_of
from edgeflow.inference.repository.settling import Settling
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.workers import Crew
from edgeflow.inference.service import Done, InferenceService, ModelInfo, Ticket

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["LocalService"]

log = structlog.get_logger(__name__)

LOADERS = 3
"""Models that are loaded at once, for requests that wait for them or since they have changed."""


class LocalService(InferenceService):
    """Serves the models of a folder.

    Pinned models are loaded when it is made; others at their first request.

    Args:
        models: the folder, a ``models.yaml``, or any other source.
        cores: cores that all models share; those this process may use if not given.
        reload_s: seconds between looks for what has changed on disk; None to look only when
            ``refresh`` is called.
        now: monotonic seconds.

    Raises:
        ConfigError: the folder or file cannot be read.
    """

    def __init__(
        self,
        models: Path | str | ModelSource,
        *,
        cores: int | None = None,
        reload_s: float | None = 1.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source_of(models) if isinstance(models, (str, Path)) else models
        self._now = now
        self._crew = Crew(cores or len(os.sched_getaffinity(0)), now=now)
        self._loads: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._reloading: set[Hosted] = set()
        self._settling = Settling()
        self._refreshing = threading.Lock()
        self._unreadable = ""
        self._end = threading.Event()
        files = self._settling.pass_on(self._source.scan())
        self._leaving: list[Hosted] = []
        self._models = {name: Hosted(each, self._crew, now) for name, each in files.items()}
        self._threads = [
            threading.Thread(target=self._load, name=f"model-loader-{number}", daemon=True)
            for number in range(LOADERS)
        ]
        if reload_s is not None:
            self._threads.append(
                threading.Thread(
                    target=self._watch, args=(reload_s,), name="model-watcher", daemon=True
                )
            )
        for thread in self._threads:
            thread.start()
        for model in self._models.values():
            if model.files.settings.pinned or model.files.state.wanted == "loaded":
                self._reload_soon(model)

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Queue a request and return at once. Its errors are those that ``infer`` raises."""
        job = Job(request, done, self._now())
        model = self._models.get(request.model)
        if model is None:
            job.tell(self._unknown(request.model))
        elif self._end.is_set():
            job.tell(CancelledError("the service is closed"))
        elif not model.submit(job) and model.park(job):
            self._loads.put(partial(model.load_for_waiting, request.version))
        return job

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model; loads it if it is not loaded.

        Raises:
            UnknownModelError: there is no such model or version, or it cannot be loaded.
        """
        hosted = self._model(model)
        return hosted.info(hosted.loaded(version) or hosted.load(version))

    def status(self) -> list[ModelStatus]:
        """Return every model as it is now, loaded or not."""
        return [model.status() for model in list(self._models.values())]

    def load(self, model: str, version: str | None = None) -> None:
        """Load or reload a model and wait until it is ready.

        Raises:
            UnknownModelError: it cannot be.
        """
        self._model(model).load(version, again=True)

    def unload(self, model: str) -> None:
        """Let go of a model; requests under way are answered first.

        Raises:
            UnknownModelError: there is no such model.
        """
        self._model(model).unload()

    def is_ready(self, model: str | None = None) -> bool:
        """True when the model, or without a name every pinned model, can answer at once."""
        if model is not None:
            found = self._models.get(model)
            return found is not None and found.loaded() is not None
        pinned = [each for each in self._models.values() if each.files.settings.pinned]
        return not self._end.is_set() and all(each.loaded() is not None for each in pinned)

    def close(self) -> None:
        """Answer what is queued with ``CancelledError`` and let go of everything. Idempotent."""
        if self._end.is_set():
            return
        self._end.set()
        for _ in range(LOADERS):
            self._loads.put(None)
        for model in [*self._models.values(), *self._leaving]:
            model.close()
        if not self._crew.close(timeout=1.5):
            log.warning("worker_still_computing", hint="its engine is closed when it returns")
        until = time.monotonic() + 1.0
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def collect(self) -> "Iterator[Metric]":
        """Return what each version did, as families of Prometheus metrics."""
        from edgeflow.inference.scheduling.metrics import version_metrics

        return version_metrics(
            (name, version, counters)
            for name, model in list(self._models.items())
            for version, counters in list(model.counters.items())
            if version
        )

    def models(self) -> list[ModelStatus]:
        """Return every model as it is now; what the dashboard asks (``ModelView``)."""
        return self.status()

    def refresh(self) -> None:
        """Look what has changed on disk, and load, switch and unload accordingly."""
        for model in self._look():
            if not self._end.is_set():
                model.load_for_waiting(None)

    def _look(self) -> list[Hosted]:
        """Take over what has changed on disk; return the models that have to be loaded for it."""
        with self._refreshing:
            try:
                files = self._settling.pass_on(self._source.scan())
            except EdgeFlowError as error:
                self._note_unreadable(error)
                return []
            self._unreadable = ""
            gone = [model for name, model in self._models.items() if name not in files]
            new = {
                name: Hosted(each, self._crew, self._now)
                for name, each in files.items()
                if name not in self._models
            }
            kept = {name: each for name, each in self._models.items() if name in files}
            self._models = {**kept, **new}
            self._leaving = [each for each in self._leaving if not each.has_left] + gone
            for model in gone:
                log.info("model_removed", model=model.name)
                model.retire()
            stale = [model for name, model in self._models.items() if model.update(files[name])]
            for model in self._models.values():
                model.unload_idle()
            return stale

    def _model(self, name: str) -> Hosted:
        found = self._models.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> UnknownModelError:
        return UnknownModelError(
            f"there is no model {name!r}", hint=did_you_mean(name, list(self._models))
        )

    def _note_unreadable(self, error: EdgeFlowError) -> None:
        if str(error) == self._unreadable:
            return
        self._unreadable = str(error)
        tell_unreadable(error)

    def _load(self) -> None:
        while (load := self._loads.get()) is not None:
            try:
                load()
            except Exception:  # one model must not keep the others from being loaded
                log.exception("loader_failed")

    def _reload_soon(self, model: Hosted) -> None:
        self._reloading.add(model)
        self._loads.put(partial(self._reload, model, model.files.state.asked))

    def _reload(self, model: Hosted, asked: object) -> None:
        try:
            model.load_for_waiting(None)
            state = model.files.state
            if state.asked != asked and state.wanted == "unloaded":  # meanwhile, by somebody
                model.unload()
        finally:
            self._reloading.discard(model)

    def _watch(self, every_s: float) -> None:
        stale: set[Hosted] = set()
        while not self._end.wait(every_s):
            try:
                stale |= set(self._look())
            except Exception:  # the watcher must outlive what it did not foresee
                log.exception("watcher_failed")
            for model in stale - self._reloading:  # one under way is loaded again after that
                stale.discard(model)
                self._reload_soon(model)
