"""Which detection of this picture is which of the last one."""

from collections.abc import Sequence
from typing import Any

import msgspec

from edgeflow.pipelines.agents.geometry import Box, overlaps

__all__ = ["Track", "Tracker"]

MAX_TRACKS = 256


class Track(msgspec.Struct, eq=False):
    """One object that is followed.

    Attributes:
        number: unlike any other's of the same tracker.
        detection: as it was found last.
        box: where.
        seen: when.
        entered: since when it is inside, None outside.
        inside: when it was inside last.
        told: it was announced.
    """

    number: int
    detection: dict[str, Any]
    box: Box
    seen: float
    entered: float | None = None
    inside: float = 0.0
    told: bool = False

    @property
    def dwell(self) -> float:
        """Seconds that it has been seen inside."""
        return 0.0 if self.entered is None else self.inside - self.entered


class Tracker:
    """Follows objects by how much their boxes overlap from picture to picture.

    Args:
        forget_s: seconds after which an object that is not found is gone.
        least: overlap at which two boxes may be the same object.
    """

    def __init__(self, forget_s: float, least: float = 0.2) -> None:
        self._forget_s = forget_s
        self._least = least
        self._next = 1
        self.tracks: list[Track] = []

    def follow(self, found: Sequence[tuple[dict[str, Any], Box]], now: float) -> list[Track]:
        """Take one picture in.

        Args:
            found: detections with their boxes.
            now: monotonic seconds.

        Returns:
            The tracks that are in this picture, in the order of ``found``; of more than
            ``MAX_TRACKS`` detections those beyond are not followed.
        """
        self.tracks = [track for track in self.tracks if now - track.seen <= self._forget_s]
        found = found[:MAX_TRACKS]
        matched = self._match([box for _, box in found])
        current = []
        for index, (detection, box) in enumerate(found):
            track = matched.get(index)
            if track is None:
                track = Track(self._next, detection, box, now)
                self._next += 1
                self.tracks.append(track)
            track.detection, track.box, track.seen = detection, box, now
            current.append(track)
        self.tracks = sorted(self.tracks, key=lambda track: -track.seen)[:MAX_TRACKS]
        return current

    def _match(self, boxes: Sequence[Box]) -> dict[int, Track]:
        """Pair boxes and tracks, those that overlap most first; the older track wins a tie."""
        tracks = sorted(self.tracks, key=lambda track: track.number)
        matched: dict[int, Track] = {}
        if not tracks or not boxes:
            return matched
        scores = overlaps(boxes, [track.box for track in tracks])
        while (score := scores.max()) >= self._least and score > 0:
            index, place = divmod(int(scores.argmax()), len(tracks))
            matched[index] = tracks[place]
            scores[index, :] = scores[:, place] = -1.0
        return matched
