"""One model of a service: which versions are loaded, what waits for one, and how it went."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edgeflow.core.status import ModelStatus
from edgeflow.errors import (
    CancelledError,
    EdgeFlowError,
    UnknownModelError,
    did_you_mean,
)
from edgeflow.inference.notices import tell_failed, tell_ready, tell_substitute
from edgeflow.inference.opening import Loaded, open_version
from edgeflow.inference.parking import Parking
from edgeflow.inference.repository.files import ModelFiles, VersionFile
from edgeflow.inference.scheduling.counters import Counters, add_totals
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.lane import bound_of
from edgeflow.inference.scheduling.workers import Crew
from edgeflow.inference.service import ModelInfo

__all__ = ["Hosted"]

log = structlog.get_logger(__name__)

TRIED = 3
"""Versions tried, newest first, until one can be loaded."""

MAX_LOADED = 4
"""Versions loaded at once, the active one among them; another takes the least used one's place."""

OTHER_IDLE_S = 300.0
"""Seconds after which a version is unloaded that was asked for by name and is not the active."""

KEPT_COUNTERS = 20
"""Versions whose counters are kept apart; those of older ones are summed up."""

RETRY_S = 5.0
"""How long a version that could not be loaded is not tried again by itself."""


@dataclass(slots=True)
class _Failure:
    file: VersionFile
    at: float
    error: EdgeFlowError


class Hosted:
    """One model.

    Args:
        files: as it lies on disk.
        crew: who computes on the cores.
        now: monotonic seconds.
    """

    def __init__(
        self, files: ModelFiles, crew: Crew, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.files = files
        self.counters: dict[str, Counters] = {}
        self.last_error: str | None = None
        self._crew = crew
        self._now = now
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._loaded: dict[str, Loaded] = {}
        self._active: Loaded | None = None
        self._leaving: list[Loaded] = []
        self._parking = Parking(files.name, self._counters(""))
        self._failures: dict[str, _Failure] = {}
        self._opening = False
        self._closed = False

    @property
    def name(self) -> str:
        """How requests call it."""
        return self.files.name

    def loaded(self, version: str | None = None) -> Loaded | None:
        """Return a version that can answer at once, without a name the active one."""
        return self._active if version is None else self._loaded.get(version)

    def submit(self, job: Job) -> bool:
        """Queue a job or answer it; False when its version must be loaded first."""
        version = job.request.version
        while (loaded := self.loaded(version)) is not None:
            try:
                job.inputs = loaded.binding.inputs(job.request.inputs)
                job.outputs = loaded.binding.outputs(job.request.outputs)
            except EdgeFlowError as error:
                self._counters(loaded.file.version).count_misfit()
                job.tell(error)
                return True
            if loaded.lane.submit(job):
                return True
        return False

    def park(self, job: Job) -> bool:
        """Let a job wait until its version is loaded; True when somebody must load it now."""
        queue = self.files.settings.queue
        return self._parking.add(job, queue.capacity, bound_of(queue.capacity, queue.policy))

    def load_for_waiting(self, version: str | None) -> None:
        """Load a version and hand it the jobs that wait for it, or tell them why not."""
        failure: EdgeFlowError | None = None
        try:
            self.load(version)
        except EdgeFlowError as error:
            failure = error
        known = version if version and self.files.find(version) else ""
        for job in self._parking.take(version):
            if failure is not None:
                self._counters(known).count_error()
                job.tell(failure)
            elif not self.submit(job):
                job.tell(CancelledError(f"model {self.name!r} was unloaded"))

    def load(self, version: str | None = None, *, again: bool = False) -> Loaded:
        """Load a version and wait for it; without a name the one that should answer.

        That is the chosen one; if none is chosen, or it is not there (which is told), the one
        that answers now, else the newest one that can be loaded.

        Args:
            version: which one.
            again: load it anew although it is loaded, or although it failed a moment ago.

        Raises:
            UnknownModelError: there is none, or it cannot be loaded.
        """
        with self._turn:
            if self._closed:
                raise UnknownModelError(f"model {self.name!r} is no longer served")
            failure: EdgeFlowError | None = None
            for file in self._candidates(version):
                loaded = self._loaded.get(file.version)
                if loaded is None or loaded.file != file or again:
                    try:
                        loaded = self._open(file, again=again)
                    except EdgeFlowError as error:
                        failure = failure or error
                        continue
                self._install(loaded, active=version is None or file == self.files.find())
                if version is None and (absent := self._absent()) is not None:
                    tell_substitute(self.name, absent, file.version)
                return loaded
        if failure is None:
            raise self._no_version(version)
        raise UnknownModelError(
            f"model {self.name!r} cannot be loaded: {failure.message}", hint=failure.hint
        ) from failure

    def update(self, files: ModelFiles) -> bool:
        """Take over what has changed on disk; return whether it has to be loaded for that."""
        before, self.files = self.files, files
        if files != before:
            self._forget_failures(files)
            self._drop_missing(files)
            self._forget_counters()
        if files.state.asked != before.state.asked and files.state.wanted == "unloaded":
            self.unload()
            return False
        asked = files.state.asked != before.state.asked and files.state.wanted == "loaded"
        stale = self._active is not None and files != before
        missing = self._active is None and files.settings.pinned
        return asked or stale or missing

    def unload_idle(self) -> None:
        """Let go of versions that nobody has asked for lately, as their settings want it."""
        for each in list(self._loaded.values()):
            active = each is self._active
            seconds = each.file.settings.idle_unload_s or (0.0 if active else OTHER_IDLE_S)
            pinned = active and self.files.settings.pinned
            if seconds and not pinned and each.lane.is_idle(seconds):
                log.info("model_idle", model=self.name, version=each.file.version)
                self._remove(each)

    def unload(self) -> None:
        """Let go of every version; requests under way are answered first."""
        with self._lock:
            loaded, self._loaded, self._active = list(self._loaded.values()), {}, None
            self._let_go(loaded)
        for each in loaded:
            each.lane.retire()

    @property
    def has_left(self) -> bool:
        """True once every version that was let go of has answered its last request."""
        return all(each.lane.has_ended for each in self._leaving)

    def retire(self) -> None:
        """The model is gone: answer what is under way, tell whoever waits for it to load."""
        with self._lock:
            self._closed = True
        waiting = self._parking.close()
        self.unload()
        for job in waiting:
            self._counters("").count_error()
            job.tell(UnknownModelError(f"model {self.name!r} was removed"))

    def close(self) -> None:
        """Answer what waits with ``CancelledError`` and let go of everything."""
        with self._lock:
            self._closed = True
            loaded, self._loaded, self._active = list(self._loaded.values()), {}, None
            loaded += self._leaving
        for each in loaded:
            each.lane.abort()
        for job in self._parking.close():
            self._counters("").count_cancelled()
            job.tell(CancelledError(f"model {self.name!r}: the server ends"))

    def info(self, loaded: Loaded) -> ModelInfo:
        """Describe a version that is loaded."""
        engine, lane = loaded.lane.engine, loaded.lane
        return ModelInfo(
            name=self.name,
            version=loaded.file.version,
            versions=tuple(each.version for each in self.files.versions),
            platform=engine.platform,
            spec=engine.spec,
            max_batch=lane.max_batch if lane.max_batch > 1 else 0,
            labels=loaded.labels,
        )

    def status(self) -> ModelStatus:
        """Tell how it is now."""
        active, settings = self._active, self.files.settings
        chosen = self.files.find()
        chosen = chosen or next(iter(self._candidates(None)), None)
        version = active.file.version if active else chosen.version if chosen else ""
        status = ModelStatus(
            name=self.name,
            state=self._state(),
            version=version,
            versions=[each.version for each in self.files.versions],
            pinned=settings.pinned,
            queue_capacity=settings.queue.capacity,
            last_error=self.files.problem or self.last_error or self._substitution(version),
        )
        if active is not None:
            engine, lane = active.lane.engine, active.lane
            status.device, status.engine = engine.device, engine.kind
            status.instances, status.queue_depth = lane.options.instances, lane.depth
            status.inputs = [str(tensor) for tensor in engine.spec.inputs]
            status.outputs = [str(tensor) for tensor in engine.spec.outputs]
        add_totals(status, list(self.counters.values()))
        return status

    def _substitution(self, version: str) -> str | None:
        absent = self._absent()
        return absent and f"version {absent} is to answer, but not there; {version} stands in"

    def _state(self) -> str:
        if self._active is not None:
            return "ready"
        if self._opening or self._parking:
            return "loading"
        return "failed" if self._failures else "unloaded"

    def _candidates(self, version: str | None) -> list[VersionFile]:
        """Return what to try, best first."""
        chosen, fixed = self.files.find(version), version or self.files.settings.version
        if version is not None or (chosen is not None and fixed is not None):
            return [] if chosen is None else [chosen]
        active = self._active
        if fixed is not None and active is not None and active.file in self.files.versions:
            return [active.file]
        return list(reversed(self.files.versions))[:TRIED]

    def _absent(self) -> str | None:
        """Return the version that is chosen to answer, if it is not there but others are."""
        chosen = self.files.find() is not None or not self.files.versions
        return None if chosen else self.files.settings.version

    def _forget_failures(self, files: ModelFiles) -> None:
        for version, failure in list(self._failures.items()):
            if failure.file not in files.versions:
                del self._failures[version]
        if not self._failures:
            self.last_error = None

    def _forget_counters(self) -> None:
        """Keep the totals of a bounded number of versions, the latest."""
        for version in [each for each in self.counters if each][:-KEPT_COUNTERS]:
            if version not in self._loaded:
                gone = self.counters.pop(version)
                self._counters("").add(gone)

    def _drop_missing(self, files: ModelFiles) -> None:
        """Retire versions whose files are gone; the active one answers until another does."""
        there = {file.version for file in files.versions}
        for version, each in list(self._loaded.items()):
            if version not in there and each is not self._active:
                self._remove(each)

    def _remove(self, loaded: Loaded) -> None:
        with self._lock:
            if self._loaded.get(loaded.file.version) is loaded:
                del self._loaded[loaded.file.version]
            if self._active is loaded:
                self._active = None
            self._let_go([loaded])
        loaded.lane.retire()

    def _let_go(self, versions: list[Loaded]) -> None:
        """Remember what is about to be retired, until it has ended; under the lock."""
        self._leaving = [each for each in self._leaving if not each.lane.has_ended] + versions

    def _no_version(self, version: str | None) -> UnknownModelError:
        wanted = version or self.files.settings.version
        if wanted is None or not self.files.versions:
            return UnknownModelError(
                f"model {self.name!r} has no version to serve", hint=self.files.problem
            )
        known = [each.version for each in self.files.versions]
        return UnknownModelError(
            f"model {self.name!r} has no version {wanted!r}", hint=did_you_mean(wanted, known)
        )

    def _open(self, file: VersionFile, *, again: bool) -> Loaded:
        failed = self._failures.get(file.version)
        if (
            failed is not None
            and failed.file == file
            and not again
            and self._now() - failed.at < RETRY_S
        ):
            raise failed.error
        counters = self._counters(file.version)
        self._opening = True
        try:
            loaded = open_version(self.name, file, self._crew, counters, self._now)
        except EdgeFlowError as error:
            self._note_failure(file, error)
            raise
        finally:
            self._opening = False
        self._failures.pop(file.version, None)
        return loaded

    def _install(self, fresh: Loaded, *, active: bool) -> None:
        """Let a version answer from now on, and retire what it takes the place of."""
        with self._lock:
            closed = self._closed
            before = self._active
            old: list[Loaded | None] = [self._loaded.get(fresh.file.version)]
            if not closed:
                self._loaded[fresh.file.version] = fresh
                if active:
                    self._active = fresh
                    if before is not None and before.file.version != fresh.file.version:
                        self._loaded.pop(before.file.version, None)
                        old.append(before)
            if len(self._loaded) > MAX_LOADED:
                old.append(self._pop_least_used(fresh))
            gone = [each for each in old if each is not None and each is not fresh]
            self._let_go(gone)
        if closed:
            fresh.lane.retire()
            raise UnknownModelError(f"model {self.name!r}: the server ends")
        for each in gone:
            each.lane.retire()
        if active and before is not fresh:
            self._note_switch(before, fresh)

    def _pop_least_used(self, fresh: Loaded) -> Loaded | None:
        others = [
            each for each in self._loaded.values() if each is not fresh and each is not self._active
        ]
        least = min(others, key=lambda each: each.lane.last_used, default=None)
        return None if least is None else self._loaded.pop(least.file.version)

    def _note_switch(self, before: Loaded | None, fresh: Loaded) -> None:
        self.last_error = None
        tell_ready(self.name, fresh.file.version, before.file.version if before else "")

    def _note_failure(self, file: VersionFile, error: EdgeFlowError) -> None:
        self._failures[file.version] = _Failure(file, self._now(), error)
        self.last_error = f"version {file.version}: {error}"
        tell_failed(self.name, file.version, error)

    def _counters(self, version: str) -> Counters:
        counters = self.counters.get(version)
        if counters is None:
            counters = self.counters.setdefault(version, Counters(self._now))
        return counters
