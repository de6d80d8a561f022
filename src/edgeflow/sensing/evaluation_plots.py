"""Pictures of the evaluation: scores over time, breath over time and its spectrum, ROC curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.evaluation import Outcome
from edgeflow.sensing.evaluation_chart import Chart, Series
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording

__all__ = ["PLOTS", "breathing_spectrum", "draw", "rates_of"]

GRID_HZ = 10.0
BAND_HZ = (0.07, 0.6)
LEAST_AMPLITUDE = 2.0
FIRST_BIN = 6
FLOOR = 0.002
"""Scores of 0 are drawn here, on the logarithmic axis."""
MOVING, EMPTY = "mov_01", ("vacio_01", "resp_vacio")
BREATHING = ("resp_6rpm", "resp_puerta_6rpm_b")
SPECTRA = ("resp_6rpm", "resp_puerta_6rpm_b", "resp_vacio", "mov_01")

Floats = NDArray[np.float64]


def draw(outcomes: dict[str, Outcome], recordings: Path, to: Path) -> list[Path]:
    """Write all plots into a folder; returns their files.

    Args:
        outcomes: by the name of the recording, all of ``SCENES``.
        recordings: the folder of the recordings, ``NAME.csv.xz``.
        to: the folder of the pictures, made if need be.

    Raises:
        StoreError: a recording cannot be read.
    """
    to.mkdir(parents=True, exist_ok=True)
    charts = {
        "motion": _motion(outcomes),
        "breathing": _breathing(outcomes),
        "spectrum": _spectra(recordings),
        "roc": _roc(outcomes),
    }
    files = []
    for name, chart in charts.items():
        file = to / PLOTS[name]
        file.write_text(chart.svg(), "utf-8")
        files.append(file)
    return files


PLOTS = {name: f"csi-{name}.svg" for name in ("motion", "breathing", "spectrum", "roc")}
"""File by plot."""


def _motion(outcomes: dict[str, Outcome]) -> Chart:
    longest = max(len(outcomes[name].seconds) for name in (MOVING, *EMPTY))
    chart = Chart(
        "Motion score, one a second: somebody walks, and nobody is there",
        "seconds", "score", (0, longest), (FLOOR, 10.0), logarithmic=True,
    )  # fmt: skip
    for colour, name in enumerate((MOVING, *EMPTY)):
        points = [(float(t), max(s, FLOOR)) for t, s in enumerate(outcomes[name].scores)]
        chart.series.append(Series(name, points, colour))
    limit = [(float(t), s.motion_threshold) for t, s in enumerate(outcomes[MOVING].seconds)]
    chart.series.append(Series("threshold", limit, 4, "level"))
    return chart


def _breathing(outcomes: dict[str, Outcome]) -> Chart:
    longest = max(len(outcomes[name].seconds) for name in BREATHING)
    chart = Chart(
        "Breaths per minute that were told; 6.0 are true",
        "seconds", "per minute", (0, longest), (0, 30.0),
    )  # fmt: skip
    for colour, name in enumerate(BREATHING):
        told = [(float(t), bpm) for t, s in enumerate(outcomes[name].seconds)
                if (bpm := s.breathing_bpm) is not None]  # fmt: skip
        chart.series.append(Series(name, told, colour, "dots"))
    reference = outcomes[BREATHING[0]].reference
    points = [(float(t), s.breathing_bpm) for t, s in enumerate(reference) if s.breathing_bpm]
    chart.series.append(Series("reference, resp_6rpm", points, 3))
    chart.series.append(Series("true", [(0.0, 6.0), (float(longest), 6.0)], 4, "level"))
    return chart


def _spectra(recordings: Path) -> Chart:
    chart = Chart(
        "Amplitudes at the frequency of a breath, above the median of the band",
        "per minute", "dB", (60 * BAND_HZ[0], 60 * BAND_HZ[1]), (-10.0, 30.0),
    )  # fmt: skip
    for colour, name in enumerate(SPECTRA):
        frames = [f for f in Recording(recordings / f"{name}.csv.xz") if isinstance(f, CsiFrame)]
        bpm, level = breathing_spectrum(frames)
        points = list(zip(bpm.tolist(), level.tolist(), strict=True))
        chart.series.append(Series(name, points, colour))
    return chart


def breathing_spectrum(frames: Sequence[CsiFrame]) -> tuple[Floats, Floats]:
    """Return rates per minute, and the power of the amplitudes there in dB above its median.

    It is no part of sensing: it shows what there is to be seen. Each frame of the most frequent
    length is divided by its own strength, brought onto a grid of 10 Hz, and its spectra are
    averaged over subcarriers with the weight of their own peaks.
    """
    lengths = [len(frame.payload) for frame in frames]
    usual = max(set(lengths), key=lengths.count)
    chosen = [frame for frame in frames if len(frame.payload) == usual]
    times = np.array([frame.time_us for frame in chosen]) / 1e6
    pairs = np.stack([frame.pairs for frame in chosen]).astype(np.float64)
    amplitudes = np.hypot(pairs[..., 0], pairs[..., 1])
    used = np.median(amplitudes, axis=0) > LEAST_AMPLITUDE
    used[:FIRST_BIN] = False
    amplitudes = amplitudes[:, used]
    amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
    grid = np.arange(times[0], times[-1], 1 / GRID_HZ)
    even = np.stack([np.interp(grid, times, each) for each in amplitudes.T])
    even -= even.mean(axis=1, keepdims=True)
    size = 4 * len(grid)
    power = np.abs(np.fft.rfft(even * np.hanning(len(grid)), size)) ** 2
    hertz = np.fft.rfftfreq(size, 1 / GRID_HZ)
    band = (hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1])
    inside = power[:, band]
    inside /= np.median(inside, axis=1, keepdims=True)
    weights = inside.max(axis=1)
    mean = (inside * weights[:, None]).sum(axis=0) / weights.sum()
    level: Floats = 10 * np.log10(mean / np.median(mean))
    return np.asarray(60 * hertz[band], np.float64), level


def rates_of(above: Sequence[float], below: Sequence[float]) -> list[tuple[float, float]]:
    """Return the ROC curve: part of ``below`` and of ``above`` beyond each possible threshold."""
    limits = np.unique(np.concatenate([above, below, [np.inf]]))[::-1]
    one, other = np.asarray(above), np.asarray(below)
    return [(float(np.mean(other >= at)), float(np.mean(one >= at))) for at in limits] + [
        (1.0, 1.0)
    ]


def _roc(outcomes: dict[str, Outcome]) -> Chart:
    chart = Chart(
        "Seconds with somebody who walks that are found, by seconds of empty rooms that are wrong",
        "empty, taken for occupied", "walking, found", (0.0, 1.0), (0.0, 1.0),
    )  # fmt: skip
    moving = outcomes[MOVING]
    below = [score for name in EMPTY for score in outcomes[name].scores]
    chart.series.append(Series("edgeflow", rates_of(moving.scores, below), 0))
    below = [score for name in EMPTY for score in outcomes[name].reference_scores]
    chart.series.append(Series("reference", rates_of(moving.reference_scores, below), 3))
    chart.series.append(Series("chance", [(0.0, 0.0), (1.0, 1.0)], 4, "level"))
    return chart
