"""Models of this process: a repository of files, engines over them, and a scheduler."""

import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from edgeflow.core.status import ModelStatus
from edgeflow.errors import CancelledError, EdgeFlowError, UnknownModelError, did_you_mean
from edgeflow.inference.hosting import Hosted, Loaded
from edgeflow.inference.repository.files import ModelSource
from edgeflow.inference.repository.folder import FolderSource
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.workers import Crew
from edgeflow.inference.service import Done, InferenceService, ModelInfo, Ticket

__all__ = ["LocalService"]

log = structlog.get_logger(__name__)


class LocalService(InferenceService):
    """Serves the models of a folder.

    Pinned models are loaded when it is made; others at their first request.

    Args:
        models: the folder, or any other source.
        cores: cores that all models share; those this process may use if not given.
        now: monotonic seconds.

    Raises:
        ConfigError: the folder cannot be read.
    """

    def __init__(
        self,
        models: Path | str | ModelSource,
        *,
        cores: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = FolderSource(models) if isinstance(models, (str, Path)) else models
        self._now = now
        self._crew = Crew(cores or len(os.sched_getaffinity(0)), now=now)
        self._loads: queue.SimpleQueue[tuple[Hosted, str | None] | None] = queue.SimpleQueue()
        self._closed = False
        self._models: dict[str, Hosted] = {
            name: Hosted(files, self._crew, now) for name, files in self._source.scan().items()
        }
        self._loader = threading.Thread(target=self._load_jobs, name="model-loader", daemon=True)
        self._loader.start()
        for model in self._models.values():
            if model.files.settings.pinned:
                self._loads.put((model, None))

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Queue a request and return at once. Its errors are those that ``infer`` raises."""
        job = Job(request, done, self._now())
        model = self._models.get(request.model)
        if model is None:
            done(self._unknown(request.model))
        elif self._closed:
            done(CancelledError("the service is closed"))
        elif not model.submit(job) and model.park(job):
            self._loads.put((model, request.version))
        return job

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model; loads it if it is not loaded.

        Raises:
            UnknownModelError: there is no such model or version, or it cannot be loaded.
        """
        hosted = self._model(model)
        loaded: Loaded = hosted.loaded(version) or hosted.load(version)
        return hosted.info(loaded)

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
        return not self._closed and all(each.loaded() is not None for each in pinned)

    def close(self) -> None:
        """Answer what is queued with ``CancelledError`` and let go of everything. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loads.put(None)
        for model in self._models.values():
            model.close()
        if not self._crew.close(timeout=1.5):
            log.warning("worker_still_computing", hint="its engine is closed when it returns")
        self._loader.join(1.0)

    def _model(self, name: str) -> Hosted:
        found = self._models.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> UnknownModelError:
        return UnknownModelError(
            f"there is no model {name!r}", hint=did_you_mean(name, list(self._models))
        )

    def _load_jobs(self) -> None:
        while (task := self._loads.get()) is not None:
            model, version = task
            try:
                model.load_for_waiting(version)
            except EdgeFlowError as error:
                log.warning("model_not_loaded", model=model.name, error=str(error))
