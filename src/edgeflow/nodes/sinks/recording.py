"""Frames into an MCAP recording."""

from pathlib import Path

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError
from edgeflow.nodes.sink import SinkNode
from edgeflow.store.recording import Recorder

__all__ = ["RecordingSink"]


class RecordingSink(SinkNode):
    """Records every frame it gets, bit for bit.

    Attributes:
        path: of the file; an existing one is kept, and a number is added to the name.
    """

    path: str = ""

    def configure(self) -> None:
        """Open a new file."""
        if not self.path:
            raise ConfigError(f"sink {self.name!r} has no path", hint='pass path="run.mcap"')
        self._recorder = Recorder(_unused(Path(self.path)))

    def write(self, frame: Frame) -> None:
        """Record a frame."""
        self._recorder.write(frame)

    def teardown(self) -> None:
        """Finish the file."""
        if hasattr(self, "_recorder"):
            self._recorder.close()


def _unused(path: Path) -> Path:
    """Return ``path``, or the first of ``name-2``, ``name-3``... that does not exist."""
    candidate, number = path, 2
    while candidate.exists():
        candidate = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return candidate
