"""One node over time: frames in, vitals at a steady pace, events as soon as they are seen."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edgeflow._native.csi import Calibration, CsiOptions, CsiProcessor, CsiVitals
from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.sensing.frames import CsiFrame

__all__ = ["Own", "TrackOptions", "Tracker"]

MOST_CATCH_UP = 10
"""Updates that a gap may bring at once; longer ones are passed over."""
SILENT_US = 5_000_000
"""Without a frame for so long a node is silent: no more updates until it is back."""
REPORT_WINS_US = 5_000_000
"""What a node says itself counts when no frame of it was seen for so long."""

Tell = Callable[[VitalsUpdate | SensingEvent], None]


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How nodes are followed.

    Attributes:
        csi: how the core senses.
        interval_us: between two updates; ``watch_us``: between two looks for events.
        start_us: the time that is t = 0; None for that of the first frame.
        calibration: of an empty room, per number of the node; under None, of all others.
        own: asked for each new node by number and name; what it returns wins over ``csi`` and
            ``calibration``, where it is not None.
    """

    csi: CsiOptions = field(default_factory=CsiOptions)
    interval_us: int = 1_000_000
    watch_us: int = 20_000
    start_us: int | None = None
    calibration: dict[int | None, Calibration] = field(default_factory=dict)
    own: Callable[[int, str], "Own"] | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What was set for one node: options, and the calibration of its empty room."""

    csi: CsiOptions | None = None
    calibration: Calibration | None = None


class Tracker:
    """Follows one node.

    Args:
        node, name: whose updates these are.
        start_us: the time that is t = 0.
        tell: given each update and event, at once.
    """

    def __init__(
        self, node: int, name: str, options: TrackOptions, start_us: int, tell: Tell
    ) -> None:
        self.node, self.name = node, name
        self.latest: VitalsUpdate | None = None
        self.refused = 0
        self.silent = False
        self._options, self._start, self._tell = options, start_us, tell
        own = options.own(node, name) if options.own is not None else Own()
        self._csi_options, self._own_calibration = own.csi or options.csi, own.calibration
        self._csi: CsiProcessor | None = None
        self._frame_us: int | None = None
        self._due = self._watch = 0
        self._present = self._falling = self._fell = self._apnea = False

    @property
    def processor(self) -> CsiProcessor | None:
        """The core's state, once there was a frame."""
        return self._csi

    @property
    def options(self) -> CsiOptions:
        """How its frames are sensed."""
        return self._csi_options

    def push(self, frame: CsiFrame) -> None:
        """Take a frame in; tells what is due before it, and what it brings."""
        now = frame.time_us
        csi = self._csi or self._begin(now)
        if now >= self._due:
            self.advance(now)
        refused = csi.push(now, frame.payload, rssi=frame.rssi, source=frame.source)
        if refused is not None:
            self.refused += 1
            return
        self._frame_us = now
        if self.silent:
            self._back(now)
        if now >= self._watch:
            self._watch = now + self._options.watch_us
            presence, fall = csi.watch(now)
            if presence != self._present or fall != self._falling:
                self._look(now, presence, fall, csi.vitals(now).presence_confidence)

    def advance(self, now: int) -> None:
        """Tell the updates that are due by now; of a long gap only the first ones."""
        if self._csi is None or self.silent:
            return
        told = 0
        while self._due <= now and told < MOST_CATCH_UP and not self.silent:
            self._update(self._csi.vitals(self._due))
            if self._due - (self._frame_us or 0) > SILENT_US:
                self._fall_silent(self._due)
            self._due += self._options.interval_us
            told += 1
        if self._due <= now:
            self._due = now + self._options.interval_us

    def finish(self) -> None:
        """Tell what the last part of an interval brought, at the end of a recording."""
        if self._csi is None or self._frame_us is None:
            return
        begun = self._due - self._options.interval_us
        if self._frame_us - begun > self._options.interval_us // 2:
            self._update(self._csi.vitals(self._frame_us))

    def calibrate(self) -> bool:
        """Learn the room anew; False when there are no frames to learn from."""
        if self._csi is None:
            return False
        self._csi.calibrate()
        return True

    def configure(self, options: CsiOptions) -> None:
        """Sense by other options from now on; what is known of the empty room stays.

        Raises:
            ConfigError: the core refuses them.
        """
        fresh = CsiProcessor(options)
        if self._csi is not None:
            learnt, known = self._csi.calibration, self._csi.vitals(self._frame_us or 0).calibrated
            if learnt is not None and known:
                fresh.calibration = learnt
            self._csi = fresh
        self._csi_options = options

    def glance(self, now: int) -> tuple[VitalsUpdate, tuple[float, ...]] | None:
        """Return what is known at a time, which nobody is told, and the breaths of each person.

        None before the first frame and before the node said anything itself.
        """
        if self._csi is None or self.silent:
            return (self.latest, ()) if self.latest is not None else None
        said = self._csi.vitals(now)
        return self._translated(said), said.person_bpm

    def report(self, now: int, said: VitalsUpdate) -> bool:
        """Take what the node says itself; it counts only while its frames are not seen."""
        if self._frame_us is not None and now - self._frame_us < REPORT_WINS_US:
            return False
        self._look(now, said.presence, said.fall, said.confidence)
        self._send(said)
        return True

    def module_said(self, now: int, code: int, value: float, slot: int) -> None:
        """Tell what a WASM module of the node said."""
        self._event("module", now, code=code, value=value, slot=slot)

    def seconds(self, now: int) -> float:
        """Return a time as t."""
        return round((now - self._start) / 1e6, 6)

    def _begin(self, now: int) -> CsiProcessor:
        known = self._options.calibration
        csi = CsiProcessor(self._csi_options)
        learnt = self._own_calibration or known.get(self.node, known.get(None))
        if learnt is not None:
            csi.calibration = learnt
        self._csi = csi
        self._due = now + self._options.interval_us
        self._frame_us = now
        return csi

    def _look(self, now: int, presence: bool, fall: bool, confidence: float | None) -> None:
        if presence != self._present:
            self._present = presence
            self._event("presence", now, confidence=confidence)
        if fall and not self._falling:
            self._fell = True
            self._event("fall", now, confidence=confidence)
        self._falling = fall

    def _update(self, said: CsiVitals) -> None:
        self._look(said.time_us, said.presence, said.fall, said.presence_confidence)
        if said.apnea and not self._apnea:
            self._event("apnea", said.time_us, confidence=said.presence_confidence)
        self._apnea = said.apnea
        update = self._translated(said)
        self._fell = False
        self._send(update)

    def _translated(self, said: CsiVitals) -> VitalsUpdate:
        return VitalsUpdate(
            t=self.seconds(said.time_us),
            node=self.node,
            name=self.name,
            presence=said.presence,
            motion=round(said.motion_score, 6),
            threshold=round(said.motion_threshold, 6) if said.calibrated else None,
            breathing_bpm=_rounded(said.breathing_bpm),
            heart_bpm=_rounded(said.heart_bpm),
            persons=said.persons,
            fall=said.fall or self._fell,
            confidence=round(said.presence_confidence, 4),
            breathing_confidence=round(said.breathing_confidence, 4),
            heart_confidence=round(said.heart_confidence, 4),
            apnea=said.apnea,
            calibrated=said.calibrated,
            degraded=said.degraded,
            frame_rate=round(said.frame_rate, 3),
            rssi=said.rssi,
        )

    def _send(self, update: VitalsUpdate) -> None:
        self.latest = update
        self._tell(update)

    def _fall_silent(self, now: int) -> None:
        self.silent = True
        self._event("silent", now)

    def _back(self, now: int) -> None:
        self.silent = False
        self._due = now + self._options.interval_us
        self._event("back", now)

    def _event(
        self,
        kind: str,
        now: int,
        *,
        confidence: float | None = None,
        code: int = 0,
        value: float = 0.0,
        slot: int = 0,
    ) -> None:
        self._tell(
            SensingEvent(
                kind=kind,
                t=self.seconds(now),
                node=self.node,
                name=self.name,
                presence=self._present,
                confidence=None if confidence is None else round(confidence, 4),
                code=code,
                value=value,
                slot=slot,
            )
        )


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)
