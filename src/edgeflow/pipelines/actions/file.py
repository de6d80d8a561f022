"""Actions as lines of a file."""

import asyncio
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import Field

from edgeflow.errors import ActionError, ConfigError
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.body import action_body, encode_json
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.paths import LocalPath

__all__ = ["FileDispatcher", "FileOptions"]

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}


class FileOptions(DispatcherOptions):
    """Keys of an action of type ``file``.

    Attributes:
        path: the file; an action's target names another one in the same folder.
        max_bytes: a file that would grow beyond it is rotated to ``PATH.1``, ``PATH.2``...
        keep: rotated files that are kept.
        fsync: a line counts as written when it is on the disk.
        bytes: payloads that are bytes: ``base64`` in the line, or in ``files`` of their own.
        max_files: files of bytes that are kept; the oldest make room.
    """

    path: LocalPath
    max_bytes: int = Field(16 * 1024 * 1024, ge=1024)
    keep: int = Field(5, ge=0, le=1000)
    fsync: bool = False
    bytes: Literal["base64", "files"] = "base64"
    max_files: int = Field(1000, ge=1)


class FileDispatcher(Dispatcher):
    """Appends one JSON line per action: time, agent, pipeline, target, text and payload."""

    Options = FileOptions
    options: FileOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"edgeflow-{name}")

    async def start(self) -> None:
        """Make the folder.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            await self._do(self._prepare)
        except OSError as error:
            raise ConfigError(
                f"action {self.name!r} cannot write {self.options.path}: {error.strerror or error}"
            ) from None

    async def stop(self) -> None:
        """Finish what is being written."""
        await asyncio.to_thread(self._disk.shutdown)

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Append the line.

        Raises:
            ActionError: the target leads out of the folder, or the disk does not take it.
        """
        path = self._path(action.target)
        try:
            written = await self._do(self._write, path, action, agent, pipeline)
        except OSError as error:
            raise ActionError(f"{path} cannot be written: {error.strerror or error}") from None
        return ActionResult(ok=True, detail=f"{written} bytes", target=str(path))

    async def _do(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    def _path(self, target: str | None) -> Path:
        if target is None:
            return self.options.path
        if target in ("", ".", "..") or "/" in target or "\0" in target:
            raise ActionError(
                f"target {target!r} is not the name of a file",
                hint=f"it lies in {self.options.path.parent}",
            )
        return self.options.path.with_name(target)

    def _prepare(self) -> None:
        self.options.path.parent.mkdir(parents=True, exist_ok=True)
        with _appending(self.options.path):
            pass

    def _write(self, path: Path, action: Action, agent: str, pipeline: str) -> int:
        entry = {
            "time": time.time(),
            "agent": agent,
            "pipeline": pipeline,
            "text": str(action.metadata.get("text", "")),
        }
        if self.options.bytes == "files" and isinstance(action.payload, bytes):
            entry["file"] = self._write_bytes(path, action)
        else:
            entry["payload"] = action.payload
        line = encode_json(entry) + b"\n"
        if len(line) > self.options.max_bytes:
            raise ActionError(f"a line of {len(line)} bytes is larger than max_bytes")
        self._rotate(path, len(line))
        with _appending(path) as file:
            file.write(line)
            self._settle(file)
        return len(line)

    def _write_bytes(self, path: Path, action: Action) -> str:
        body = action_body(action, agent="", pipeline="")
        folder = path.with_name(path.name + ".files")
        folder.mkdir(exist_ok=True)
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(second))
        suffix = SUFFIXES.get(body.content_type, ".bin")
        name = f"{stamp}.{rest:09}-{uuid.uuid4().hex[:8]}{suffix}"
        with (folder / name).open("xb") as file:
            file.write(body.data)
            self._settle(file)
        for old in sorted(folder.iterdir())[: -self.options.max_files]:
            old.unlink(missing_ok=True)
        return f"{folder.name}/{name}"

    def _settle(self, file: Any) -> None:
        if self.options.fsync:
            file.flush()
            os.fsync(file.fileno())

    def _rotate(self, path: Path, adding: int) -> None:
        """Make room: PATH.1 is the newest of the old ones."""
        if not path.exists() or path.stat().st_size + adding <= self.options.max_bytes:
            return
        names = [
            path,
            *(path.with_name(f"{path.name}.{n}") for n in range(1, self.options.keep + 1)),
        ]
        names[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if newer.exists():
                newer.rename(older)


def _appending(path: Path) -> IO[bytes]:
    """Open a file to append to; a pipe, which may block for ever, is refused."""
    if path.is_fifo():
        raise OSError("it is a pipe")
    return path.open("ab")
