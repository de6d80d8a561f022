"""Reports of the processes on one host, as files in the folder of the run."""

import contextlib
import os
import time
from pathlib import Path

from edgeflow.comms.brokers.base import StatusBoard

__all__ = ["FolderBoard"]

EXPIRES_SECONDS = 5.0
FORGET_SECONDS = 60.0
MAX_REPORT_BYTES = 4 << 20


class FolderBoard(StatusBoard):
    """One file per member, replaced as a whole; what is older than 5 s does not count.

    Args:
        folder: made if it is missing, readable by the user only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def post(self, member: str, report: bytes) -> None:
        """Replace the report of ``member``."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = member.encode().hex()
        draft = self._folder / f".{name}.{os.getpid()}"
        draft.write_bytes(report)
        draft.replace(self._folder / name)

    def read(self, prefix: str = "") -> dict[str, bytes]:
        """Return the reports that have not expired, of members whose names begin so."""
        reports: dict[str, bytes] = {}
        now = time.time()
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:
            return reports
        for path in paths:
            with contextlib.suppress(OSError, ValueError):
                name = "" if path.name.startswith(".") else bytes.fromhex(path.name).decode()
                stat = path.stat()
                age = now - stat.st_mtime
                if age > FORGET_SECONDS:
                    path.unlink()
                elif (
                    age < EXPIRES_SECONDS
                    and stat.st_size <= MAX_REPORT_BYTES
                    and name
                    and name.startswith(prefix)
                ):
                    reports[name] = path.read_bytes()
        return reports
