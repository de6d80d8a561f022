"""Nodes that sense: frames in, and out come the packets of the firmware, by the firmware's core."""

from collections.abc import Callable, Iterable, Iterator

from edgeflow._native.csi import Calibration, CsiOptions, CsiProcessor, CsiVitals
from edgeflow.devices.virtual.csi_compressed import CompressedPackets
from edgeflow.devices.virtual.csi_node import GATE_US, Packet, raw_packets
from edgeflow.errors import ConfigError
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.simulate.world import Frame

__all__ = ["node_packets"]


def node_packets(
    frames: Iterable[Frame],
    *,
    tier: int = 0,
    raw: bool = True,
    compress: bool | None = None,
    interval_us: int = 1_000_000,
    calibration: Calibration | None = None,
    gate_us: int = GATE_US,
) -> Iterator[Packet]:
    """What a node sends of these frames.

    Args:
        frames: what it hears, in the order of time.
        tier: 0 sends frames only; 1 and 2 add vitals, as the core computes them.
        raw: send the frames, too.
        compress: without loss; None as the firmware does it, from tier 1 on.
        interval_us: between two vitals packets.
        calibration: of the empty room, for tiers 1 and 2.
        gate_us: frames that come sooner after the last one are not taken.

    Raises:
        ConfigError: there is no such tier, the interval is none, or there is nothing to send.
    """
    if tier not in (0, 1, 2) or interval_us < 1000 or not (raw or tier):
        raise ConfigError(
            f"a node of tier {tier} with {interval_us} us between vitals",
            hint="tier 0 sends raw frames, 1 and 2 vitals at least a millisecond apart",
        )
    processor = CsiProcessor(CsiOptions(tier=tier)) if tier else None
    if processor and calibration:
        processor.calibration = calibration
    sent = _sent(compress=tier > 0 if compress is None else compress) if raw else None
    return _packets(_gated(frames, gate_us), processor, sent, interval_us)


def _sent(*, compress: bool) -> Callable[[Frame], Iterator[Packet]]:
    """Return what makes packets of the frames of a node."""
    if compress:
        return CompressedPackets().of
    return lambda frame: raw_packets((frame,), 0)


def _packets(
    frames: Iterable[Frame],
    processor: CsiProcessor | None,
    sent: Callable[[Frame], Iterator[Packet]] | None,
    interval_us: int,
) -> Iterator[Packet]:
    due = interval_us
    for frame in frames:
        if sent is not None:
            yield from sent(frame)
        if processor is None:
            continue
        processor.push(frame.time_us, frame.pairs, rssi=frame.rssi, source=frame.source)
        if frame.time_us >= due:
            due = frame.time_us - frame.time_us % interval_us + interval_us
            yield Packet(frame.time_us, _vitals(processor.vitals(frame.time_us)).encode())


def _gated(frames: Iterable[Frame], gate_us: int) -> Iterator[Frame]:
    last = -gate_us
    for frame in frames:
        if frame.time_us - last >= gate_us:
            last = frame.time_us
            yield frame


def _vitals(said: CsiVitals) -> Vitals:
    flags = VitalsFlags(0)
    for flag, is_set in (
        (VitalsFlags.PRESENCE, said.presence),
        (VitalsFlags.FALL, said.fall),
        (VitalsFlags.MOTION, said.motion),
    ):
        flags |= flag if is_set else VitalsFlags(0)
    return Vitals(
        node=0,
        flags=flags,
        breathing_bpm=said.breathing_bpm or 0.0,
        heart_bpm=said.heart_bpm or 0.0,
        rssi=said.rssi,
        persons=said.persons,
        motion_energy=said.motion_score,
        presence_score=said.presence_score,
        uptime_ms=said.time_us // 1000 & 0xFFFFFFFF,
    )
