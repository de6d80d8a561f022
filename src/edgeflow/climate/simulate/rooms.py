"""A room as its sensors feel it: heat, water in the air and noise, and what a window changes.

Time is injected: a day passes as fast as it is asked for. Heat and water follow one balance each,
solved exactly over a step in which nothing outside changes, so that any step is stable.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgeflow.climate.simulate.outside import Outside, Weather, vapour_density
from edgeflow.protocols.climate import Features

__all__ = ["Room", "RoomOptions"]

HEAT_OF_AIR = 1200.0
"""J/(m3 K) at 20 degrees: 1.2 kg/m3 times 1005 J/(kg K)."""
HEAT_OF_PERSON = 80.0
"""W given off sensibly by a person at rest (EN ISO 7730: about 100 W, a part of it as water)."""
WATER_OF_PERSON = 50.0 / 3600.0
"""g/s of water that a person at rest gives off."""
LONGEST_STEP = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOptions:
    """How a room is built and lived in. Defaults: 20 m2 in a house of brick.

    Attributes:
        volume: m3. mass: how many times more heat walls and furniture hold than the air.
        loss: W/K through walls and closed window. sun: W through the window at noon, at most.
        infiltration: changes of air per hour with a closed window, and with an open one.
        heating: W of a radiator that keeps ``heated`` degrees while it is colder.
        people: who are in, from evening to morning. quiet: dBFS at night with a closed window.
        insulation: decibels that the closed window takes from noise outside.
    """

    volume: float = 50.0
    mass: float = 8.0
    loss: float = 25.0
    sun: float = 300.0
    infiltration: tuple[float, float] = (0.3, 8.0)
    heating: float = 1200.0
    heated: float = 20.0
    people: int = 2
    quiet: float = -62.0
    insulation: float = 25.0


@dataclass(slots=True)
class Room:
    """One room, at a moment.

    Args:
        options: of it. weather: outside.

    Attributes:
        time: seconds since midnight of the first day. temperature: degrees Celsius.
        vapour: g of water per m3 of air. window: per cent open.
        occupied: whether people are in; None to go by the hour.
    """

    options: RoomOptions = field(default_factory=RoomOptions)
    weather: Weather = field(default_factory=Weather)
    time: float = 0.0
    temperature: float = 21.0
    vapour: float = 9.0
    window: float = 0.0
    occupied: bool | None = None

    def advance(self, seconds: float, window: float) -> None:
        """Let time pass with the window at a position (per cent)."""
        self.window = min(100.0, max(0.0, window))
        while seconds > 0.0:
            step = min(seconds, LONGEST_STEP)
            self._step(step, self.weather.at(self.time))
            self.time += step
            seconds -= step

    def _step(self, seconds: float, outside: Outside) -> None:
        its = self.options
        closed, opened = its.infiltration
        air = its.volume * (closed + (opened - closed) * self.window / 100.0) / 3600.0
        leaves = its.loss + air * HEAT_OF_AIR
        gains = its.sun * outside.sun + self._people() * HEAT_OF_PERSON
        if self.temperature < its.heated:
            gains += its.heating
        balance = outside.temperature + gains / leaves
        capacity = its.volume * HEAT_OF_AIR * its.mass
        keeps = math.exp(-seconds * leaves / capacity)
        self.temperature = balance + (self.temperature - balance) * keeps
        damp = outside.vapour + self._people() * WATER_OF_PERSON / air
        keeps = math.exp(-seconds * air / its.volume)
        # What the air cannot hold ends on the panes.
        self.vapour = min(damp + (self.vapour - damp) * keeps, vapour_density(self.temperature))

    def _people(self) -> int:
        return self.options.people if self.is_lived_in else 0

    @property
    def is_lived_in(self) -> bool:
        """People are in from 17 to 8 o'clock, unless ``occupied`` says otherwise."""
        if self.occupied is not None:
            return self.occupied
        hour = self.time / 3600.0 % 24.0
        return hour < 8.0 or hour >= 17.0

    @property
    def humidity(self) -> float:
        """Relative, per cent."""
        return min(100.0, 100.0 * self.vapour / vapour_density(self.temperature))

    @property
    def volume_dbfs(self) -> float:
        """How loud it is: the room, and what the window lets in, added as powers."""
        its, outside = self.options, self.weather.at(self.time)
        awake = self.is_lived_in and not 0.0 <= self.time / 3600.0 % 24.0 < 7.0
        inside = its.quiet + (18.0 if awake else 0.0)
        passed = _power(outside.noise) * self.window / 100.0
        passed += _power(outside.noise - its.insulation)
        return float(np.clip(10.0 * math.log10(passed + _power(inside)), -80.0, 0.0))

    @property
    def features(self) -> Features:
        """What is felt, without noise of sensors."""
        return Features(self.temperature, self.humidity, self.volume_dbfs)

    def sound(self, rng: np.random.Generator, samples: int) -> npt.NDArray[np.int16]:
        """A stretch of it: noise of the volume, int16."""
        deviation = 32768.0 * 10.0 ** (self.volume_dbfs / 20.0)
        drawn = rng.standard_normal(samples, np.float32) * np.float32(deviation)
        clipped: npt.NDArray[np.float32] = np.clip(np.rint(drawn), -32768, 32767)
        return clipped.astype(np.int16)


def _power(level: float) -> float:
    return float(10.0 ** (level / 10.0))
