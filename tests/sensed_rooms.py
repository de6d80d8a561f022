"""Rooms in which modules are tried: who is where when, over a strong link."""

from collections import defaultdict
from functools import cache

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import Told, events_of
from edgeflow.sensing.simulate import (
    Activity,
    Breathing,
    DoorMove,
    Frame,
    Person,
    Radio,
    Scenario,
    Simulation,
)

NEAR = (2.5, 2.6)
"""Beside the direct path, where a breath is read."""
LINK = Radio(rate_hz=10.0, through_wall_db=0.0)

COMES, SITS, STANDS_UP, LEFT = 120.0, 192.0, 1092.0, 1124.0
"""Seconds of ``visit``."""


def visit(seed: int = 3) -> Scenario:
    """Two empty minutes, somebody who comes, walks, sits for 15 minutes and leaves for 8."""
    person = Person(
        (
            Activity("away", COMES),
            Activity("enter", 12.0),
            Activity("walk", 60.0),
            Activity("sit", STANDS_UP - SITS, NEAR),
            Activity("walk", 20.0),
            Activity("leave", 12.0),
            Activity("away", 500.0),
        ),
        Breathing(14.0, 9.0),
    )
    return Scenario(seconds=1620.0, persons=(person,), radio=LINK, seed=seed)


def stay(seconds: float, seed: int = 4) -> Scenario:
    """Somebody who is there for the second half."""
    person = Person(
        (
            Activity("away", seconds / 2),
            Activity("enter", 12.0),
            Activity("walk", 20.0),
            Activity("sit", seconds, NEAR),
        ),
        Breathing(14.0, 9.0),
    )
    return Scenario(seconds=seconds, persons=(person,), radio=LINK, seed=seed)


def empty(seconds: float = 600.0, seed: int = 3) -> Scenario:
    """Nobody."""
    return Scenario(seconds=seconds, radio=LINK, seed=seed)


def walking(seconds: float = 120.0, seed: int = 3) -> Scenario:
    """Somebody who walks about all the time."""
    person = Person((Activity("walk", seconds),))
    return Scenario(seconds=seconds, persons=(person,), radio=LINK, seed=seed)


def lying(
    seconds: float = 300.0, apneas: tuple[tuple[float, float], ...] = (), seed: int = 3
) -> Scenario:
    """Somebody who lies still near the link, and may stop breathing."""
    breathing = Breathing(14.0, 9.0, apneas=apneas)
    person = Person((Activity("lie", seconds, NEAR),), breathing)
    return Scenario(seconds=seconds, persons=(person,), radio=LINK, seed=seed)


def door(seconds: float = 120.0, seed: int = 3) -> Scenario:
    """Nobody, and a door that opens at 60 s and shuts at 90 s."""
    moves = (DoorMove(60.0, 80.0), DoorMove(90.0, 0.0))
    return Scenario(seconds=seconds, door_moves=moves, radio=LINK, seed=seed)


@cache
def _frames(scenario: Scenario) -> list[Frame]:
    return list(Simulation(scenario))


@cache
def _built(name: str) -> bytes:
    return build_module(SOURCES / f"{name}.c")


def told(name: str, scenario: Scenario) -> dict[int, list[Told]]:
    """What a module of the catalogue tells of a scenario, by type of event."""
    by_type: dict[int, list[Told]] = defaultdict(list)
    for event in events_of(_built(name), _frames(scenario)):
        by_type[event.type].append(event)
    return by_type
