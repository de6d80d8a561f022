"""An alarm when somebody is in a zone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from edgeflow.errors import PipelineError
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.agents.geometry import Anchor, Box, Point, anchor_of, contains, touches
from edgeflow.pipelines.agents.tracks import Track, Tracker
from edgeflow.pipelines.agents.values import PerSensor
from edgeflow.pipelines.message import Action, EdgeMessage

__all__ = ["PersonInZone", "ZoneOptions"]

MAX_SENSORS = 256
MAX_DETECTIONS = 1000


class ZoneOptions(AgentOptions):
    """Keys of an agent of type ``person_in_zone``."""

    zone: str = Field(
        default="",
        description="Name under `zones:`; one that is not drawn there is the whole picture.",
    )
    labels: list[str] = Field(
        default=["person"], min_length=1, max_length=100, description="What counts as somebody."
    )
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="Less sure is ignored.")
    anchor: Anchor = Field(
        default="bottom_centre",
        description="Point of a box that must be inside; `any`: the box touches the zone.",
    )
    min_count: int = Field(default=1, ge=1, le=1000, description="How many there must be.")
    dwell_s: float = Field(
        default=0.0, ge=0, description="How long somebody must stay before it counts."
    )
    exit_s: float = Field(
        default=2.0, ge=0, description="Out of the zone, or not found, this long: has left."
    )
    repeat_s: float | None = Field(
        default=None, gt=0, description="Fire again this often while somebody stays."
    )
    cooldown_s: float = Field(
        default=0.0, ge=0, description="Shortest time between two actions for one sensor."
    )
    events: list[Literal["enter", "exit"]] = Field(
        default=["enter"], min_length=1, description="What to fire on; `exit`: the last has left."
    )


class _State(msgspec.Struct, eq=False):
    tracker: Tracker
    last: float | None = None
    occupied_since: float | None = None


class PersonInZone(Agent):
    """Fires once for each person that enters a zone and stays for the dwell time.

    Everybody is followed by the overlap of boxes, so the dwell time is each person's own.
    """

    quick = True
    Options = ZoneOptions
    options: ZoneOptions

    def __init__(self, name: str, options: Any, **rest: Any) -> None:
        super().__init__(name, options, **rest)
        self._polygon: Sequence[Point] = tuple(self.zones.get(self.options.zone, ()))
        forget_s = self.options.exit_s
        self._states: PerSensor[_State] = PerSensor(lambda: _State(Tracker(forget_s)), MAX_SENSORS)

    async def handle(
        self, *, message: EdgeMessage, payload: Mapping[str, Any], latency_ms: float
    ) -> list[Action]:
        """Look where everybody is.

        Raises:
            PipelineError: the zone is drawn, and the size of the picture is not known.
        """
        found = list(self._wanted(payload))
        state, now = self._states[message.sensor_id], self.clock()
        scale = self._scale(message, payload) if found and self._polygon else (1.0, 1.0)
        for track in state.tracker.follow(found, now):
            self._place(track, scale, now)
        present = self._present(state.tracker.tracks, now)
        action = self._decide(state, present, now, message)
        return [] if action is None else [action]

    # --- who is there ----------------------------------------------------------------------

    def _wanted(self, payload: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Box]]:
        found = payload.get("detections")
        if found is None and "bbox" in payload:
            found = [payload]
        for each in (found if isinstance(found, list | tuple) else ())[:MAX_DETECTIONS]:
            if not isinstance(each, Mapping) or each.get("label") not in self.options.labels:
                continue
            confidence, box = each.get("confidence", 1.0), _box_of(each.get("bbox"))
            sure = isinstance(confidence, int | float) and confidence >= self.options.min_confidence
            if sure and box is not None:
                yield dict(each), box

    def _place(self, track: Track, scale: tuple[float, float], now: float) -> None:
        if self._is_inside(track, scale):
            track.entered = now if track.entered is None else track.entered
            track.inside = now

    def _is_inside(self, track: Track, scale: tuple[float, float]) -> bool:
        zone = track.detection.get("zone")
        if isinstance(zone, str):  # an upstream node has looked already
            return zone == self.options.zone
        if not self._polygon:
            return True
        x, y = scale
        box = (track.box[0] * x, track.box[1] * y, track.box[2] * x, track.box[3] * y)
        if self.options.anchor == "any":
            return touches(self._polygon, box)
        return contains(self._polygon, anchor_of(box, self.options.anchor))

    def _present(self, tracks: Sequence[Track], now: float) -> list[Track]:
        for track in tracks:
            if track.entered is not None and now - track.inside > self.options.exit_s:
                track.entered, track.told = None, False
        return [
            track
            for track in tracks
            if track.entered is not None and track.dwell >= self.options.dwell_s
        ]

    # --- what follows ----------------------------------------------------------------------

    def _decide(
        self, state: _State, present: list[Track], now: float, message: EdgeMessage
    ) -> Action | None:
        options = self.options
        if len(present) < options.min_count:
            since, state.occupied_since = state.occupied_since, None
            if since is None or "exit" not in options.events:
                return None
            return self._action("exit", present, message, round(now - since, 3))
        cool = state.last is None or now - state.last >= options.cooldown_s
        again = (
            options.repeat_s is not None
            and state.last is not None
            and now - state.last >= options.repeat_s
        )
        if not cool or not (again or any(not track.told for track in present)):
            return None
        if state.occupied_since is None:
            state.occupied_since = now
        state.last = now
        for track in present:
            track.told = True
        return self._action("enter", present, message) if "enter" in options.events else None

    def _action(
        self,
        event: str,
        present: list[Track],
        message: EdgeMessage,
        stayed_s: float | None = None,
    ) -> Action:
        zone = self.options.zone or "the picture"
        people = [
            {**track.detection, "track": track.number, "dwell_s": round(track.dwell, 3)}
            for track in present
        ]
        detail: dict[str, Any] = {"event": event, "zone": self.options.zone, "count": len(people)}
        if stayed_s is not None:
            detail["stayed_s"] = stayed_s
        what = "/".join(self.options.labels)
        text = f"{len(people)} x {what} in {zone}" if event == "enter" else f"{zone} is left"
        return Action(
            dispatcher=self.options.dispatcher,
            target=self.options.target,
            payload={
                **detail,
                "sensor": message.sensor_id,
                "time": message.timestamp,
                "detections": people,
            },
            metadata={
                **detail,
                "detections": people,
                "text": f"{text} ({message.sensor_id})",
                "level": "warning" if event == "enter" else "info",
            },
        )

    def _scale(self, message: EdgeMessage, payload: Mapping[str, Any]) -> tuple[float, float]:
        """Return what turns pixels into shares of the picture."""
        for size in (
            payload.get("image_hw"),
            message.metadata.get("image_hw"),
            message.metadata.get("shape"),
            getattr(message.payload, "shape", None),
        ):
            if isinstance(size, list | tuple) and len(size) >= 2:
                height, width = size[:2]
                if _is_number(height) and _is_number(width) and height > 0 and width > 0:
                    return 1 / width, 1 / height
        raise PipelineError(
            f"agent {self.name}: the zone {self.options.zone!r} needs the size of the picture",
            hint="let the message or the postprocessor say image_hw: [height, width]",
        )


def _is_number(value: Any) -> bool:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    return fits and -1e9 < value < 1e9


def _box_of(value: Any) -> Box | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(_is_number(each) for each in value):
        return None
    x1, y1, x2, y2 = (float(each) for each in value)
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
