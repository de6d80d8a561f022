"""The accuracy page's tables, measured: ``python -m edgeflow.sensing.evaluation_report FOLDER``.

With ``--page FILE`` the tables between the page's two marks are replaced.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from edgeflow.errors import StoreError
from edgeflow.sensing.evaluation import (
    SCENES,
    Outcome,
    area_under_curve,
    evaluate,
    learn,
)
from edgeflow.sensing.evaluation_plots import draw
from edgeflow.sensing.evaluation_simulated import RATES, Simulated, simulated

__all__ = ["main", "put", "recorded_tables", "simulated_tables"]

ROOM = "vacio_01"
THINNED = (None, 28.5, 20.0, 10.0)


def _rate(rates: list[float]) -> str:
    if not rates:
        return "no reading"
    return f"{np.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _row(outcome: Outcome) -> list[str]:
    scene = outcome.scene
    truth = scene.truth if scene.bpm is None else f"{scene.truth}, {scene.bpm:.1f} breaths/min"
    return [
        f"`{scene.name}`",
        truth,
        f"{outcome.present:.0%}",
        f"{outcome.reference_present:.0%}",
        _rate(outcome.breathing),
        _rate(outcome.reference_breathing),
        _rate(outcome.heart),
        _rate(outcome.reference_heart),
        "/".join(str(n) for n in sorted({second.persons for second in outcome.seconds})),
        "/".join(str(n) for n in sorted({second.persons for second in outcome.reference})),
    ]


def _curve_row(outcomes: dict[str, Outcome], rate: float | None) -> list[str]:
    moving = outcomes["mov_01"]
    cells = ["as recorded" if rate is None else f"{rate:g} Hz"]
    for empty in (outcomes["vacio_01"], outcomes["resp_vacio"]):
        cells.append(f"{area_under_curve(moving.scores, empty.scores):.3f}")
        reference = area_under_curve(moving.reference_scores, empty.reference_scores)
        cells.append(f"{reference:.3f}")
    return cells


def recorded_tables(folder: Path, plots: Path | None = None) -> str:
    """Measure on the recordings of a folder; return Markdown, and draw plots into another one.

    Raises:
        StoreError: a recording is missing or damaged.
    """
    curves: list[list[str]] = []
    first: dict[str, Outcome] = {}
    for rate in THINNED:
        room = learn(folder / f"{ROOM}.csv.xz", rate)
        outcomes = {scene.name: evaluate(scene, folder, room, rate) for scene in SCENES}
        curves.append(_curve_row(outcomes, rate))
        first = first or outcomes
    if plots is not None:
        draw(first, folder, plots)
    heads = ["recording", "truth", "present", "reference", "breathing", "reference"]
    heads += ["heart", "reference", "persons", "reference"]
    areas = ["frame rate", f"against `{ROOM}`", "reference", "against `resp_vacio`", "reference"]
    return "\n".join(
        [
            _table(heads, [_row(outcome) for outcome in first.values()]),
            "\nArea under the curve of the motion score, moving (`mov_01`) against empty:\n",
            _table(areas, curves),
        ]
    )


def _simulated_row(name: str, found: dict[float, Simulated]) -> list[str]:
    return [name, *(found[rate].cell for rate in RATES)]


def simulated_tables(seeds: int) -> str:
    """Measure on simulated rooms; return Markdown."""
    rows = [_simulated_row(name, found) for name, found in simulated(seeds).items()]
    return _table(["simulated", *(f"{rate:g} Hz" for rate in RATES)], rows)


def put(text: str, page: Path | None, name: str = "measured") -> None:
    """Write a text between the marks of its name in a page, or to stdout without one.

    Raises:
        StoreError: the page has no such marks.
    """
    if page is None:
        sys.stdout.write(text)
        return
    begin, end = f"<!-- {name} -->", f"<!-- {name} end -->"
    whole = page.read_text("utf-8")
    marked = re.compile(re.escape(begin) + ".*" + re.escape(end), re.DOTALL)
    if marked.search(whole) is None:
        raise StoreError(f"{page} has no place for {name!r}", hint=f"{begin} {end}")
    page.write_text(marked.sub(lambda _: f"{begin}\n{text}{end}", whole), "utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write or show the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="recordings")
    parser.add_argument("--page", type=Path, help="Markdown page to put the tables into")
    parser.add_argument("--plots", type=Path, help="folder of pictures to draw")
    parser.add_argument("--seeds", type=int, default=8, help="simulated rooms of each kind")
    chosen = parser.parse_args(arguments)
    recorded = recorded_tables(chosen.folder, chosen.plots)
    put(f"{recorded}\n\n{simulated_tables(chosen.seeds)}\n", chosen.page)


if __name__ == "__main__":
    main()
