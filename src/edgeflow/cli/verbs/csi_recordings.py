"""``csi replay``, ``csi plot`` and ``csi calibrate``: what is done with recordings."""

from pathlib import Path
from typing import Annotated

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json, write_json_line
from edgeflow.cli.verbs.csi_options import (
    CalibrateOption,
    CalibrateSecondsOption,
    EventsOption,
    IntervalOption,
    NodeOption,
    TierOption,
    heading,
    known_rooms,
    line_of,
    tell_damage,
    values_of,
)

__all__ = ["calibrate", "plot", "replay"]

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV, JSON lines (also .xz), or what csi record wrote."),
]


def replay(
    file: FileArgument,
    *,
    calibrate: CalibrateOption = None,
    calibrate_seconds: CalibrateSecondsOption = None,
    interval: IntervalOption = 1.0,
    tier: TierOption = 2,
    node: NodeOption = 1,
    events: EventsOption = False,
    json: JsonOption = False,
) -> int:
    """Print the vitals that a recording shows.

    FILE is the CSV of ESP32-CSI-Tool, JSON lines of the reference's recorder, or a capture. The
    firmware's own core senses, as fast as the file can be read. With --json each update is an
    object on a line of its own; a rate that cannot be read is null. Damaged lines are left out and
    told on stderr.
    """
    from edgeflow._native.csi import CsiOptions
    from edgeflow.core.vitals import VitalsUpdate
    from edgeflow.sensing.recordings import Recording
    from edgeflow.sensing.replaying import replay as replayed
    from edgeflow.sensing.tracking import TrackOptions

    csi = CsiOptions(tier=tier)
    recording = Recording(file, node)
    known = known_rooms(calibrate, calibrate_seconds, csi)
    options = TrackOptions(csi=csi, interval_us=round(interval * 1e6), calibration=known)
    if not json:
        write(heading())
    count = 0
    for said in replayed(recording, options):
        if events or isinstance(said, VitalsUpdate):
            count += 1
            (write_json_line(values_of(said)) if json else write(line_of(said)))
    tell_damage(recording)
    if not count:
        narrate(f"{file} is shorter than one update")
    return 0


def plot(
    file: FileArgument,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .png, which is replaced.")],
    calibrate: CalibrateOption = None,
    calibrate_seconds: CalibrateSecondsOption = None,
    node: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=255, help="Which; the first if not given.")
    ] = None,
) -> None:
    """Draw a recording: the waterfall of amplitudes, and what is sensed below it."""
    from edgeflow._native.csi import CsiOptions
    from edgeflow.sensing.plotting import draw
    from edgeflow.sensing.recordings import Recording
    from edgeflow.sensing.tracking import TrackOptions

    csi = CsiOptions()
    recording = Recording(file)
    known = known_rooms(calibrate, calibrate_seconds, csi)
    draw(recording, TrackOptions(csi=csi, calibration=known), out, node)
    tell_damage(recording)
    narrate(f"wrote {out}")


def calibrate(
    file: FileArgument,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .json, which is replaced.")],
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Learn from the first S seconds only.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Learn the empty room from a recording of it, for --calibrate.

    Record it while nobody is there: edgeflow csi record --out empty.mcap --seconds 60.
    """
    from edgeflow._native.csi import CsiOptions
    from edgeflow.sensing.calibrations import learn, write_calibrations
    from edgeflow.sensing.recordings import Recording

    recording = Recording(file)
    known = learn(recording, CsiOptions(), seconds)
    write_calibrations(out, known)
    tell_damage(recording)
    rows = {"*" if number is None else str(number): each for number, each in known.items()}
    if json:
        write_json(rows)
    else:
        for name, each in rows.items():
            who = "any other node" if name == "*" else f"node {name}"
            write(f"{who}: present above {each.threshold:.4f}, learnt from {each.frames} frames")
    narrate(f"wrote {out}")
