"""Pictures kept as files."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from edgeflow.inference.requests import Array
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.snapshots import Bounds, SnapshotFolder
from edgeflow.pipelines.agents.values import PerSensor
from edgeflow.pipelines.message import Action, EdgeMessage
from edgeflow.pipelines.paths import LocalPath
from edgeflow.pipelines.stages.pictures import as_picture, encode_picture, picture_size

__all__ = ["ArchiveOptions", "SnapshotArchive"]

DAY_S = 86400.0
MAX_DRAWN = 200
COLOUR = (0, 200, 255)


class ArchiveOptions(AgentOptions):
    """Keys of an agent of type ``snapshot_archive``."""

    folder: LocalPath = Field(
        default=Path("snapshots"),
        validate_default=True,
        description="Where the files go, by day (UTC).",
    )
    labels: list[str] | None = Field(
        default=None, description="Keep only pictures with a detection of one of these."
    )
    interval_s: float = Field(
        default=0.0, ge=0, description="Shortest time between two pictures of one sensor."
    )
    draw: bool = Field(default=False, description="Draw the boxes; else the picture as it came.")
    quality: int = Field(default=90, ge=1, le=100, description="Of JPEGs made here.")
    base64: bool = Field(default=False, description="Put the picture into the action, too.")
    max_files: int = Field(default=10_000, ge=1, le=1_000_000, description="Oldest go first.")
    max_bytes: int = Field(default=1 << 30, ge=1, description="Of all files; oldest go first.")
    max_age_days: float | None = Field(default=None, gt=0, description="Older files go.")
    min_free_bytes: int = Field(
        default=64 << 20, ge=0, description="What has to stay free on the disk; oldest go first."
    )


class SnapshotArchive(Agent):
    """Writes pictures into a folder and tells where; the bytes stay out of the action.

    Args:
        name, options, rest: as any agent.
        now: seconds since the Unix epoch.
    """

    Options = ArchiveOptions
    options: ArchiveOptions

    def __init__(
        self, name: str, options: Any, *, now: Callable[[], float] = time.time, **rest: Any
    ) -> None:
        super().__init__(name, options, **rest)
        own = self.options
        age_s = None if own.max_age_days is None else own.max_age_days * DAY_S
        bounds = Bounds(own.max_files, own.max_bytes, age_s, own.min_free_bytes)
        self._folder = SnapshotFolder(own.folder, bounds)
        self._now = now
        self._last: PerSensor[list[float]] = PerSensor(list)
        self._thread: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Find what is there already."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"archive-{self.name}")
        await asyncio.get_running_loop().run_in_executor(self._thread, self._folder.open)

    async def stop(self) -> None:
        """Finish the file that is being written."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Keep the picture of one result.

        Raises:
            PipelineError: the payload is no picture, or it cannot be written.
        """
        detections = _detections(payload)
        if not self._is_wanted(message, detections):
            return []
        if self._thread is None:
            await self.start()
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._keep, message, detections
        )
        path, data = await work
        self._last[message.sensor_id][:] = [self.clock()]
        return [self._action(message, detections, path, data)]

    def _is_wanted(self, message: EdgeMessage, detections: list[dict[str, Any]]) -> bool:
        labels = self.options.labels
        if labels is not None and not any(each.get("label") in labels for each in detections):
            return False
        last = self._last[message.sensor_id]
        return not last or self.clock() - last[0] >= self.options.interval_s

    def _keep(self, message: EdgeMessage, detections: list[dict[str, Any]]) -> tuple[Path, bytes]:
        data, suffix = self._encoded(message.payload, detections)
        path = self._folder.write(
            data,
            sensor=message.sensor_id,
            when=message.timestamp,
            suffix=suffix,
            now=self._now(),
        )
        return path, data

    def _encoded(self, payload: Any, detections: list[dict[str, Any]]) -> tuple[bytes, str]:
        if isinstance(payload, bytes | bytearray | memoryview) and not self.options.draw:
            data = bytes(payload)
            return data, ".jpg" if picture_size(data).kind == "jpeg" else ".png"
        picture = as_picture(payload)
        if self.options.draw:
            picture = _drawn(picture, detections)
        return encode_picture(picture, "jpeg", self.options.quality), ".jpg"

    def _action(
        self, message: EdgeMessage, detections: list[dict[str, Any]], path: Path, data: bytes
    ) -> Action:
        detail: dict[str, Any] = {"path": str(path), "bytes": len(data)}
        payload = {
            **detail,
            "sensor": message.sensor_id,
            "time": message.timestamp,
            "detections": detections,
        }
        if self.options.base64:
            payload["image"] = base64.b64encode(data).decode("ascii")
            payload["encoding"] = "base64"
        return Action(
            dispatcher=self.options.dispatcher,
            target=self.options.target,
            payload=payload,
            metadata={
                **detail,
                "detections": detections,
                "text": f"snapshot of {message.sensor_id}: {path.relative_to(self._folder.root)}",
                "level": "info",
            },
        )


def _detections(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = payload.get("detections")
    if not isinstance(found, list | tuple):
        return []
    return [dict(each) for each in found[:1000] if isinstance(each, Mapping)]


def _drawn(picture: Array, detections: list[dict[str, Any]]) -> Array:
    import cv2

    canvas = picture.copy()
    size = max(1, round(min(canvas.shape[:2]) / 300))
    for each in detections[:MAX_DRAWN]:
        box = each.get("bbox")
        try:
            x1, y1, x2, y2 = (int(v) for v in np.clip(np.asarray(box, float), 0, 1e5))
        except (TypeError, ValueError):
            continue
        cv2.rectangle(canvas, (x1, y1), (x2, y2), COLOUR, size)
        text = f"{each.get('label', '')} {each.get('confidence', '')}"[:60]
        cv2.putText(
            canvas, text, (x1, max(12, y1 - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, COLOUR, size
        )
    return canvas
