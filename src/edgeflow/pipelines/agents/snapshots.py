"""A folder of dated files that never outgrows its bounds."""

import contextlib
import errno
import math
import re
import shutil
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from edgeflow.errors import PipelineError

__all__ = ["Bounds", "SnapshotFolder"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FILE = re.compile(r"\d{6}-\d{3}-\d+_[A-Za-z0-9._-]{1,64}\.(jpg|png)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
PART = ".part"


class Bounds(NamedTuple):
    """How much is kept.

    Attributes:
        files: at most; None for any number.
        size: bytes of all files at most.
        age_s: oldest file, by its own time.
        free: bytes that have to stay free on the disk.
    """

    files: int | None = None
    size: int | None = None
    age_s: float | None = None
    free: int = 0


class _Kept(NamedTuple):
    time: float
    path: Path
    size: int


class SnapshotFolder:
    """Writes files into ``FOLDER/YYYY-MM-DD/`` (UTC) and deletes the oldest beyond the bounds.

    Only files that it has named itself are ever counted or deleted. Not for two threads at once.

    Args:
        root: made if need be.
        bounds: how much is kept.
    """

    def __init__(self, root: Path, bounds: Bounds) -> None:
        self.root = root
        self._bounds = bounds
        self._kept: deque[_Kept] = deque()
        self.size = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._kept)

    def open(self) -> None:
        """Find what there is, and delete what an earlier run left half written.

        Raises:
            PipelineError: the folder cannot be made or read.
        """
        found = []
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            days = [day for day in self.root.iterdir() if _DAY.fullmatch(day.name)]
            for file in (file for day in days if day.is_dir() for file in day.iterdir()):
                if file.name.endswith(PART) and _FILE.fullmatch(file.name.removesuffix(PART)):
                    file.unlink(missing_ok=True)
                elif _FILE.fullmatch(file.name) and (when := _time_of(file)) is not None:
                    found.append(_Kept(when, file, file.stat().st_size))
        except OSError as error:
            raise PipelineError(f"the archive {self.root} cannot be opened: {error}") from error
        self._kept = deque(sorted(found))
        self.size = sum(each.size for each in found)

    def write(self, data: bytes, *, sensor: str, when: float, suffix: str, now: float) -> Path:
        """Write one file; a reader sees all of it or nothing.

        Args:
            data: its content.
            sensor: becomes part of its name, as far as it is safe.
            when: seconds since the Unix epoch; ``now`` where that is no sensible time.
            suffix: ``.jpg`` or ``.png``.
            now: seconds since the Unix epoch.

        Raises:
            PipelineError: there is no room even without old files, or the disk fails.
        """
        when = when if math.isfinite(when) and 0 <= when <= now + 86400 else now
        self._prune(now, len(data))
        path = self._path(when, sensor, suffix)
        try:
            try:
                self._write(path, data)
            except OSError as error:
                if error.errno not in _NO_SPACE or not self._kept:
                    raise
                self._drop_oldest(max(1, len(self._kept) // 10))
                self._write(path, data)
        except OSError as error:
            raise PipelineError(f"the snapshot {path} cannot be written: {error}") from error
        kept = _Kept(when, path, len(data))
        self._kept.append(kept)
        if len(self._kept) > 1 and self._kept[-2] > kept:  # a sensor's clock may lag
            self._kept = deque(sorted(self._kept))
        self.size += len(data)
        return path

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(path.name + PART)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def _path(self, when: float, sensor: str, suffix: str) -> Path:
        moment = datetime.fromtimestamp(when, UTC)
        name = _UNSAFE.sub("-", sensor).strip(".-")[:64] or "sensor"
        while True:
            self._number += 1
            stamp = f"{moment:%H%M%S}-{moment.microsecond // 1000:03d}-{self._number}"
            path = self.root / f"{moment:%Y-%m-%d}" / f"{stamp}_{name}{suffix}"
            if not path.exists():
                return path

    def _prune(self, now: float, coming: int) -> None:
        files, size, age_s, free = self._bounds
        while self._kept and (
            (files is not None and len(self._kept) >= files)
            or (size is not None and self.size + coming > size)
            or (age_s is not None and now - self._kept[0].time > age_s)
        ):
            self._drop_oldest(1)
        if not free:
            return
        while (left := self._free()) < free + coming:
            if not self._kept:
                raise PipelineError(
                    f"no room for snapshots: {left} bytes are free below {self.root}",
                    hint=f"min_free_bytes is {free}",
                )
            self._drop_oldest(1)

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self.root).free
        except OSError as error:
            raise PipelineError(f"the archive {self.root} is away: {error}") from error

    def _drop_oldest(self, count: int) -> None:
        for _ in range(min(count, len(self._kept))):
            oldest = self._kept.popleft()
            self.size -= oldest.size
            with contextlib.suppress(OSError):
                oldest.path.unlink(missing_ok=True)
                if not self._kept or self._kept[0].path.parent != oldest.path.parent:
                    oldest.path.parent.rmdir()


def _time_of(file: Path) -> float | None:
    text = f"{file.parent.name} {file.name[:10]}"
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H%M%S-%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment - datetime.fromtimestamp(0, UTC)) / timedelta(seconds=1)
