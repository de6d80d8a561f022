"""How many falls are told, and how often one is told that was none; in simulated rooms.

``python -m edgeflow.sensing.evaluation_falls --page docs/explanation/csi-accuracy.md`` replaces the
table between the page's two marks. A day of one link takes minutes.
"""

import argparse
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeflow._native.csi import CsiOptions, CsiProcessor
from edgeflow.sensing.simulate import (
    Activity,
    Breathing,
    Person,
    Radio,
    Room,
    Scenario,
    Simulation,
    day,
)
from edgeflow.sensing.simulate.scenario import Kind, Point

__all__ = ["Alarms", "Link", "alarms", "counted", "fall_of", "hours_of", "main", "most", "table"]

Mounting = Literal["anywhere", "ceiling"]
"""Where the antennas are: anywhere in a room of any usual size, 0.4 to 1.8 m high; or both 0.1 m
under the ceiling of a small room, 1.5 to 3 m apart around its middle, in sight of each other."""


class Link(NamedTuple):
    """Frames a second over antennas that are mounted so."""

    rate_hz: float
    mounting: Mounting = "anywhere"


MOUNTINGS: tuple[Mounting, ...] = ("anywhere", "ceiling")
RATES = (50.0,)
BEFORE: tuple[Kind, ...] = ("walk", "stand", "sit")
DOING = {
    "walk": "walking",
    "stand": "standing, or a walk that ends so",
    "sit": "sitting down, sitting",
    "lie": "lying down, lying",
    "squat": "squatting",
    "bend": "bending down",
    "enter": "coming in (a door)",
    "leave": "going out (a door)",
    "away": "nobody there but the cat",
}
CHUNK_SECONDS = 7200.0
LOOK_EVERY = 250
SURE = 0.95
BEGIN, END = "<!-- falls -->", "<!-- falls end -->"


@dataclass(slots=True)
class Alarms:
    """What was told over one kind of link.

    Attributes:
        falls, told: by what was done before. hours: without any fall.
        false: alarms in those, by what was done then.
    """

    falls: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    hours: float = 0.0
    false: Counter[str] = field(default_factory=Counter)


def most(count: int, sure: float = SURE) -> float:
    """The greatest mean of a Poisson variable that is this low with a chance of ``1 - sure``."""
    low, high = float(count), count + 20.0 + 5.0 * math.sqrt(count)
    for _ in range(60):
        mean = (low + high) / 2
        terms = (math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(count + 1))
        low, high = (mean, high) if sum(terms) > 1 - sure else (low, mean)
    return high


def _link(rng: np.random.Generator, link: Link) -> tuple[Room, Radio]:
    """A room, and antennas in it."""
    small = link.mounting == "ceiling"
    size: Point = (
        float(rng.uniform(3.0, 4.2) if small else rng.uniform(3.2, 6.5)),
        float(rng.uniform(3.0, 4.2) if small else rng.uniform(3.0, 5.5)),
        float(rng.uniform(2.35, 2.6) if small else rng.uniform(2.3, 2.9)),
    )
    room = Room(
        size=size,
        door=(0.2, float(rng.uniform(0.6, size[1] - 0.6))),
        reflection=float(rng.uniform(0.3, 0.5)),
        clutter=int(rng.integers(8, 28)),
        echo=float(rng.uniform(0.2, 0.6)),
        echo_ns=float(rng.uniform(18, 38)),
    )
    here, there = _under_ceiling(rng, size) if small else _anywhere(rng, size)
    loss = float(rng.choice((0.0, 15.0) if small else (15.0, 30.0)))
    return room, Radio(transmitter=here, receiver=there, rate_hz=link.rate_hz, through_wall_db=loss)


def _anywhere(rng: np.random.Generator, size: Point) -> tuple[Point, Point]:
    """Two metres apart or more."""
    width, depth, _ = size
    ends = rng.uniform((0.2, 0.2, 0.4), (width - 0.2, depth - 0.2, 1.8), (2, 3))
    while np.hypot(*(ends[1] - ends[0])[:2]) < 2:
        ends = rng.uniform((0.2, 0.2, 0.4), (width - 0.2, depth - 0.2, 1.8), (2, 3))
    return _point(ends[0]), _point(ends[1])


def _under_ceiling(rng: np.random.Generator, size: Point) -> tuple[Point, Point]:
    middle = np.array((size[0] / 2, size[1] / 2, size[2] - 0.1))
    turn, way = rng.uniform(0, 2 * np.pi), rng.uniform(1.5, min(3.0, min(size[:2]) - 0.6)) / 2
    aside = way * np.array((np.cos(turn), np.sin(turn), 0.0))
    middle[:2] += rng.uniform(-0.15, 0.15, 2)
    return _point(middle + aside), _point(middle - aside)


def _point(place: NDArray[np.float64]) -> Point:
    x, y, z = place
    return float(x), float(y), float(z)


def fall_of(seed: int, link: Link) -> Scenario:
    """Somebody walks, stands or sits, falls, and stays on the floor."""
    rng = np.random.default_rng((seed, 17))
    room, radio = _link(rng, link)
    speed = float(rng.uniform(0.5, 1.2))
    activities = (
        Activity("walk", float(rng.uniform(5, 9)), speed=speed),
        Activity(BEFORE[seed % len(BEFORE)], float(rng.uniform(6, 10)), speed=speed),
        Activity("fall", 60.0, speed=speed),
    )
    person = Person(
        activities,
        Breathing(float(rng.uniform(12, 18)), float(rng.uniform(5, 11))),
        height=float(rng.uniform(1.55, 1.85)),
        fidgets_per_min=float(rng.choice((0.0, 1.0, 3.0))),
    )
    return Scenario(45.0, seed, room, radio, (person,))


def hours_of(seed: int, link: Link, seconds: float = CHUNK_SECONDS) -> Scenario:
    """Some hours of ``day``, without a fall, in another room."""
    room, radio = _link(np.random.default_rng((seed, 19)), link)
    return replace(day(seed=seed, seconds=seconds), room=room, radio=radio)


def alarms(scenario: Scenario, options: CsiOptions | None = None) -> tuple[list[float], Simulation]:
    """When falls were that were told, seconds from the start; and the simulation."""
    processor, simulation = CsiProcessor(options), Simulation(scenario)
    found: list[float] = []
    for number, frame in enumerate(simulation):
        processor.push(frame.time_us, frame.pairs, source=frame.source)
        if number % LOOK_EVERY == 0:
            _note(processor, frame.time_us, found)
    _note(processor, int(scenario.seconds * 1e6), found)
    return found, simulation


def _note(processor: CsiProcessor, now_us: int, found: list[float]) -> None:
    fell = processor.vitals(now_us).fall_us / 1e6
    if fell and (not found or fell > found[-1]):
        found.append(fell)


def _doing(scenario: Scenario, at: float) -> str:
    kinds = scenario.persons[0].activities
    ends = np.cumsum([activity.seconds for activity in kinds])
    return kinds[min(int(np.searchsorted(ends, at)), len(kinds) - 1)].kind


def counted(
    link: Link,
    falls: Iterable[int],
    chunks: Iterable[int],
    seconds: float = CHUNK_SECONDS,
    options: CsiOptions | None = None,
) -> Alarms:
    """Simulate falls and hours without one, of these seeds each, and count what is told."""
    found = Alarms()
    for seed in falls:
        told, simulation = alarms(fall_of(seed, link), options)
        ((_, fall),) = simulation.falls
        before = BEFORE[seed % len(BEFORE)]
        found.falls[before] += 1
        found.told[before] += any(fall.start < at < fall.end + 1 for at in told)
    for seed in chunks:
        scenario = hours_of(seed, link, seconds)
        told, _ = alarms(scenario, options)
        found.hours += seconds / 3600
        found.false.update(_doing(scenario, at) for at in told)
    return found


def _share(told: int, falls: int) -> str:
    if not falls:
        return "-"
    half = 1.96 * math.sqrt(told * (falls - told) / falls + 0.96) / (falls + 3.84)
    middle = (told + 1.92) / (falls + 3.84)
    return f"{told}/{falls} ({max(0.0, middle - half):.0%}-{min(1.0, middle + half):.0%})"


def table(found: dict[Link, Alarms]) -> str:
    """Markdown of what was counted, by link."""
    rows = [
        ["", *(f"{link.mounting}, {link.rate_hz:g} Hz" for link in found)],
        ["---"] * (1 + len(found)),
    ]
    for before in BEFORE:
        told = (_share(each.told[before], each.falls[before]) for each in found.values())
        rows.append([f"falls told, out of: {before}", *told])
    every = (_share(each.told.total(), each.falls.total()) for each in found.values())
    rows.append(["**falls told**", *every])
    rows.append(["hours without a fall", *(f"{each.hours:g}" for each in found.values())])
    for kind, words in DOING.items():
        rows.append([f"false: {words}", *(str(each.false[kind]) for each in found.values())])
    rows.append(["**false alarms a day**, at most (95%)", *map(_a_day, found.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _a_day(each: Alarms) -> str:
    if not each.hours:
        return "-"
    false, days = each.false.total(), each.hours / 24
    return f"{false / days:.2f}, {most(false) / days:.2f}"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write or show the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="Markdown page to put the table into")
    parser.add_argument("--falls", type=int, default=120, help="simulated falls over each link")
    parser.add_argument("--hours", type=float, default=24.0, help="without a fall, over each link")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="frames a second")
    parser.add_argument("--mountings", nargs="+", choices=MOUNTINGS, default=MOUNTINGS)
    parser.add_argument("--threshold", type=float, help="rad/s^2, another than the default")
    parser.add_argument("--seed", type=int, default=5000, help="of the first room")
    chosen = parser.parse_args(arguments)
    chunks = round(chosen.hours * 3600 / CHUNK_SECONDS)
    seeds = range(chosen.seed, chosen.seed + chosen.falls)
    rooms = range(chosen.seed, chosen.seed + chunks)
    options = CsiOptions(fall_threshold=chosen.threshold) if chosen.threshold else None
    links = [Link(rate, mounting) for mounting in chosen.mountings for rate in chosen.rates]
    found = {link: counted(link, seeds, rooms, options=options) for link in links}
    made = f"{BEGIN}\n{table(found)}\n{END}"
    if chosen.page is None:
        sys.stdout.write(made + "\n")
        return
    page = chosen.page.read_text()
    marked = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    chosen.page.write_text(marked.sub(lambda _: made, page))


if __name__ == "__main__":
    main()
