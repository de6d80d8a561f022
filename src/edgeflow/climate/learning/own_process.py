"""Learning in a process of its own, which takes its memory along when it ends."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence

import msgspec

from edgeflow.climate.learning.labels import Labels
from edgeflow.climate.learning.learner import Comparison
from edgeflow.climate.learning.outcomes import Outcome
from edgeflow.climate.learning.versions import Metadata, Model, Versions
from edgeflow.climate.learning.workplace import Attempt, Workplace
from edgeflow.errors import EngineError

__all__ = ["CANDIDATE", "MAX_LINE", "OwnProcess", "Result", "Task", "begin"]

CANDIDATE = ".candidate"
"""Folder, beside the versions, of the last candidate."""
LEARN_LIMIT = 900.0
END_SECONDS = 1.0
MAX_LINE = 4 << 20
_CHILD = "edgeflow.climate.learning.own_process_child"


class Task(msgspec.Struct, kw_only=True):
    """What a process is to do: learn on from ``parent``, or make a first model without one.

    Attributes:
        folder: of the versions. parent: with the confidence that it has by now.
        now: seconds since the Unix epoch. version: of the candidate. outcomes: of the parent.
    """

    folder: str
    parent: Metadata | None = None
    now: float = 0.0
    version: str = ""
    outcomes: list[Outcome] = []


class Result(msgspec.Struct, kw_only=True):
    """What came of it.

    Attributes:
        comparison: of the candidate in its folder; None when there were too few labels.
        error, hint: why it failed.
    """

    comparison: Comparison | None = None
    error: str = ""
    hint: str = ""


class OwnProcess(Workplace):
    """Learns in a process for each attempt; one at a time.

    The labels must be those of the file beside the versions. A model goes from one process to
    another as a file of weights, everything else as JSON.
    """

    def __init__(self, versions: Versions, labels: Labels) -> None:
        super().__init__(versions, labels)
        self._candidates = Versions(versions.folder / CANDIDATE)

    async def attempt(
        self, parent: Model, now: float, version: str, outcomes: Sequence[Outcome]
    ) -> Attempt | None:
        """Learn on from a version that is kept.

        Raises:
            EngineError: the process failed, was killed, or took more than 15 minutes.
        """
        task = Task(
            folder=str(self.versions.folder),
            parent=parent.metadata,
            now=now,
            version=version,
            outcomes=list(outcomes),
        )
        result = await _run(task)
        if result.comparison is None:
            return None
        made = await self.do(self._candidates.load, version)
        return Attempt(made, result.comparison)

    async def keep(self, model: Model) -> None:
        """Make a version of the last candidate."""
        place = self._candidates.folder / model.metadata.version
        await self.do(self.versions.adopt, place, model.metadata)


async def begin(versions: Versions) -> Model:
    """The version in use; in an empty folder, a first one is made in a process of its own.

    Raises:
        EngineError: the process failed, or the version in use is damaged.
    """
    if versions.current is None:
        await _run(Task(folder=str(versions.folder)))
    return await asyncio.to_thread(versions.load)


async def _run(task: Task) -> Result:
    """Begin a process, and wait for what it tells; whatever happens, it has ended afterwards."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"learning cannot be begun: {error}") from error
    try:
        async with asyncio.timeout(LEARN_LIMIT):
            said = await _talk(process, msgspec.json.encode(task) + b"\n")
    except (TimeoutError, ValueError):
        raise EngineError(f"learning took more than {LEARN_LIMIT:g} s, or told too much") from None
    finally:
        await _end(process)
    try:
        result = msgspec.json.decode(said, type=Result)
    except msgspec.DecodeError:
        raise EngineError(
            f"the process that learns ended with {process.returncode}",
            hint="was it killed? it learns anew when more was said",
        ) from None
    if result.error:
        raise EngineError(result.error, hint=result.hint)
    return result


async def _talk(process: asyncio.subprocess.Process, task: bytes) -> bytes:
    """The line by which a process answers. Its input stays open: it ends with that."""
    given, told = process.stdin, process.stdout
    if given is None or told is None:
        return b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        given.write(task)
        await given.drain()
    return await told.readline()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it unless it has ended, and wait for that."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
