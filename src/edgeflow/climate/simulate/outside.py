"""Weather and noise before a window, over the day."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Outside", "Weather", "vapour_density"]

DAY = 86_400.0
COLDEST_HOUR = 4.0
SUNRISE, SUNSET = 6.0, 20.0
RUSH_HOURS = (8.0, 17.5)


@dataclass(frozen=True, slots=True)
class Outside:
    """At a moment: degrees Celsius, g/m3 of water, sun (0 to 1), and noise in dBFS."""

    temperature: float
    vapour: float
    sun: float
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A season, and days that differ within it.

    Attributes:
        mean: degrees over a day. swing: by which night and day differ from it.
        unsteady: deviation of one day's mean. vapour: g/m3. noise: dBFS at noon, a street away.
        seed: of what differs. longitude: seconds by which the day is shifted.
    """

    mean: float = 16.0
    swing: float = 5.0
    unsteady: float = 3.0
    vapour: float = 8.0
    noise: float = -32.0
    seed: int = 0
    longitude: float = 0.0

    def at(self, time: float) -> Outside:
        """What it is like, so many seconds after midnight of the first day."""
        day, hour = divmod((time + self.longitude) / DAY, 1.0)
        hour *= 24.0
        here, ahead = _differs(self.seed, int(day)), _differs(self.seed, int(day) + 1)
        mixed = here + (ahead - here) * (hour / 24.0)
        turn = 2.0 * math.pi * (hour - COLDEST_HOUR) / 24.0
        temperature = self.mean + self.unsteady * mixed - self.swing * math.cos(turn)
        up = math.sin(math.pi * (hour - SUNRISE) / (SUNSET - SUNRISE))
        clear = 1.0 / (1.0 + math.exp(-1.5 * mixed))
        return Outside(
            temperature=temperature,
            vapour=min(
                max(2.0, self.vapour - 0.4 * self.unsteady * mixed), vapour_density(temperature)
            ),
            sun=max(0.0, up) * clear if SUNRISE <= hour <= SUNSET else 0.0,
            noise=self.noise + _traffic(hour),
        )


def vapour_density(temperature: float) -> float:
    """g/m3 of water in saturated air (Magnus formula, WMO No. 8, over water)."""
    pressure = 611.2 * math.exp(17.62 * temperature / (243.12 + temperature))
    return 1000.0 * pressure / (461.5 * (temperature + 273.15))


@lru_cache(maxsize=4096)
def _differs(seed: int, day: int) -> float:
    """How a day differs: the same for the same seed, whichever day is asked for first."""
    return float(np.random.default_rng((seed, day & 0xFFFFFFFF)).standard_normal())


def _traffic(hour: float) -> float:
    """Decibels beside those of noon: much less at night, more at rush hours."""
    night = -18.0 if hour < 5.0 or hour >= 23.0 else 0.0
    rush = max(math.exp(-((hour - peak) ** 2)) for peak in RUSH_HOURS)
    return night + 8.0 * rush
