"""Stages for frames of channel state, as the YAML names them: ``csi.window``, ``csi.vitals``...

A frame is an int8 array (subcarriers, 2) as connector ``csi`` yields it with ``messages:
[frames]``, or the bytes of a raw packet (0xC5110001), whatever brought them.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgeflow.errors import PipelineError, ProtocolError
from edgeflow.inference.requests import Array, InferResponse
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.base import Prepared

if TYPE_CHECKING:
    from edgeflow.core.vitals import SensingEvent, VitalsUpdate
    from edgeflow.sensing.tracking import Tracker, TrackOptions

__all__ = ["amplitudes", "vitals", "window"]

MAX_SENSORS = 1024
MAX_SUBCARRIERS = 512
MAX_ROWS = 4096
PER_ROW = 8
"""Frames kept per row of a window; a node that sends more often is thinned out."""

Dtype = Literal["fp16", "fp32"]
Size = Annotated[int, Field(ge=1, le=MAX_SUBCARRIERS)]


def amplitudes(
    message: EdgeMessage,  # noqa: ARG001 - part of the contract
    payload: Any,
    *,
    size: Size | None = None,
    normalise: bool = True,
    dtype: Dtype = "fp32",
) -> Prepared:
    """Make a row of the amplitudes of a frame.

    Args:
        message: not looked at.
        payload: the frame.
        size: subcarriers that the model takes; frames of another length are refused. Without it
            any length.
        normalise: divide by their root mean square, so that gain does not matter.
        dtype: of the tensor.

    Returns:
        The tensor (1, subcarriers).

    Raises:
        PipelineError: the payload is no frame, or one of another length.
    """
    row = _amplitudes(_pairs(payload), size, normalise=normalise)
    return Prepared(row[None].astype(_TYPES[dtype]))


class window:  # noqa: N801 - the YAML names it as a stage
    """Makes a window of the newest amplitudes, at even times whatever the node's own rate.

    Each row holds the newest frame at its time; rows before the first frame repeat it. The note
    ``window_filled`` says which part of the window was heard, 0 to 1.

    Args:
        seconds: from its first row to its last.
        rate: rows a second.
        size: subcarriers; the first frame of a sensor decides where it is left out. Frames of
            another length change nothing.
        normalise: as of ``csi.amplitudes``.
        dtype: of the tensor.
    """

    def __init__(
        self,
        *,
        seconds: Annotated[float, Field(gt=0, le=600)] = 4.0,
        rate: Annotated[float, Field(gt=0, le=200)] = 20.0,
        size: Size | None = None,
        normalise: bool = True,
        dtype: Dtype = "fp32",
    ) -> None:
        self._rows = max(1, round(seconds * rate))
        if self._rows > MAX_ROWS:
            raise PipelineError(f"a window of {self._rows} rows", hint=f"at most {MAX_ROWS}")
        self._step = 1.0 / rate
        self._size, self._normalise, self._type = size, normalise, _TYPES[dtype]
        self._lock = threading.Lock()
        self._sensors: OrderedDict[str, deque[tuple[float, Array]]] = OrderedDict()

    def __call__(self, message: EdgeMessage, payload: Any) -> Prepared:
        """Return the window (1, rows, subcarriers) that ends with this frame.

        Raises:
            PipelineError: the payload is no frame, or the first one of another length.
        """
        pairs = _pairs(payload)
        with self._lock:
            kept = self._sensors.setdefault(
                message.sensor_id, deque(maxlen=PER_ROW * (self._rows + 1))
            )
            self._sensors.move_to_end(message.sensor_id)
            if len(self._sensors) > MAX_SENSORS:
                self._sensors.popitem(last=False)
            size = self._size or (kept[-1][1].size if kept else None)
            if not kept or len(pairs) == size:
                row = _amplitudes(pairs, size, normalise=self._normalise)
                at = max(_seconds(message), kept[-1][0] if kept else 0.0)
                if len(kept) > 1 and at - kept[-2][0] < 2 * self._step / PER_ROW:
                    kept.pop()
                kept.append((at, row))
            frames = list(kept)
        times = [at for at, _ in frames]
        wanted = [times[-1] - self._step * back for back in range(self._rows - 1, -1, -1)]
        chosen = [max(0, bisect_right(times, at) - 1) for at in wanted]
        filled = sum(at >= times[0] for at in wanted) / self._rows
        tensor = np.stack([frames[index][1] for index in chosen])[None].astype(self._type)
        return Prepared(tensor, {"window_filled": round(filled, 4)})


class vitals:  # noqa: N801 - the YAML names it as a stage
    """Senses from frames with the core that runs on nodes, for nodes of tier 0.

    Args:
        tier: 1 for motion and presence, 2 for rates, too.
        interval: seconds between two updates.
        calibration: file of ``edgeflow csi calibrate``; without it each node learns its room.
    """

    needs_model: ClassVar = False

    def __init__(
        self,
        *,
        tier: Literal[1, 2] = 2,
        interval: Annotated[float, Field(ge=0.05, le=3600)] = 1.0,
        calibration: str | None = None,
    ) -> None:
        self._options = _track_options(tier, interval, calibration)
        self._lock = threading.Lock()
        self._sensors: OrderedDict[str, tuple[Tracker, deque[Any]]] = OrderedDict()

    def __call__(self, response: InferResponse, message: EdgeMessage) -> dict[str, Any]:
        """Take the frame of a message in.

        Returns:
            The newest vitals with the keys of connector ``csi``, ``event``: ``vitals``, and
            ``events``: the kinds of what happened with this frame. Empty before the first update.

        Raises:
            PipelineError: the message is no frame.
        """
        import msgspec

        from edgeflow.core.vitals import SensingEvent
        from edgeflow.sensing.frames import CsiFrame

        del response
        pairs = _pairs(message.payload)
        notes, now = message.metadata, int(_seconds(message) * 1e6)
        with self._lock:
            tracker, told = self._sensor(message, now)
            told.clear()
            rssi, source = _integer(notes, "rssi", -128, 127), _integer(notes, "source", 0, 255)
            tracker.push(CsiFrame(now, pairs.tobytes(), rssi, source=source))
            newest = tracker.latest
            events = [said for said in told if isinstance(said, SensingEvent)]
        if newest is None:
            return {}
        result: dict[str, Any] = msgspec.to_builtins(newest)
        del result["number"], result["time"]
        result["presence"] = events[-1].presence if events else result["presence"]
        result["fall"] = any(event.kind == "fall" for event in events) or (
            result["fall"] and newest in told
        )
        return {"event": "vitals", **result, "events": [event.kind for event in events]}

    def _sensor(self, message: EdgeMessage, now: int) -> "tuple[Tracker, deque[Any]]":
        from edgeflow.sensing.tracking import Tracker

        known = self._sensors.get(message.sensor_id)
        if known is None:
            told: deque[VitalsUpdate | SensingEvent] = deque(maxlen=64)
            node = _integer(message.metadata, "node", 0, 255)
            known = (Tracker(node, message.sensor_id, self._options, now, told.append), told)
            self._sensors[message.sensor_id] = known
            if len(self._sensors) > MAX_SENSORS:
                self._sensors.popitem(last=False)
        self._sensors.move_to_end(message.sensor_id)
        return known


_TYPES: dict[str, Any] = {"fp16": np.float16, "fp32": np.float32}


def _track_options(tier: int, interval: float, calibration: str | None) -> "TrackOptions":
    from pathlib import Path

    from edgeflow._native.csi import CsiOptions
    from edgeflow.sensing.calibrations import read_calibrations
    from edgeflow.sensing.tracking import TrackOptions

    known = read_calibrations(Path(calibration)) if calibration else {}
    csi = CsiOptions(tier=tier)
    return TrackOptions(csi=csi, interval_us=round(interval * 1e6), calibration=known)


def _pairs(payload: Any) -> Array:
    """Return the pairs of a frame, int8 (subcarriers, 2)."""
    if isinstance(payload, bytes | bytearray | memoryview):
        from edgeflow.protocols.csi_raw import RawFrame

        try:
            packet = RawFrame.decode(bytes(payload))
        except ProtocolError as error:
            raise PipelineError(f"no raw frame: {error.message}", hint=_HINT) from error
        pairs = np.frombuffer(packet.payload, np.int8).reshape(-1, 2)
        return pairs[: packet.subcarriers]
    if (
        isinstance(payload, np.ndarray)
        and payload.dtype == np.int8
        and payload.ndim == 2
        and payload.shape[1] == 2
        and 0 < len(payload) <= MAX_SUBCARRIERS
    ):
        return payload
    raise PipelineError(f"{type(payload).__name__} is no frame of channel state", hint=_HINT)


_HINT = "let connector csi yield them: `messages: [frames]`"


def _amplitudes(pairs: Array, size: int | None, *, normalise: bool) -> Array:
    if size is not None and len(pairs) != size:
        raise PipelineError(
            f"a frame of {len(pairs)} subcarriers, {size} are expected", hint="see `size`"
        )
    found = np.hypot(pairs[:, 0].astype(np.float32), pairs[:, 1].astype(np.float32))
    if normalise:
        strength = float(np.sqrt(np.mean(found**2)))
        found = found / strength if strength > 0 else found
    return np.asarray(found, np.float32)


def _seconds(message: EdgeMessage) -> float:
    """Return when the frame came: on the clock of its receiver, where that is known."""
    at = message.metadata.get("time_us")
    if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < 1 << 62:
        return at / 1e6
    return max(0.0, message.received)


def _integer(notes: dict[str, Any], key: str, low: int, high: int) -> int:
    value = notes.get(key)
    return value if isinstance(value, int) and low <= value <= high else 0
