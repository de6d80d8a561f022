"""The installable peer and compression, on the recordings, as sections of the page of accuracy.

``python -m benchmarks.csi.accuracy [--page docs/explanation/csi-accuracy.md]``. The peer is
installed into an environment of its own when it is first needed.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.csi.compression import NAMES, measure, table
from benchmarks.csi.material import DATA
from benchmarks.inference.environments import python_of
from edgeflow.sensing.evaluation import SCENES, Outcome, area_under_curve, evaluate, learn
from edgeflow.sensing.evaluation_report import put

__all__ = ["main"]

SCRIPT = Path(__file__).parent / "peers" / "wisense_sense.py"
EMPTY, OTHER_EMPTY, MOVING = "vacio_01", "resp_vacio", "mov_01"


def _peer() -> dict[str, Any]:
    files = [DATA / f"{EMPTY}.csv.xz", *(DATA / f"{scene.name}.csv.xz" for scene in SCENES)]
    command = [str(python_of("wisense")), str(SCRIPT), *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _rates(rates: list[float]) -> str:
    return f"{np.median(rates):.1f}, {len(rates)} s" if rates else "no reading"


def _rows(ours: dict[str, Outcome], peer: dict[str, Any]) -> list[list[str]]:
    rows = []
    for scene in SCENES:
        outcome, said = ours[scene.name], peer[scene.name]
        truth = scene.truth if scene.bpm is None else f"{scene.truth}, {scene.bpm:.1f}"
        present = float(np.mean([second[1] for second in said]))
        breathing = [second[2] for second in said if second[2] is not None]
        rows.append(
            [
                f"`{scene.name}`",
                truth,
                f"{outcome.present:.0%}",
                f"{present:.0%}",
                f"{outcome.reference_present:.0%}",
                _rates(outcome.breathing),
                _rates(breathing),
                _rates(outcome.reference_breathing),
            ]
        )
    return rows


def peers_section() -> str:
    """Return Markdown."""
    room = learn(DATA / f"{EMPTY}.csv.xz")
    ours = {scene.name: evaluate(scene, DATA, room) for scene in SCENES}
    peer = _peer()
    heads = ["recording", "truth", "present", "wisense", "reference"]
    heads += ["breathing", "wisense", "reference"]
    lines = [heads, ["---"] * len(heads), *_rows(ours, peer)]
    areas = []
    for empty in (EMPTY, OTHER_EMPTY):
        own = area_under_curve(ours[MOVING].scores, ours[empty].scores)
        theirs = area_under_curve([s[0] for s in peer[MOVING]], [s[0] for s in peer[empty]])
        areas.append(f"{own:.3f} and {theirs:.3f} against `{empty}`")
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{text}\n\nArea under the curve, `{MOVING}`, ours and wisense: {'; '.join(areas)}.\n"


def main() -> None:
    """Measure, and write or show the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="Markdown page to put the sections into")
    chosen = parser.parse_args()
    put(peers_section(), chosen.page, "peers")
    put(table([measure(name) for name in NAMES]) + "\n", chosen.page, "compression")


if __name__ == "__main__":
    main()
