"""The channel: paths over walls, furniture and bodies, summed up at the subcarriers.

Every path is an amplitude, a phase at the carrier and a delay. Within 20 MHz the delay acts
through a few Chebyshev polynomials, so a frame is a short vector of coefficients, and one small
matrix turns those into subcarriers:
``H[frame, bin] = coefficients[frame, order] @ basis[order, bin]``.
"""

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.bodies import Points
from edgeflow.sensing.simulate.scenario import Point, Radio, Room
from edgeflow.sensing.simulate.tracks import Floats, wander

__all__ = ["SPACING_HZ", "Channel", "Complexes", "Delays", "phasors"]

Complexes = NDArray[np.complex64]

LIGHT = 299_792_458.0
SPACING_HZ = 312_500.0
ORDERS = 12
LONGEST = 240e-9
FORWARD, FORWARD_WIDTH = 12.0, 0.08
SHADOW_DEPTH = 0.45
WALL_SEEN = 0.8
ECHOES, LATE_MIRRORS, LATE_SEEN = 24, 5, 4.5
STEEPEST = 0.7
"""Of late echoes, as a sine: their rise then has the mean square 0.16 of all images of a box of
5 x 4.4 x 2.6 m with walls that give back 0.4, 5 to 20 m away."""
DRIFT_TAPS = 6
DRIFT_SHORTEST = 40.0
EDGE = 28


def phasors(angles: NDArray[np.float32]) -> Complexes:
    """Unit vectors in the complex plane, c64, at these angles."""
    made = np.empty(angles.shape, dtype=np.complex64)
    np.cos(angles, out=made.real)
    np.sin(angles, out=made.imag)
    return made


class Delays:
    """Turns delays into coefficients, and those into subcarriers.

    Args:
        first: the delay that counts as none, seconds; what the receiver is synchronised to.
    """

    def __init__(self, first: float, reference: float) -> None:
        self._first = first
        nodes = np.cos(np.pi * (np.arange(ORDERS) + 0.5) / ORDERS)
        delays = (nodes + 1) / 2 * LONGEST + first - reference
        bins = np.arange(-32, 32)
        values = np.exp(-2j * np.pi * SPACING_HZ * bins * delays[:, None])
        weights = np.cos(np.arange(ORDERS)[:, None] * np.arccos(nodes)) * (2 / ORDERS)
        weights[0] /= 2
        self.basis: Complexes = (weights @ values).astype(np.complex64)

    def coefficients(self, gains: NDArray[np.complexfloating], delays: Floats) -> Complexes:
        """Sum of paths: gains c[..., paths], delays f64[..., paths] -> c64[..., ORDERS]."""
        x = ((delays - self._first) * (2 / LONGEST) - 1).clip(-1, 1).astype(np.float32)
        paths = gains.astype(np.complex64)
        total = np.empty((*np.broadcast_shapes(x.shape, paths.shape)[:-1], ORDERS), np.complex64)
        before, now = np.ones_like(x), x
        for order in range(ORDERS):
            total[..., order] = (paths * before).sum(axis=-1)
            before, now = now, 2 * x * now - before
        return total


class Channel:
    """One link through a room.

    Args:
        transmitter: antenna; the receiver is the radio's.
        seconds: for how long the room drifts.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        room: Room,
        radio: Radio,
        transmitter: Point,
        seconds: float,
    ) -> None:
        self._tx, self._rx = np.array(transmitter), np.array(radio.receiver)
        self._wave = LIGHT / ((2407 + 5 * radio.channel) * 1e6)
        self._room, self._loss = room, 10 ** (-radio.through_wall_db / 20)
        amplitudes, delays = self._static_paths(rng)
        line = float(np.linalg.norm(self._rx - self._tx)) / LIGHT
        power = amplitudes**2
        self._delays = Delays(0.9 * line, float((power * delays).sum() / power.sum()))
        self.basis = self._delays.basis
        gains = amplitudes * self._carrier(delays) * np.exp(1j * rng.normal(0, 0.3, len(delays)))
        self._static = self._delays.coefficients(gains, delays)
        self._line = self._delays.coefficients(gains[:1], delays[:1])
        self._mirrors = self._mirrored_receivers(rng)
        self._drift_t, drift = wander(rng, seconds, 1.0, DRIFT_SHORTEST, DRIFT_TAPS)
        scale = room.drift * np.sqrt(power.sum() / DRIFT_TAPS)
        taps = rng.uniform(delays.min(), delays.min() + 80e-9, DRIFT_TAPS)
        self._drift = self._delays.coefficients((drift * scale)[:, :, None], taps[:, None]).sum(1)

    def empty(self, times: Floats) -> Complexes:
        """Coefficients of the empty room, c64[frames, ORDERS]."""
        t = np.clip(times, 0, self._drift_t[-2])
        i = t.astype(np.int64)
        part = (t - i).astype(np.float32)[:, None]
        drifted: Complexes = self._drift[i] * (1 - part) + self._drift[i + 1] * part
        return drifted + self._static

    def scattered(self, points: Points) -> Complexes:
        """What points add, the shadow they throw on the direct path included."""
        gains, delays = self._bounces(points)
        total = self._delays.coefficients(gains, delays)
        if points.shade is not None:
            weight = points.areas[:, 0] > 0 if points.areas.ndim == 2 else True
            total += (self._shadow(points.shade, points.width) * weight)[:, None] * self._line
        return total

    def _carrier(self, delays: Floats) -> Complexes:
        turns = (delays * (LIGHT / self._wave)) % 1.0
        angle = (-2 * np.pi * turns).astype(np.float32)
        return phasors(angle)

    def _bounces(self, points: Points) -> tuple[Complexes, Floats]:
        """Gains and delays of the paths over points, and of the strong ones over mirrors too."""
        places, strong = points.places, points.mirrored
        ahead = places - self._tx
        out = np.linalg.norm(ahead, axis=-1)
        gains, delays = [], []
        for count, receivers, factors in (
            (places.shape[1], self._rx[None], np.ones(1)),
            (strong, *self._mirrors),
        ):
            onward = receivers - places[:, :count, None]
            back = np.linalg.norm(onward, axis=-1)
            sent = out[:, :count, None]
            straight = (ahead[:, :count, None] * onward).sum(axis=-1) / (sent * back)
            seen = points.areas[..., :count, None] * (
                1 + FORWARD * np.exp((straight - 1) / FORWARD_WIDTH)
            )
            delay = (sent + back) / LIGHT
            strength = self._loss * self._wave / (4 * np.pi) ** 1.5 * factors
            amplitude = strength * np.sqrt(seen) / np.maximum(sent, 0.3) / np.maximum(back, 0.3)
            gains.append((amplitude * self._carrier(delay)).reshape(len(places), -1))
            delays.append(delay.reshape(len(places), -1))
        return np.concatenate(gains, axis=1).astype(np.complex64), np.concatenate(delays, axis=1)

    def _mirrored_receivers(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The receiver as a body sees it in all six walls, once, and many times over (echoes)."""
        width, depth, height = self._room.size
        x, y, z = self._rx
        mirrored = (
            *((-x, y, z), (2 * width - x, y, z), (x, -y, z), (x, 2 * depth - y, z)),
            *((x, y, -z), (x, y, 2 * height - z)),
        )
        places = [np.array(place) for place in mirrored]
        factors = [self._room.reflection * WALL_SEEN] * len(places)
        for _ in range(LATE_MIRRORS):
            way = LIGHT * 1e-9 * (10 + rng.exponential(self._room.echo_ns))
            turn, rise = rng.uniform(0, 2 * np.pi), rng.uniform(-STEEPEST, STEEPEST)
            flat = np.sqrt(1 - rise * rise)
            direction = np.array((flat * np.cos(turn), flat * np.sin(turn), rise))
            places.append(self._rx + way * direction)
            factors.append(LATE_SEEN * np.sqrt(self._room.echo))
        return np.array(places), np.array(factors)

    def _shadow(self, top: Floats, width: float) -> Floats:
        """Change of the direct path's gain by a body between the antennas."""
        way = self._rx - self._tx
        length2 = float(way @ way)
        part = ((top - self._tx) @ way / length2).clip(0.02, 0.98)
        nearest = self._tx + part[:, None] * way
        beside = np.hypot(*(top - nearest)[:, :2].T)
        zone = np.sqrt(self._wave * part * (1 - part) * np.sqrt(length2)) * 0.8 + width
        below = np.clip((top[:, 2] + 0.15 - nearest[:, 2]) / 0.3, 0, 1)
        shade: Floats = -SHADOW_DEPTH * np.exp(-((beside / zone) ** 2)) * below
        return shade

    def _static_paths(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        lengths, losses = [], []
        for place, bounces in _mirror_places(self._rx, self._room.size):
            lengths.append(float(np.linalg.norm(place - self._tx)))
            losses.append(self._room.reflection**bounces)
        ways, factors = np.array(lengths), np.array(losses)
        amplitudes = self._wave / (4 * np.pi * ways) * factors
        count = self._room.clutter
        places = rng.uniform((0, 0, 0.2), self._room.size, (count, 3))
        out = np.linalg.norm(places - self._tx, axis=1).clip(0.5)
        back = np.linalg.norm(places - self._rx, axis=1).clip(0.5)
        areas = rng.exponential(0.3, count)
        scattered = self._wave * np.sqrt(areas) / (4 * np.pi) ** 1.5 / out / back
        echoes = rng.exponential(1.0, ECHOES)
        late = amplitudes[0] * np.sqrt(self._room.echo * echoes / echoes.sum())
        behind = ways[0] / LIGHT + 1e-9 * (8 + rng.exponential(self._room.echo_ns, ECHOES))
        delays = np.concatenate((np.concatenate((ways, out + back)) / LIGHT, behind))
        return np.concatenate((amplitudes, scattered, late)) * self._loss, delays


def _mirror_places(place: Floats, size: Point) -> list[tuple[Floats, int]]:
    """Images of a place in the walls, up to two bounces; the place itself comes first."""
    axes = []
    for axis in range(3):
        x, wide = place[axis], size[axis]
        axes.append(((x, 0), (-x, 1), (2 * wide - x, 1), (2 * wide + x, 2), (x - 2 * wide, 2)))
    images = []
    for x, bounce_x in axes[0]:
        for y, bounce_y in axes[1]:
            for z, bounce_z in axes[2]:
                bounces = bounce_x + bounce_y + bounce_z
                if bounces <= 2:
                    images.append((np.array((x, y, z)), bounces))
    return images
