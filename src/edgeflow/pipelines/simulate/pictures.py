"""A simulated camera: JPEG pictures from a clip, a still, or drawn."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from edgeflow.errors import ConfigError
from edgeflow.pipelines.simulate.trajectories import Trajectory

__all__ = ["Camera"]

_MAX_BYTES = 64 << 20
_STILLS = {".jpg", ".jpeg", ".png", ".bmp"}


class Camera(Trajectory):
    """Pictures of a file, over and over; without one, a figure that walks through a grey room.

    Args:
        random: source of chance.
        source: a clip or a still; None to draw.
        width: of the pictures in pixels; the height follows.
        quality: of the JPEG, 1 to 100.

    Raises:
        ConfigError: the file cannot be read.
    """

    def __init__(
        self, random: Random, *, source: Path | None = None, width: int = 640, quality: int = 80
    ) -> None:
        super().__init__(random)
        self._width = width
        self._quality = quality
        if source is None:
            self._pictures = self._drawn()
        elif not source.is_file():
            raise ConfigError(f"the picture or clip {source} does not exist")
        elif source.suffix.lower() in _STILLS:
            self._pictures = self._still(source)
        else:
            self._pictures = self._clip(source)
        self._first: bytes | None = next(self._pictures)

    def next(self, interval: float, now: float) -> bytes:
        """Return a JPEG."""
        first, self._first = self._first, None
        return first or next(self._pictures)

    def _encode(self, picture: Any) -> bytes:
        import cv2

        height = max(1, round(picture.shape[0] * self._width / picture.shape[1]))
        if picture.shape[1] != self._width:
            picture = cv2.resize(picture, (self._width, height), interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        return bytes(cv2.imencode(".jpg", picture, quality)[1].tobytes())

    def _still(self, source: Path) -> Iterator[bytes]:
        import cv2
        import numpy as np

        if source.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"the picture {source} has more than {_MAX_BYTES} bytes")
        picture = cv2.imdecode(np.fromfile(source, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ConfigError(f"{source} is no picture that can be read")
        encoded = self._encode(picture)
        while True:
            yield encoded

    def _clip(self, source: Path) -> Iterator[bytes]:
        import cv2

        while True:
            clip = cv2.VideoCapture(str(source))
            shown = 0
            try:
                while True:
                    there, picture = clip.read()
                    if not there:
                        break
                    shown += 1
                    yield self._encode(picture)
            finally:
                clip.release()
            if not shown:
                raise ConfigError(f"{source} is no clip that can be read")

    def _drawn(self) -> Iterator[bytes]:
        import cv2
        import numpy as np

        height, x = self._width * 3 // 4, 0
        while True:
            picture = np.full((height, self._width, 3), 96, np.uint8)
            foot, tall = int(height * 0.9), height // 2
            cv2.rectangle(picture, (x, foot - tall), (x + tall // 3, foot), (40, 70, 160), -1)
            cv2.circle(picture, (x + tall // 6, foot - tall), tall // 8, (150, 180, 220), -1)
            x = (x + max(1, self._width // 80) + self._random.randint(0, 2)) % self._width
            yield self._encode(picture)
