"""``train``: models that learn before anybody lives with them."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import JsonOption, new_group, progress, write, write_json

if TYPE_CHECKING:
    from edgeflow.climate.learning.training import TrainingReport

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="train")


class Data(StrEnum):
    """What is learnt from."""

    HOME = "home"
    OFFICE = "office"


@verbs.callback(epilog="Example: edgeflow train climate --folder climate")
def train() -> None:
    """Train models before they are used."""


@verbs.command(epilog="Example: edgeflow train climate --days 7 --rooms 4 --seed 2")
def climate(
    *,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="As of `climate serve`: models go to DIR/models.")
    ] = Path("climate"),
    data: Annotated[
        Data, typer.Option(help="A simulated home, or the measured air of an office.")
    ] = Data.HOME,
    days: Annotated[
        float, typer.Option(metavar="N", min=0.5, max=60, help="To learn in (home).")
    ] = 7.0,
    test_days: Annotated[
        float, typer.Option(metavar="N", min=0.5, max=60, help="To be judged by, after (home).")
    ] = 3.0,
    rooms: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Of the home.")] = 4,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another home.")] = 1,
    json: JsonOption = False,
) -> int:
    """Let a window model learn from overrides in a home, and write a version.

    The version takes over only if it is better for certain: on what people have said in the real
    home, if that is enough, else on what was held out. The office is measured temperature,
    humidity and light; who airs it, and its volume, are made up there, too.
    """
    from edgeflow.climate.learning import training

    options = training.TrainingOptions(
        data=data.value, days=days, test_days=test_days, rooms=rooms, seed=seed
    )
    with progress("Living through it"):
        report = training.train(folder / "models", options, time.time)
    if json:
        write_json(report)
    else:
        write("\n".join(_lines(report)))
    return 0


def _lines(report: "TrainingReport") -> list[str]:
    lines = [
        f"{report.overrides} overrides, {report.tries} models took over while it learnt",
        "",
        "room        decisions   points off before   after   within 10 points",
    ]
    for room in report.rooms:
        lines.append(
            f"{room.room:10}  {room.decisions:9}  {room.error_before:18.1f}  {room.error:6.1f}"
            f"  {room.within:17.0%}"
        )
    lines += [
        f"{'all':10}  {sum(room.decisions for room in report.rooms):9}"
        f"  {report.error_before:18.1f}  {report.error:6.1f}  {report.within:17.0%}",
        "",
        f"confidence is off by {100 * report.calibration_error:.1f} points:",
    ]
    found = report.reliability
    for promised, kept, count in zip(found.promised, found.kept, found.counts, strict=True):
        lines.append(f"  promised {promised:4.0%}, kept {kept:4.0%} of {count}")
    by = report.comparison
    verdict = (
        "in use" if report.promoted else f"not in use: not better than {report.parent} for sure"
    )
    who = "things people said" if report.judged_on == "people" else "held-out overrides"
    return [
        *lines,
        "",
        f"{report.version} written, {verdict}",
        f"on {by.labels} {who}: {by.error:.1f} points off, {report.parent} {by.parent_error:.1f}, "
        f"{by.certainty:.0%} certain",
    ]
