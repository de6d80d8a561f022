"""Recorded and simulated links side by side: the table of docs/explanation/csi-simulation.md.

python -m benchmarks.csi_simulation
"""

import time
from pathlib import Path
from statistics import median

import numpy as np

from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import FAST_LINK, Activity, Breathing, Person, Scenario, Simulation
from edgeflow.sensing.simulate.statistics import LinkStatistics, measure

DATA = Path(__file__).parents[1] / "tests" / "data" / "csi"
SEEDS = range(1, 21)
ROWS = (
    ("rssi_mean", "RSSI, dBm", 1),
    ("rssi_deviation", "its deviation, dB", 2),
    ("level", "amplitude, quantisation steps", 1),
    ("gain_deviation", "gain, frame to frame, dB", 2),
    ("noise", "noise, frame to frame", 3),
    ("noise_typical", "error of a frame, median", 3),
    ("noise_p95", "error of a frame, 95 %", 3),
    ("slow", "deviation of means of ten", 3),
    ("fluctuation", "deviation of an amplitude", 3),
    ("ripple", "ripple over the bins", 2),
    ("phase_resultant", "common phase, resultant", 3),
    ("slope_deviation", "phase slope, rad per bin", 4),
    ("breathing_db", "line of breathing, dB", 1),
    ("gap_median", "gap, median, ms", 1),
    ("gap_p99", "gap, 99 %, ms", 1),
    ("gaps_short", "gaps under 2 ms", 2),
)


def recorded(name: str) -> LinkStatistics:
    """Figures of a recording."""
    frames = [f for f in Recording(DATA / f"{name}.csv.xz") if len(f.payload) == 128]
    return measure(
        np.array([frame.time_us for frame in frames]) / 1e6,
        np.frombuffer(b"".join(frame.payload for frame in frames), np.int8).reshape(-1, 128),
        np.array([frame.rssi for frame in frames]),
    )


def simulated(persons: tuple[Person, ...]) -> list[LinkStatistics]:
    """Figures of many rooms."""
    return [_simulated(Scenario(60.0, seed, radio=FAST_LINK, persons=persons)) for seed in SEEDS]


def _simulated(scenario: Scenario) -> LinkStatistics:
    blocks = list(Simulation(scenario).blocks())
    return measure(
        np.concatenate([block.time_us for block in blocks]) / 1e6,
        np.concatenate([block.pairs for block in blocks]),
        np.concatenate([block.rssi for block in blocks]),
    )


def main() -> None:
    """Print the tables."""
    slow = Breathing(6.0, variability=0.01)
    columns = {
        "resp_vacio": recorded("resp_vacio"),
        "vacio_01": recorded("vacio_01"),
        "sim. empty": simulated(()),
        "mov_01": recorded("mov_01"),
        "sim. walking": simulated((Person((Activity("walk", 60.0),)),)),
        "resp_6rpm": recorded("resp_6rpm"),
        "resp_puerta": recorded("resp_puerta_6rpm_b"),
        "sim. breathing": simulated((Person((Activity("lie", 60.0, (2.5, 2.6)),), slow),))
        + simulated((Person((Activity("lie", 60.0, (2.5, 3.6)),), slow),)),
    }
    print("| |", " | ".join(columns), "|")
    print("|---|", "---|" * len(columns), sep="")
    for field, label, digits in ROWS:
        cells = [_cell(links, field, digits) for links in columns.values()]
        print(f"| {label} |", " | ".join(cells), "|")
    for persons in (0, 1, 3):
        people = tuple(Person((Activity("walk", 60.0),)) for _ in range(persons))
        simulation = Simulation(Scenario(120.0, radio=FAST_LINK, persons=people))
        began = time.perf_counter()
        count = sum(map(len, simulation.blocks()))
        print(f"{persons} persons: {count / (time.perf_counter() - began):,.0f} frames/s")


def _cell(links: LinkStatistics | list[LinkStatistics], field: str, digits: int) -> str:
    if isinstance(links, LinkStatistics):
        return f"{getattr(links, field):.{digits}f}"
    values = [getattr(link, field) for link in links]
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
