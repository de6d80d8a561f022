"""What an ESP32 makes of a channel: gain, offsets, noise, rounding to bytes, and its order of bins.

The figures follow the recordings in tests/data/csi; docs/explanation/csi-simulation.md compares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.channel import Complexes, phasors
from edgeflow.sensing.simulate.scenario import Radio
from edgeflow.sensing.simulate.tracks import Floats

__all__ = ["Layout", "Receiver", "layout_of"]

LEVEL_DB = 22.0
LEVEL_PER_DB = 0.4
LEVEL_RSSI = -70.0
REPORTED_NOISE = -96
DISTURBED = (2.0, 4.5)
OUTLIERS = 0.006
FIRST_WORDS = np.array([[82, -96, 4, 0], [84, -64, 4, 0]], dtype=np.int8)
LEAK = 64.0

LEGACY = np.array([k for k in range(-26, 27) if k])
UPPER = np.flatnonzero(np.diff(LEGACY) == 1) + 1
HIGH_THROUGHPUT = np.array([k for k in range(-28, 29) if k])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where subcarriers lie in a frame.

    Attributes:
        bins: positions of the active bins in the frame.
        subcarriers: their numbers, -28 to 28.
        scales: amplitude of each relative to the legacy training field.
        second: those that the second antenna of the sender fills.
        leaks: positions where the carrier leaks in.
    """

    bins: NDArray[np.int64]
    subcarriers: NDArray[np.int64]
    scales: NDArray[np.float32]
    second: NDArray[np.bool_]
    leaks: tuple[int, ...] = ()


def layout_of(board: str, length: int) -> Layout:
    """Of frames with 64, 128 or 192 bins: the legacy training field, then one or two others."""
    parts = [(LEGACY, 1.0, False)]
    if length == 128:
        parts.append((HIGH_THROUGHPUT, 4.0, False))
    elif length == 192:
        parts += [(HIGH_THROUGHPUT, 1.4, False), (HIGH_THROUGHPUT, 1.4, True)]
    places = [
        64 * part + (bins + 32 if board == "esp32" else bins % 64)
        for part, (bins, _, _) in enumerate(parts)
    ]
    return Layout(
        np.concatenate(places),
        np.concatenate([bins for bins, _, _ in parts]),
        np.concatenate([np.full(len(b), scale, np.float32) for b, scale, _ in parts]),
        np.concatenate([np.full(len(b), second) for b, _, second in parts]),
        (64, 128) if length == 192 and board == "esp32s3" else (),
    )


class Receiver:
    """One board; its ripple over the subcarriers is its own.

    Args:
        rng: decides the ripple.
    """

    def __init__(self, rng: np.random.Generator, radio: Radio) -> None:
        self._radio = radio
        bend = np.cumsum(rng.normal(0, 0.01, 64)) + rng.normal(0, 0.025, 64)
        turn = np.cumsum(rng.normal(0, 0.01, 64))
        self._ripple = ((1 + bend - bend.mean()) * np.exp(1j * turn)).astype(np.complex64)
        self._layouts = {length: layout_of(radio.board, length) for length in (64, 128, 192)}

    def hear(
        self,
        rng: np.random.Generator,
        coefficients: Complexes,
        second: Complexes | None,
        basis: Complexes,
        length: int,
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Frames as the driver gives them.

        Args:
            rng: of this block of frames.
            coefficients: c64[frames, orders] of the channel.
            second: likewise, from the sender's second antenna; needed for 192 bins.
            basis: c64[orders, 64], bins -32 to 31.
            length: bins per frame.

        Returns:
            Pairs i8[frames, 2 * length], imaginary parts first, and RSSI i8[frames].
        """
        layout = self._layouts[length]
        columns = (basis * self._ripple)[:, layout.subcarriers + 32]
        heard = coefficients @ columns
        if second is not None and layout.second.any():
            heard[:, layout.second] = second @ columns[:, layout.second]
        power = (heard.real**2 + heard.imag**2).mean(axis=1) + 1e-20
        level = 10 * np.log10(power) + self._radio.power_dbm
        rssi = np.rint(level + rng.normal(0, 0.65, len(level))).clip(-110, 0)
        noise = self._noise(rng, level)
        scale = 10 ** (self._gains(rng, rssi) / 20) / np.sqrt(power)
        noisy = rng.standard_normal((*heard.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        noisy *= (noise * np.sqrt(power))[:, None].astype(np.float32)
        noisy += heard
        noisy *= scale[:, None].astype(np.float32) * layout.scales
        noisy *= self._turns(rng, layout, noisy)
        return self._write(rng, layout, noisy, length), rssi.astype(np.int8)

    def _noise(self, rng: np.random.Generator, level: Floats) -> Floats:
        """Deviation of a part of a subcarrier's value, relative to the signal."""
        thermal = 10 ** ((self._radio.noise_floor_dbm - level) / 10)
        distortion = 10 ** (self._radio.distortion_db / 10)
        spread = np.exp(rng.normal(0, 0.12, len(level)))
        disturbed = rng.random(len(level)) < self._radio.interference
        spread[disturbed] *= rng.uniform(*DISTURBED, int(disturbed.sum()))
        relative: Floats = np.sqrt((thermal + distortion) / 2) * spread
        return np.minimum(relative, 5.0)

    def _gains(self, rng: np.random.Generator, rssi: Floats) -> Floats:
        """Level that the automatic gain control leaves, dB: right, some steps low, or far off."""
        count = len(rssi)
        level = LEVEL_DB + LEVEL_PER_DB * (rssi - LEVEL_RSSI).clip(-15, 10)
        level += rng.normal(0, 0.5, count)
        stepped = rng.random(count) < self._radio.gain_steps
        level -= stepped * rng.integers(1, 7, count) * 0.9
        level += (rng.random(count) < OUTLIERS) * rng.uniform(5, 11, count)
        return level

    def _turns(self, rng: np.random.Generator, layout: Layout, values: Complexes) -> Complexes:
        """Carrier and timing offset: a random phase; a slope that is taken out, but not quite.

        The boards of the recordings deliver frames whose mean slope is zero whatever the channel
        is: their timing follows it.
        """
        count = len(values)
        phase = rng.uniform(-np.pi, np.pi, count)
        turned = (values[:, UPPER] * values[:, UPPER - 1].conj()).sum(axis=1)
        slope = rng.normal(0, self._radio.slope_jitter, count) - np.angle(turned)
        angle = np.outer(slope.astype(np.float32), layout.subcarriers.astype(np.float32))
        angle += phase.astype(np.float32)[:, None]
        return phasors(angle)

    def _write(
        self, rng: np.random.Generator, layout: Layout, values: Complexes, length: int
    ) -> NDArray[np.int8]:
        count = len(values)
        pairs = np.zeros((count, length, 2), dtype=np.int8)
        rounded = np.rint(values.view(np.float32)).clip(-128, 127).astype(np.int8)
        pairs[:, layout.bins] = rounded.reshape(count, -1, 2)[..., ::-1]
        for place in layout.leaks:
            angle = rng.uniform(-np.pi, np.pi, count)
            leak = LEAK * np.stack((np.sin(angle), np.cos(angle)), axis=1)
            pairs[:, place] = np.rint(leak).astype(np.int8)
        flat = pairs.reshape(count, 2 * length)
        if self._radio.board == "esp32":
            flat[:, :4] = FIRST_WORDS[rng.integers(0, 2, count)]
        return flat
