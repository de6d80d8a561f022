"""What was learnt of empty rooms: from a recording, and kept in a JSON file."""

import math
from pathlib import Path

import msgspec

from edgeflow._native.csi import Calibration, CsiOptions
from edgeflow.errors import ConfigError, StoreError
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["Calibrations", "learn", "read_calibrations", "write_calibrations"]

MAX_BYTES = 1 << 20
Calibrations = dict[int | None, Calibration]
"""Per number of the node; under None, for all others."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    nodes: dict[str, Calibration]


def learn(recording: Recording, options: CsiOptions, seconds: float | None = None) -> Calibrations:
    """Learn the empty room from a recording of it, or from its first ``seconds``.

    Returns:
        Per node; that of a recording of one node serves all nodes.

    Raises:
        ConfigError: there are too few frames.
        StoreError: reading fails.
    """
    nodes = Nodes(TrackOptions(csi=options), lambda _: None)
    begin = None
    for item in recording:
        begin = item.time_us if begin is None else begin
        if seconds is not None and item.time_us - begin > seconds * 1e6:
            break
        nodes.take(item)
    return learnt_by(nodes, str(recording.path), options)


def learnt_by(nodes: Nodes, where: str, options: CsiOptions) -> Calibrations:
    """Return what nodes have learnt.

    Raises:
        ConfigError: none has learnt enough.
    """
    found: Calibrations = {}
    for node in nodes:
        learnt = node.tracker.processor and node.tracker.processor.calibration
        if learnt:
            found[node.number] = learnt
    if not found:
        most = max((node.frames for node in nodes), default=0)
        raise ConfigError(
            f"{where}: {most} frames of a node are too few to learn the empty room from",
            hint=f"{options.calibration_frames} are wanted: record longer",
        )
    if len(found) == 1:
        found[None] = next(iter(found.values()))
    return found


def read_calibrations(path: Path) -> Calibrations:
    """Read a file that ``write_calibrations`` wrote.

    Raises:
        StoreError: it cannot be read.
        ConfigError: it is none, or holds values that no calibration has.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        read = msgspec.json.decode(text, type=_File)
        return {_number(name): _checked(name, each) for name, each in read.nodes.items()}
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            f"{path}:1: no calibration: {error}", hint="make one: edgeflow csi calibrate"
        ) from None


def write_calibrations(path: Path, known: Calibrations) -> None:
    """Write a file for ``read_calibrations``.

    Raises:
        StoreError: it cannot be written.
    """
    nodes = {"*" if number is None else str(number): each for number, each in known.items()}
    text = msgspec.json.format(msgspec.json.encode(_File(1, nodes)), indent=2)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _number(name: str) -> int | None:
    if name == "*":
        return None
    if not name.isdecimal() or int(name[:4]) > 255:
        raise ValueError(f"{name[:20]!r} is no number of a node")
    return int(name)


def _checked(name: str, each: Calibration) -> Calibration:
    values = (each.mean, each.deviation, each.threshold)
    if not all(math.isfinite(v) and 0 <= v < 1e6 for v in values) or each.threshold == 0:
        raise ValueError(f"node {name}: {values} are not mean, deviation and threshold")
    if not 0 < each.frames < 2**32:
        raise ValueError(f"node {name}: learnt from {each.frames} frames")
    return each
