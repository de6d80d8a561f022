"""A picture of a recording: amplitudes of all subcarriers over time, and what is sensed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.errors import StoreError
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["draw"]

WIDTH, HEIGHT = 1200, 260
LEFT, TOP, GAP = 90, 40, 40
PANEL = 120
COLUMNS = WIDTH - LEFT - 20
MAX_COLUMNS = 4 * COLUMNS
"""Amplitudes kept while reading; then neighbours are merged."""

Floats = NDArray[np.float32]


def draw(recording: Recording, options: TrackOptions, path: Path, node: int | None = None) -> None:
    """Write a PNG of one node's frames.

    Args:
        recording: what to draw.
        options: how it is sensed.
        path: of the picture; it is replaced.
        node: which; that of the first frame if None.

    Raises:
        StoreError: reading or writing fails, or the node is not in the recording.
    """
    import cv2

    updates, waterfall, seconds = _read(recording, options, node)
    if waterfall is None:
        raise StoreError(f"{recording.path} holds no frame of node {node} that can be drawn")
    image = np.full((TOP + HEIGHT + 3 * (PANEL + GAP) + GAP, WIDTH, 3), 255, np.uint8)
    _waterfall(image, waterfall)
    top = TOP + HEIGHT + GAP
    span = max(seconds, 1e-3)
    _write(image, f"{recording.path.name}: amplitude by subcarrier, {seconds:.0f} s", 10, 25)
    motion = [(u.t, u.motion) for u in updates]
    _curve(image, top, span, motion, f"motion (present above {_threshold(updates)})")
    present = [(u.t, float(u.presence)) for u in updates]
    _curve(image, top + PANEL + GAP, span, present, "presence", most=1.0)
    breathing = [(u.t, u.breathing_bpm) for u in updates if u.breathing_bpm is not None]
    _curve(image, top + 2 * (PANEL + GAP), span, breathing, "breaths per minute", dots=True)
    done, encoded = cv2.imencode(".png", image)
    try:
        if not done:
            raise StoreError(f"{path}: the picture cannot be encoded")
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _read(
    recording: Recording, options: TrackOptions, wanted: int | None
) -> tuple[list[VitalsUpdate], Floats | None, float]:
    """Return the updates, amplitudes (subcarriers, time) and length of one node."""
    updates: list[VitalsUpdate] = []
    rows: list[Floats] = []
    chosen, begin, end, keep, count = wanted, 0, 0, 1, 0

    def tell(said: VitalsUpdate | SensingEvent) -> None:
        if isinstance(said, VitalsUpdate) and said.node == chosen:
            updates.append(said)

    nodes = Nodes(options, tell)
    for item in recording:
        nodes.take(item)
        node = nodes.last
        if node is None or node.newest is None:
            continue
        chosen = node.number if chosen is None else chosen
        if node.number != chosen:
            continue
        begin, end = begin or node.newest.time_us, node.newest.time_us
        processor = node.tracker.processor
        found = processor.amplitudes() if processor is not None else np.zeros(0, np.float32)
        if not found.size or (rows and found.size != rows[0].size):
            continue
        count += 1
        if count % keep == 0:
            rows.append(found)
        if len(rows) >= MAX_COLUMNS:
            rows, keep = rows[::2], 2 * keep
    nodes.finish()
    return updates, np.stack(rows, axis=1) if rows else None, (end - begin) / 1e6


def _waterfall(image: NDArray[np.uint8], amplitudes: Floats) -> None:
    import cv2

    top = float(np.percentile(amplitudes, 99)) or 1.0
    grey = (np.clip(amplitudes / top, 0, 1) * 255).astype(np.uint8)
    grey = cv2.resize(grey, (COLUMNS, HEIGHT), interpolation=cv2.INTER_AREA)
    image[TOP : TOP + HEIGHT, LEFT : LEFT + COLUMNS] = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
    _write(image, "0", LEFT - 20, TOP + 10)
    _write(image, str(len(amplitudes) - 1), LEFT - 40, TOP + HEIGHT)


def _curve(
    image: Any,
    top: int,
    span: float,
    points: list[tuple[float, float]],
    title: str,
    *,
    most: float | None = None,
    dots: bool = False,
) -> None:
    import cv2

    highest = most or max((value for _, value in points), default=1.0) * 1.1 or 1.0
    cv2.rectangle(image, (LEFT, top), (LEFT + COLUMNS, top + PANEL), (210, 210, 210))
    _write(image, title, LEFT, top - 6)
    _write(image, f"{highest:.3g}", 10, top + 12)
    _write(image, "0", 10, top + PANEL)
    _write(image, f"{span:.0f} s", LEFT + COLUMNS - 40, top + PANEL + 16)
    places = [
        (LEFT + int(min(t / span, 1) * COLUMNS), top + PANEL - int(min(v / highest, 1) * PANEL))
        for t, v in points
    ]
    for place in places if dots else []:
        cv2.circle(image, place, 3, (160, 80, 20), -1, cv2.LINE_AA)
    if not dots and places:
        line = np.array(places, np.int32).reshape(-1, 1, 2)
        cv2.polylines(image, [line], False, (160, 80, 20), 2, cv2.LINE_AA)


def _threshold(updates: list[VitalsUpdate]) -> str:
    known = updates[-1].threshold if updates else None
    return "what is not learnt yet" if known is None else f"{known:.4f}"


def _write(image: Any, text: str, x: int, y: int) -> None:
    import cv2

    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
