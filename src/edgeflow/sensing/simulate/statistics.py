"""Figures by which simulated and recorded links can be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.receiver import LEGACY, layout_of
from edgeflow.sensing.simulate.tracks import Floats

__all__ = ["LinkStatistics", "breathing_peak", "measure"]

GRID_HZ = 10.0
BAND = (0.07, 0.6)
SHORT_GAP_MS = 2.0


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Of the legacy bins of one sender's frames. Amplitudes are normalised frame by frame.

    Attributes:
        frames, rate_hz: how many, and per second.
        rssi_mean, rssi_deviation: dBm, dB.
        level: root mean square of the amplitudes as received, in steps of the quantisation.
        largest: greatest part of a value, in those steps.
        gain_deviation: of the level from frame to frame, dB.
        gain_outliers: part of the frames whose level is more than 4 dB above the median.
        noise: deviation of an amplitude from one frame to the next, relative to it; median of bins.
        noise_typical, noise_p95: error of one frame over its bins: median and 95 % of the frames.
        fluctuation: deviation of an amplitude over the whole time, relative; median of bins.
        slow: likewise of means of ten frames.
        ripple: deviation of the mean amplitudes over the bins.
        phase_resultant: mean of the frames' common phases as vectors; 0 is random.
        slope_deviation: of the slope of the phase, rad per bin.
        breathing_bpm, breathing_db: strongest line between 4 and 36 per minute over the median.
        gap_median, gap_p95, gap_p99: between frames, ms.
        gaps_short: part of the gaps under 2 ms.
    """

    frames: int
    rate_hz: float
    rssi_mean: float
    rssi_deviation: float
    level: float
    largest: int
    gain_deviation: float
    gain_outliers: float
    noise: float
    noise_typical: float
    noise_p95: float
    fluctuation: float
    slow: float
    ripple: float
    phase_resultant: float
    slope_deviation: float
    breathing_bpm: float
    breathing_db: float
    gap_median: float
    gap_p95: float
    gap_p99: float
    gaps_short: float


def measure(
    times: Floats, pairs: NDArray[np.int8], rssi: NDArray[np.integer], board: str = "esp32"
) -> LinkStatistics:
    """Measure a link.

    Args:
        times: f64[frames], seconds, rising; some hundred at least.
        pairs: i8[frames, 128 or more]; the first 64 bins count.
        rssi: dBm of each frame.
        board: decides where the bins lie.
    """
    bins = layout_of(board, 64).bins
    parts = pairs[:, :128].reshape(len(pairs), 64, 2)[:, bins].astype(np.float64)
    values = parts[..., 1] + 1j * parts[..., 0]
    raw = np.hypot(parts[..., 0], parts[..., 1])
    level = np.sqrt((raw**2).mean(axis=1)).clip(0.1)
    amplitudes = raw / level[:, None]
    gain = 20 * np.log10(level)
    middle = np.median(amplitudes, axis=0).clip(1e-3)
    error = np.sqrt(((amplitudes / middle - 1) ** 2).mean(axis=1))
    step = np.diff(amplitudes, axis=0).std(axis=0) / np.sqrt(2)
    tens = amplitudes[: len(amplitudes) // 10 * 10].reshape(-1, 10, len(bins)).mean(axis=1)
    phase, slope = _offsets(values)
    gaps = np.diff(times) * 1000
    bpm, peak = breathing_peak(times, raw)
    return LinkStatistics(
        frames=len(times),
        rate_hz=float((len(times) - 1) / (times[-1] - times[0])),
        rssi_mean=float(rssi.mean()),
        rssi_deviation=float(rssi.astype(np.float64).std()),
        level=float(np.median(level)),
        largest=int(abs(parts).max()),
        gain_deviation=float(np.diff(gain).std() / np.sqrt(2)),
        gain_outliers=float((gain > np.median(gain) + 4).mean()),
        noise=float(np.median(step / middle)),
        noise_typical=float(np.median(error)),
        noise_p95=float(np.percentile(error, 95)),
        fluctuation=float(np.median(amplitudes.std(axis=0) / middle)),
        slow=float(np.median(tens.std(axis=0) / middle)),
        ripple=float(middle.std() / middle.mean()),
        phase_resultant=float(abs(np.exp(1j * phase).mean())),
        slope_deviation=float(slope.std()),
        breathing_bpm=bpm,
        breathing_db=peak,
        gap_median=float(np.median(gaps)),
        gap_p95=float(np.percentile(gaps, 95)),
        gap_p99=float(np.percentile(gaps, 99)),
        gaps_short=float((gaps < SHORT_GAP_MS).mean()),
    )


def breathing_peak(times: Floats, amplitudes: Floats) -> tuple[float, float]:
    """The strongest line in the band of breathing: (per minute, dB over the median of the band).

    Medians on a grid of 10 Hz, a Hann window, and a mean over the bins weighted by their peaks.
    """
    grid = _grid(times, amplitudes / np.linalg.norm(amplitudes, axis=1, keepdims=True).clip(1e-9))
    grid -= grid.mean(axis=0)
    count = len(grid)
    power = abs(np.fft.rfft(grid * np.hanning(count)[:, None], 8 * count, axis=0)) ** 2
    rates = np.fft.rfftfreq(8 * count, 1 / GRID_HZ)
    inside = (rates >= BAND[0]) & (rates <= BAND[1])
    power, rates = power[inside], rates[inside]
    relative = power / np.median(power, axis=0)
    total = (relative * relative.max(axis=0)).sum(axis=1)
    best = int(total.argmax())
    return float(60 * rates[best]), float(10 * np.log10(total[best] / np.median(total)))


def _grid(times: Floats, values: Floats) -> Floats:
    count = int((times[-1] - times[0]) * GRID_HZ)
    edges = np.searchsorted(times - times[0], np.arange(count + 1) / GRID_HZ)
    full = np.flatnonzero(np.diff(edges) > 0)
    middles = np.stack([np.median(values[edges[i] : edges[i + 1]], axis=0) for i in full])
    columns = [np.interp(np.arange(count), full, column) for column in middles.T]
    return np.stack(columns, axis=1)


def _offsets(values: NDArray[np.complex128]) -> tuple[Floats, Floats]:
    """Common phase and slope of each frame."""
    order = np.argsort(LEGACY)
    neighbours = np.diff(LEGACY[order]) == 1
    turned = values[:, order[1:]] * values[:, order[:-1]].conj()
    slope = np.angle(turned[:, neighbours].sum(axis=1))
    straight = values * np.exp(-1j * slope[:, None] * LEGACY)
    return np.angle(straight.sum(axis=1)), slope
