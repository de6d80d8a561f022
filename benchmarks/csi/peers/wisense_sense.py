"""wisense on recordings: presence once a second on its last two, breathing on its last thirty.

``python wisense_sense.py EMPTY.csv.xz NAME.csv.xz...``: learns the first 20 s of the first, and
prints a JSON object: by name, [score of presence, present, breaths per minute or null] a second.
"""

import json
import logging
import lzma
import sys
from bisect import bisect_left
from pathlib import Path

from wisense.core.calibration import calibrate
from wisense.core.connection import CSIFrame, CSISource, SerialCSISource
from wisense.presence.detector import PresenceDetector
from wisense.vitals.breathing import estimate_breathing_rate

LEARNT_S, PRESENCE_S, BREATHING_S = 20.0, 2.0, 30.0
LEAST_FRAMES = 8

logging.disable(logging.CRITICAL)


class Replay(CSISource):
    """Frames that were read before."""

    def __init__(self, frames: list[CSIFrame]) -> None:
        super().__init__()
        self._frames = iter(frames)

    def connect(self) -> None:
        self._connected = True

    def disconnect(self) -> None:
        self._connected = False

    def read_frame(self) -> CSIFrame | None:
        return next(self._frames, None)


def frames_of(path: Path) -> list[CSIFrame]:
    parser = SerialCSISource("unused")
    with lzma.open(path, "rt") as file:
        lines = [line for line in file if line.startswith("CSI_DATA")]
    return [parser._parse_esp32_csi_tool_line(line.strip()) for line in lines]


def main() -> None:
    paths = [Path(each) for each in sys.argv[1:]]
    empty = frames_of(paths[0])
    begun = empty[0].timestamp
    with Replay([frame for frame in empty if frame.timestamp - begun <= LEARNT_S]) as source:
        room = calibrate(source, duration_seconds=10, idle_timeout_seconds=0.2)
    detector = PresenceDetector()
    found = {}
    for path in paths[1:]:
        frames = frames_of(path)
        times = [frame.timestamp for frame in frames]
        seconds = []
        for at in range(1, int(times[-1] - times[0]) + 1):
            end = bisect_left(times, times[0] + at)
            window = frames[bisect_left(times, times[0] + at - PRESENCE_S) : end]
            if len(window) < LEAST_FRAMES:
                continue
            said = detector.detect(window, room)
            score = said.confidence if said.present else 1 - said.confidence
            bpm = None
            if at >= BREATHING_S:
                window = frames[bisect_left(times, times[0] + at - BREATHING_S) : end]
                bpm = estimate_breathing_rate(window, len(window) / BREATHING_S)
            seconds.append((score, bool(said.present), bpm))
        found[path.name.partition(".")[0]] = seconds
    print(json.dumps(found))


if __name__ == "__main__":
    main()
