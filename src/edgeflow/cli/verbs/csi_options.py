"""Options that several verbs of ``csi`` share, and how their results are shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import narrate

if TYPE_CHECKING:
    from edgeflow._native.csi import CsiOptions
    from edgeflow.core.vitals import SensingEvent, VitalsUpdate
    from edgeflow.sensing.calibrations import Calibrations
    from edgeflow.sensing.recordings import Recording

__all__ = [
    "AllowOption",
    "CalibrateOption",
    "CalibrateSecondsOption",
    "EventsOption",
    "HostOption",
    "IntervalOption",
    "NodeOption",
    "PortOption",
    "TierOption",
    "heading",
    "known_rooms",
    "line_of",
    "tell_damage",
    "values_of",
]

HostOption = Annotated[
    str, typer.Option(metavar="HOST", help="Address to bind; loopback by default.")
]
PortOption = Annotated[
    int, typer.Option(metavar="N", min=0, max=65535, help="UDP port; 0 for any.")
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NET", help="Network whose nodes are heard; may be repeated."),
]
TierOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=2, help="1 motion and presence, 2 rates too.")
]
IntervalOption = Annotated[
    float, typer.Option(metavar="S", min=0.05, max=3600, help="Seconds between two updates.")
]
CalibrateOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A recording of the empty room, or what csi calibrate made."),
]
CalibrateSecondsOption = Annotated[
    float | None,
    typer.Option(metavar="S", min=1, help="Learn from its first S seconds only."),
]
NodeOption = Annotated[
    int, typer.Option(metavar="N", min=0, max=255, help="The node, where FILE does not tell.")
]
EventsOption = Annotated[bool, typer.Option("--events", help="Print events too, as they are seen.")]

_COLUMNS = ("t", "node", "presence", "motion", "breathing", "heart", "persons", "fall", "sure")
_WIDTHS = (9, 22, 8, 9, 9, 7, 7, 5, 5)


def known_rooms(path: Path | None, seconds: float | None, options: "CsiOptions") -> "Calibrations":
    """Return what is known of empty rooms from a recording, or from a file of calibrations."""
    from edgeflow.sensing.calibrations import learn, read_calibrations
    from edgeflow.sensing.recordings import Recording

    if path is None:
        return {}
    if path.suffix == ".json":
        return read_calibrations(path)
    recording = Recording(path)
    known = learn(recording, options, seconds)
    tell_damage(recording)
    return known


def tell_damage(recording: "Recording") -> None:
    """Say which lines of a recording were left out."""
    damage = recording.damage
    for line, reason in damage.places[:5]:
        narrate(f"{recording.path}:{line}: left out: {reason}")
    if damage.count > 5:
        narrate(f"{recording.path}: {damage.count} lines or packets were left out in all")


def values_of(said: "VitalsUpdate | SensingEvent") -> dict[str, object]:
    """Return an update or event as JSON-like data; numbers that mean nothing are left out."""
    import msgspec

    values: dict[str, object] = msgspec.to_builtins(said)
    for name in ("number", "time"):
        if not values[name]:
            del values[name]
    return values


def heading() -> str:
    """Return the names over the lines of updates."""
    return "  ".join(name.rjust(width) for name, width in zip(_COLUMNS, _WIDTHS, strict=True))


def line_of(said: "VitalsUpdate | SensingEvent") -> str:
    """Return an update or event as a line for people."""
    from edgeflow.core.vitals import SensingEvent

    if isinstance(said, SensingEvent):
        what = {
            "presence": f"presence {_yes(said.presence)}",
            "module": f"module {said.slot}: {said.code} {said.value:g}",
        }
        return f"{said.t:9.1f}  {said.name:>22}  {what.get(said.kind, said.kind)}"
    cells = (
        f"{said.t:.1f}",
        said.name,
        _yes(said.presence) if said.calibrated or said.source == "node" else "learning",
        f"{said.motion:.4f}",
        _rate(said.breathing_bpm),
        _rate(said.heart_bpm),
        str(said.persons),
        _yes(said.fall),
        "-" if said.confidence is None else f"{said.confidence:.2f}",
    )
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
