"""The model images that were replaced last, one per board, kept for a roll-back."""

import os
import re
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from edgeflow.config import settings
from edgeflow.errors import ConfigError
from edgeflow.protocols import spiffs

__all__ = ["PreviousImages"]

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_MOST_BYTES = spiffs.MAX_BYTES + 1024 * 1024


@dataclass(frozen=True, slots=True)
class PreviousImages:
    """Files in a folder, by the board's MAC; the oldest go when there are too many.

    A board whose flashing was broken off keeps the image from before, however often it is tried.
    """

    folder: Path = field(default_factory=lambda: settings.CACHE_DIR / "boards")
    limit: int = 64

    def begin(self, mac: str, image: bytes | None) -> None:
        """Note that the board's partition is written now; ``image`` is what it holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        started = self._file(mac, "started")
        if image is not None and not started.exists():
            self._store(self._file(mac, "image"), zlib.compress(image, 6))
            self._drop_oldest()
        started.touch()

    def finish(self, mac: str) -> None:
        """Note that the writing begun last came to its end."""
        self._file(mac, "started").unlink(missing_ok=True)

    def load(self, mac: str, size: int) -> bytes | None:
        """Return the image that was replaced last, None if none of ``size`` bytes is here."""
        file = self._file(mac, "image")
        try:
            if file.stat().st_size > _MOST_BYTES:
                return None
            packed = file.read_bytes()
            image = zlib.decompressobj().decompress(packed, size + 1)
        except (OSError, zlib.error):
            return None
        return image if len(image) == size else None

    def _file(self, mac: str, kind: str) -> Path:
        if not _MAC.fullmatch(mac):
            raise ConfigError(f"{mac!r} is no MAC of a board")
        return self.folder / f"{mac.replace(':', '-')}.{kind}"

    def _store(self, target: Path, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)

    def _drop_oldest(self) -> None:
        files = sorted(self.folder.glob("*.image"), key=_age)
        for file in files[: -self.limit]:
            file.unlink(missing_ok=True)
            file.with_suffix(".started").unlink(missing_ok=True)


def _age(file: Path) -> float:
    """When it was written; another board's swap may have dropped it by now."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
